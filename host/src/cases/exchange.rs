//! A request, and what is to become of it.

use super::fault::ExpectedFault;
use super::reply::Reply;
use super::verdict::{Action, Verdict, Watch};
use super::words::Request;
use crate::yaml::locate::End;
use crate::yaml::node::{Fields, Key, Node, quoted};
use crate::yaml::problem::{Origin, Problems};

/// A request, what is expected of its crossing, and what then comes back.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Where it stands in the file.
    pub(super) place: String,
    pub(super) session: u64,
    pub(super) request: Request,
    pub(super) expected: Expected,
    /// What the client gets without a server: the reply of a verdict, or what a fault costs.
    pub(super) result: Option<Reply>,
    /// The server's response, if one comes.
    pub(super) back: Option<Return>,
    /// What the server then sends by itself.
    pub(super) pushes: Vec<Return>,
}

/// What is expected of the crossing of a request.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    Verdict(Verdict),
    Fault(ExpectedFault),
}

/// What a server sends, and what is expected to come out.
#[derive(Clone, Debug)]
pub(super) struct Return {
    /// One for each request that was sent.
    pub(super) frames: Vec<Reply>,
    pub(super) fault: Option<ExpectedFault>,
    /// `None`: what was sent, unless there is a fault: what that makes of it is the host's
    /// business.
    pub(super) result: Option<Reply>,
}

const KEYS: [Key; 8] = [
    Key::read("request"),
    Key::read("session"),
    Key::read("verdict"),
    Key::read("response"),
    Key::read("responses"),
    Key::read("result"),
    Key::read("fault"),
    Key::read("pushes"),
];

/// Those that say what is expected, but for replies: `null` is one.
const EXPECTATIONS: [&str; 4] = ["verdict", "responses", "fault", "pushes"];

const PUSH: [Key; 3] = [Key::read("response"), Key::read("result"), Key::read("fault")];

impl Exchange {
    /// `bypasses`: a request whose crossing faults goes on to the server.
    pub(super) fn read(node: &Node<'_>, bypasses: bool, origin: Origin<'_>, problems: &mut Problems) -> Option<Self> {
        let fields = node.fields(&KEYS, problems)?;
        fields.refuse_empty(&EXPECTATIONS, problems);
        let request = fields
            .require("request", "what the client sends, such as `GET key`", problems)
            .and_then(|node| Request::read(&node, problems));
        let session = fields.get("session").map_or(Some(1), |node| session(&node, problems));
        let expected = expected(&fields, bypasses, problems);
        let pushes = fields.get("pushes").map_or(Some(Vec::new()), |node| {
            let entries = node.list("a list of what the server sends by itself", problems)?;
            let pushes: Vec<_> = entries.iter().map(|entry| push(entry, problems)).collect();
            pushes.into_iter().collect()
        });
        let expected = expected?;
        let back = back(&fields, &expected, bypasses, problems);
        let result = if has_response(&fields) { Some(None) } else { result(&fields, &expected, bypasses, problems) };
        let pushes = pushes?;
        if !pushes.is_empty() && !expected.is_watched_single() {
            let message = "what a server sends by itself comes to a transform only where the request that asked for it is watched";
            problems.key(&fields.path.key("pushes"), message);
        }
        Some(Self {
            place: origin.place(&node.path, End::Value),
            session: session?,
            request: request?,
            expected,
            result: result?,
            back: back?,
            pushes,
        })
    }

    /// Whether its session ends with it.
    pub(super) fn closes(&self) -> bool {
        matches!(&self.expected, Expected::Verdict(Verdict { action: Action::Close(_), .. }))
    }
}

impl Expected {
    fn action(&self) -> Option<&Action<Reply>> {
        match self {
            Self::Verdict(verdict) => Some(&verdict.action),
            Self::Fault(_) => None,
        }
    }

    fn is_watched(&self) -> bool {
        matches!(self, Self::Verdict(verdict) if verdict.watch != Watch::No)
    }

    fn is_watched_single(&self) -> bool {
        self.is_watched() && !matches!(self.action(), Some(Action::FanOut(_)))
    }
}

fn session(node: &Node<'_>, problems: &mut Problems) -> Option<u64> {
    match node.value.as_u64() {
        Some(number) if number > 0 => Some(number),
        _ => node.unexpected("the number of a session, at least 1", problems),
    }
}

fn has_response(fields: &Fields<'_>) -> bool {
    fields.given("response").is_some() || fields.given("responses").is_some()
}

