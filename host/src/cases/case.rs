//! A case: one instance of the component, and what is done with it.

use std::collections::BTreeMap;

use tracing::Level;

use super::defaults::{self, Defaults, usual_session};
use super::exchange::Exchange;
use super::fault::ExpectedFault;
use super::lines::{self, ExpectedLine};
use super::series::{self, Reading, Series};
use crate::plugin::SessionInfo;
use crate::yaml::locate::End;
use crate::yaml::node::{Key, Node};
use crate::yaml::problem::{Origin, Problems};

/// A case: checked as far as that goes without the component.
#[derive(Clone, Debug)]
pub struct Case {
    name: String,
    pub(super) place: String,
    pub(super) config: serde_json::Value,
    pub(super) sessions: BTreeMap<u64, SessionInfo>,
    pub(super) setup: Setup,
    pub(super) steps: Vec<Step>,
    pub(super) log_level: Level,
    pub(super) log: Option<Placed<Vec<ExpectedLine>>>,
    pub(super) metrics: Option<Placed<Vec<(Series, Reading)>>>,
}

/// What the component is expected to make of its configuration.
#[derive(Clone, Debug)]
pub(super) enum Setup {
    Accepts,
    /// It says this sentence.
    Refuses(String),
    Faults(ExpectedFault),
}

/// Requests that cross in one vector. At least one.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) exchanges: Vec<Exchange>,
}

/// Something and where it stands in the file: `cases.yaml:7:11`.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) place: String,
    pub(super) it: T,
}

const KEYS: [Key; 9] = [
    Key::read("name"),
    Key::read("config"),
    Key::read("sessions"),
    Key::read("refuses"),
    Key::read("fault"),
    Key::read("steps"),
    Key::read("log"),
    Key::read("log_level"),
    Key::read("metrics"),
];

/// Those that say what is expected.
const EXPECTATIONS: [&str; 5] = ["refuses", "fault", "steps", "log", "metrics"];

const A_NAME: &str = "a name: one line that says what is promised";

impl Case {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn read(
        node: &Node<'_>,
        defaults: &Defaults,
        origin: Origin<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let fields = node.fields(&KEYS, problems)?;
        fields.refuse_empty(&EXPECTATIONS, problems);
        let name = fields.require("name", A_NAME, problems).and_then(|node| match node.text(A_NAME, problems)? {
            text if text.trim().is_empty() || text.chars().any(char::is_control) => node.unexpected(A_NAME, problems),
            text => Some(text.to_owned()),
        });
        let config = match fields.get("config") {
            Some(node) => node.json_object(problems),
            None => Some(defaults.config.clone()),
        };
        let mut sessions = defaults.sessions.clone();
        if let Some(node) = fields.get("sessions") {
            sessions.extend(defaults::sessions(&node, problems));
        }
        let setup = match (fields.get("refuses"), fields.get("fault")) {
            (None, None) => Some(Setup::Accepts),
            (Some(node), None) => {
                node.text("the sentence that the component says", problems).map(|text| Setup::Refuses(text.to_owned()))
            }
            (None, Some(node)) => ExpectedFault::read(&node, problems).map(Setup::Faults),
            (Some(_), Some(_)) => {
                problems.value(&node.path, "`refuses` and `fault` exclude each other: what refuses has not faulted");
                None
            }
        };
        let steps = fields.get("steps").map_or(Some(Vec::new()), |node| {
            let read =
                |node: &Node<'_>, problems: &mut Problems| Exchange::read(node, defaults.bypasses, origin, problems);
            steps(&node, &read, problems)
        });
        let log = fields.get("log").map(|node| {
            let entries = node.list("a list of log lines", problems).unwrap_or_default();
            let it = entries.iter().filter_map(|entry| ExpectedLine::read(entry, problems)).collect();
            Placed { place: origin.place(&node.path, End::Key), it }
        });
        let log_level = fields.get("log_level").and_then(|node| lines::level(&node, problems));
        let metrics = fields.get("metrics").map(|node| {
            let it = series::expected(&node, problems).unwrap_or_default();
            Placed { place: origin.place(&node.path, End::Key), it }
        });
        let (setup, steps) = (setup?, steps?);
        match (&setup, steps.first()) {
            (Setup::Accepts, None) if log.is_none() && metrics.is_none() => {
                problems.value(&node.path, "nothing is checked: give `steps`, `refuses`, `fault`, `log` or `metrics`");
            }
            (Setup::Refuses(_) | Setup::Faults(_), Some(_)) => {
                problems
                    .key(&node.path.key("steps"), "a component that is not set up is not called: leave `steps` out");
            }
            _ => {}
        }
        for exchange in steps.iter().flat_map(|step| &step.exchanges) {
            sessions.entry(exchange.session).or_insert_with(|| usual_session(exchange.session));
        }
        Some(Self {
            name: name?,
            place: origin.place(&node.path, End::Value),
            config: config?,
            sessions,
            setup,
            steps,
            log_level: log_level.unwrap_or(Level::TRACE),
            log,
            metrics,
        })
    }
}

/// Reads an exchange.
type Read<'a> = &'a dyn Fn(&Node<'_>, &mut Problems) -> Option<Exchange>;

fn steps(node: &Node<'_>, read: Read<'_>, problems: &mut Problems) -> Option<Vec<Step>> {
    let entries = node.list("a list of steps, each beginning with `- request:` or `- vector:`", problems)?;
    let steps: Vec<_> = entries.iter().map(|entry| step(entry, read, problems)).collect();
    let steps: Vec<Step> = steps.into_iter().collect::<Option<_>>()?;
    let mut closed: BTreeMap<u64, usize> = BTreeMap::new();
    for (number, (step, entry)) in (1..).zip(steps.iter().zip(&entries)) {
        for exchange in &step.exchanges {
            if let Some(by) = closed.get(&exchange.session) {
                let session = exchange.session;
                problems.value(
                    &entry.path,
                    format!("session {session} was closed in step {by}: nothing comes of it any more"),
                );
            }
        }
        let closing = step.exchanges.iter().filter(|exchange| exchange.closes());
        closed.extend(closing.map(|exchange| (exchange.session, number)));
    }
    Some(steps)
}

fn step(node: &Node<'_>, read: Read<'_>, problems: &mut Problems) -> Option<Step> {
    if node.value.get("vector").is_none() {
        return Some(Step { exchanges: vec![read(node, problems)?] });
    }
    let fields = node.fields(&[Key::read("vector")], problems)?;
    fields.refuse_empty(&["vector"], problems);
    let vector = fields.get("vector")?;
    let entries = vector.list("a list of requests that cross together, each beginning with `- request:`", problems)?;
    if entries.is_empty() {
        problems.value(&vector.path, "a vector has at least one request");
    }
    let exchanges: Vec<_> = entries.iter().map(|entry| read(entry, problems)).collect();
    Some(Step { exchanges: exchanges.into_iter().collect::<Option<_>>()? })
}
