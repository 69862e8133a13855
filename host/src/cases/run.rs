//! A case, from its configuration to its metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::case::{Case, Placed, Setup};
use super::fault;
use super::lines::{self, Line, Lines};
use super::outcome::{Difference, Outcome};
use super::scalar::yaml;
use super::series::{self, Ledger, Reading, Series};
use super::stage::Stage;
use crate::plugin::{ConfigureError, Plugin, Site, Transform};

impl Case {
    /// Has a new instance of the component do what the case says: nothing that another case has
    /// done to it is left.
    pub fn run(&self, plugin: &Plugin) -> Outcome {
        let lines = Lines::new(self.log_level);
        let ledger = Ledger::default();
        let run = || tracing::subscriber::with_default(lines.subscriber(), || self.perform(plugin, &lines, &ledger));
        let (differences, written) = metrics::with_local_recorder(&ledger, run);
        let log = written.iter().map(Line::show).collect();
        Outcome { name: self.name().to_owned(), differences, log }
    }

    /// What was not as expected, and the log lines that this does not show.
    ///
    /// A configuration is tried in an instance that is thrown away, and given to another before its
    /// first crossing. What the first one logs and counts is only of interest where there is no
    /// second one.
    fn perform(&self, plugin: &Plugin, lines: &Lines, ledger: &Ledger) -> (Vec<Difference>, Vec<Line>) {
        let site = Site { source: "valkey".to_owned(), position: 0 };
        let configured = plugin.afresh().configure(&self.config, site);
        let (mut written, mut readings) = (lines.take(), ledger.read());
        ledger.reset();
        let transform = match self.set_up(configured) {
            Ok(transform) => transform,
            Err(difference) => return (vec![difference], written),
        };
        if let Some(transform) = transform {
            let mut stage = Stage::new(transform, self.sessions.clone());
            let steps = (1..).zip(&self.steps).map(|(number, step)| stage.step(number, &step.exchanges));
            // What comes after something unexpected would only be confusing.
            let differences = steps.into_iter().find(|differences| !differences.is_empty());
            if stage.has_started() {
                (written, readings) = (lines.take(), ledger.read());
            }
            if let Some(differences) = differences {
                return (differences, written);
            }
        }
        let mut differences: Vec<Difference> =
            self.log.iter().filter_map(|expected| log_difference(expected, &written)).collect();
        if !differences.is_empty() {
            written.clear();
        }
        differences.extend(self.metrics.iter().flat_map(|expected| metric_differences(expected, &readings)));
        (differences, written)
    }

    /// The transform, where there is to be one; or what is wrong with how it took its
    /// configuration.
    fn set_up(&self, configured: Result<Arc<Transform>, ConfigureError>) -> Result<Option<Arc<Transform>>, Difference> {
        let actual = match (configured, &self.setup) {
            (Ok(transform), Setup::Accepts) => return Ok(Some(transform)),
            (Err(ConfigureError::Refused { reason, .. }), Setup::Refuses(sentence)) if reason == *sentence => {
                return Ok(None);
            }
            (Err(ConfigureError::Fault { fault, .. }), Setup::Faults(expected)) if expected.is(&fault) => {
                return Ok(None);
            }
            (Ok(_), _) => "it accepts the configuration".to_owned(),
            (Err(ConfigureError::Refused { reason, .. }), _) => format!("refuses: {}", yaml(&reason)),
            (Err(ConfigureError::Fault { fault, .. }), _) => format!("fault: {}", fault::show(&fault)),
            (Err(error), _) => error.to_string(),
        };
        let expected = match &self.setup {
            Setup::Accepts => "it accepts the configuration".to_owned(),
            Setup::Refuses(sentence) => format!("refuses: {}", yaml(sentence)),
            Setup::Faults(fault) => format!("fault: {}", fault.show()),
        };
        let difference = Difference::new(&self.place, "configuration").row("config", self.config.to_string());
        Err(difference.row("expected", expected).row("actual", actual))
    }
}

fn log_difference(expected: &Placed<Vec<lines::ExpectedLine>>, written: &[Line]) -> Option<Difference> {
    let shown = lines::difference(&expected.it, written)?;
    Some(Difference::new(&expected.place, "log (- is missing, + is not expected)").lines("", shown))
}

fn metric_differences(
    expected: &Placed<Vec<(Series, Reading)>>,
    readings: &BTreeMap<Series, Reading>,
) -> Vec<Difference> {
    let difference = |(series, reading): &(Series, Reading)| {
        let actual = match readings.get(series) {
            Some(actual) if actual == reading => return None,
            Some(actual) => vec![series::show(series, actual)],
            None if readings.is_empty() => vec!["no series at all".to_owned()],
            None => {
                let others = readings.iter().map(|(series, reading)| series::show(series, reading));
                std::iter::once("no such series; there are".to_owned()).chain(others).collect()
            }
        };
        let difference = Difference::new(&expected.place, "metrics").row("expected", series::show(series, reading));
        Some(difference.lines("actual", actual))
    };
    expected.it.iter().filter_map(difference).collect()
}