/// What is expected of the request. A fault beside a response is the response's, unless that is one
/// to a bypassed request: no verdict is expected of that.
fn expected(fields: &Fields<'_>, bypasses: bool, problems: &mut Problems) -> Option<Expected> {
    let is_bypassed = bypasses && fields.get("verdict").is_none();
    let fault = fields.get("fault").filter(|_| is_bypassed || !has_response(fields));
    match (fields.get("verdict"), fault) {
        (None, None) => Some(Expected::Verdict(Verdict::FORWARD)),
        (Some(verdict), None) => Verdict::read(&verdict, problems).map(Expected::Verdict),
        (None, Some(fault)) => ExpectedFault::read(&fault, problems).map(Expected::Fault),
        (Some(_), Some(fault)) => {
            let message = "a crossing that faults gives no verdict: leave out one of `verdict` and `fault`; \
                           for a fault of the response's crossing, give the `response`";
            problems.key(&fault.path, message);
            None
        }
    }
}

/// What comes back from the server. The outer `None`: it was given, and makes no sense.
fn back(fields: &Fields<'_>, expected: &Expected, bypasses: bool, problems: &mut Problems) -> Option<Option<Return>> {
    let refuse = |key: &str, message: &str, problems: &mut Problems| {
        problems.key(&fields.path.key(key), message);
        None
    };
    let frames = match (expected.action(), fields.given("response"), fields.given("responses")) {
        (_, None, None) => return Some(None),
        (_, Some(_), Some(_)) => {
            return refuse("responses", "`response` and `responses` exclude each other", problems);
        }
        (None, Some(node), None) if bypasses => vec![Reply::read(&node, problems)?],
        (None, None, Some(_)) if bypasses => {
            return refuse("responses", "give `response`: a request that is bypassed is one", problems);
        }
        (None | Some(Action::Reply(_) | Action::Close(_)), one, _) => {
            let key = if one.is_some() { "response" } else { "responses" };
            return refuse(key, "no server is asked: the request ends with this verdict", problems);
        }
        (Some(Action::FanOut(_)), Some(_), None) => {
            return refuse("response", "give `responses`: a list with one for each request of the fan-out", problems);
        }
        (Some(Action::FanOut(requests)), None, Some(node)) => {
            let responses = node.list("a list of replies", problems)?;
            if responses.len() != requests.len() {
                let (responses, requests) = (responses.len(), requests.len());
                problems.value(
                    &node.path,
                    format!("expected one for each of the {requests} requests of the fan-out, found {responses}"),
                );
                return None;
            }
            let frames: Vec<_> = responses.iter().map(|response| Reply::read(response, problems)).collect();
            frames.into_iter().collect::<Option<_>>()?
        }
        (Some(_), None, Some(_)) => {
            return refuse("responses", "give `response`: only a fan-out has several", problems);
        }
        (Some(_), Some(node), None) => vec![Reply::read(&node, problems)?],
    };
    // The request's own has been read.
    let fault = fields.get("fault").filter(|_| expected.action().is_some());
    if fault.is_some() && !expected.is_watched() {
        let message = "only a watched response crosses: without `watch` in the verdict there can be no fault of it";
        return refuse("fault", message, problems);
    }
    returned(fields, frames, fault, problems).map(Some)
}

fn returned(
    fields: &Fields<'_>,
    frames: Vec<Reply>,
    fault: Option<Node<'_>>,
    problems: &mut Problems,
) -> Option<Return> {
    let fault = match fault {
        None => None,
        Some(node) => Some(ExpectedFault::read(&node, problems)?),
    };
    let result = match fields.given("result") {
        None => None,
        Some(node) => Some(Reply::read(&node, problems)?),
    };
    Some(Return { frames, fault, result })
}

/// What the client gets without a server. The outer `None`: it was given, and makes no sense.
fn result(fields: &Fields<'_>, expected: &Expected, bypasses: bool, problems: &mut Problems) -> Option<Option<Reply>> {
    let Some(node) = fields.given("result") else { return Some(None) };
    match expected.action() {
        Some(Action::Reply(_) | Action::Close(Some(_))) => Reply::read(&node, problems).map(Some),
        None if !bypasses => Reply::read(&node, problems).map(Some),
        Some(Action::Close(None)) => {
            problems.key(&node.path, "the session is closed without a last reply: there is no result");
            None
        }
        _ => {
            let missing = if matches!(expected.action(), Some(Action::FanOut(_))) { "responses" } else { "response" };
            problems.key(
                &node.path,
                format!("there is nothing that it could be made of: {} is missing", quoted(&[missing])),
            );
            None
        }
    }
}

fn push(node: &Node<'_>, problems: &mut Problems) -> Option<Return> {
    let fields = node.fields(&PUSH, problems)?;
    fields.refuse_empty(&["fault"], problems);
    let Some(response) = fields.given("response") else {
        fields.require("response", "what the server sends, such as { push: [message, channel, text] }", problems);
        return None;
    };
    let frame = Reply::read(&response, problems)?;
    returned(&fields, vec![frame], fields.get("fault"), problems)
}

/// Where an exchange stands among the others, for messages.
pub(super) fn place_in(step: usize, position: usize, of: usize) -> String {
    match of {
        1 => format!("step {step}"),
        _ => format!("step {step}, request {}", position + 1),
    }
}
