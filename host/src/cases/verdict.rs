//! A verdict in the notation of case files.

use super::notation;
use super::reply::Reply;
use super::scalar::yaml;
use super::words::Words;
use crate::yaml::node::{Key, Node, quoted};
use crate::yaml::problem::Problems;

/// The verdict that a case expects on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) action: Action<Reply>,
    pub(super) watch: Watch,
}

/// What becomes of a request; `F` is what a reply is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action<F> {
    Forward,
    Rewrite(Words),
    Reply(F),
    FanOut(Vec<Words>),
    Close(Option<F>),
}

/// Whether the response is to be watched, and with which tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    No,
    Tag(u64),
    Any,
}

/// The verdict that a component has given. Replies are frames in the protocol of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) action: Action<Vec<u8>>,
    pub(super) watch: Option<u64>,
}

const KEYS: [Key; 5] =
    [Key::read("rewrite"), Key::read("reply"), Key::read("fan_out"), Key::read("close"), Key::read("watch")];

const A_VERDICT: &str = "a verdict: `forward`, `close`, or one of { rewrite: … }, { reply: … }, { fan_out: […] } and { close: … }, \
                         each of forward, rewrite and fan out also with a watch: { watch: 1 }, { rewrite: …, watch: 1 }";

impl Verdict {
    /// What is expected where nothing is said.
    pub(super) const FORWARD: Self = Self { action: Action::Forward, watch: Watch::No };

    pub(super) fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        match node.value.as_str() {
            Some("forward") => return Some(Self::FORWARD),
            Some("close") => return Some(Self { action: Action::Close(None), watch: Watch::No }),
            _ if node.value.is_mapping() => {}
            _ => return node.unexpected(A_VERDICT, problems),
        }
        let fields = node.fields(&KEYS, problems)?;
        let given: Vec<&str> = KEYS.iter().map(|key| key.name()).filter(|key| fields.given(key).is_some()).collect();
        let watch = match fields.given("watch") {
            Some(node) => watch(&node, problems)?,
            None => Watch::No,
        };
        let actions: Vec<&str> = given.iter().copied().filter(|key| *key != "watch").collect();
        let action = match actions.as_slice() {
            [] if watch != Watch::No => Action::Forward,
            // Keys that are not known have been reported.
            [] if !fields.is_empty() => return None,
            [] => return node.unexpected(A_VERDICT, problems),
            [key] => action(key, &fields.given(key)?, problems)?,
            several => {
                problems.value(&node.path, format!("a verdict is one thing, found {}", quoted(several)));
                return None;
            }
        };
        if watch != Watch::No && matches!(action, Action::Reply(_) | Action::Close(_)) {
            let message = "nothing is watched here: what is answered or closed has no response";
            problems.key(&node.path.key("watch"), message);
            return None;
        }
        Some(Self { action, watch })
    }

    /// Whether this is what was given, for a session that speaks this protocol.
    pub(super) fn is(&self, given: &Given, protocol: u8) -> bool {
        self.watch.is(given.watch) && self.action.to_frames(protocol) == given.action
    }

    /// In the notation.
    pub(super) fn show(&self, protocol: u8) -> String {
        let watch = match self.watch {
            Watch::No => None,
            Watch::Tag(tag) => Some(tag.to_string()),
            Watch::Any => Some("any".to_owned()),
        };
        show(&self.action.to_frames(protocol), watch, protocol)
    }
}

impl Given {
    /// In the notation.
    pub(super) fn show(&self, protocol: u8) -> String {
        show(&self.action, self.watch.map(|tag| tag.to_string()), protocol)
    }
}

impl Watch {
    fn is(self, given: Option<u64>) -> bool {
        match self {
            Self::No => given.is_none(),
            Self::Tag(tag) => given == Some(tag),
            Self::Any => given.is_some(),
        }
    }
}

impl Action<Reply> {
    fn to_frames(&self, protocol: u8) -> Action<Vec<u8>> {
        match self {
            Self::Forward => Action::Forward,
            Self::Rewrite(words) => Action::Rewrite(words.clone()),
            Self::Reply(reply) => Action::Reply(reply.frame(protocol)),
            Self::FanOut(requests) => Action::FanOut(requests.clone()),
            Self::Close(last) => Action::Close(last.as_ref().map(|reply| reply.frame(protocol))),
        }
    }
}

fn action(key: &str, node: &Node<'_>, problems: &mut Problems) -> Option<Action<Reply>> {
    match key {
        "rewrite" => Words::read(node, problems).map(Action::Rewrite),
        "reply" => Reply::read(node, problems).map(Action::Reply),
        "close" => Reply::read(node, problems).map(|reply| Action::Close(Some(reply))),
        _ => {
            let requests = node.list("a list of requests", problems)?;
            if requests.is_empty() {
                problems.value(&node.path, "a request is fanned out into at least one");
                return None;
            }
            let requests: Vec<_> = requests.iter().map(|request| Words::read(request, problems)).collect();
            requests.into_iter().collect::<Option<_>>().map(Action::FanOut)
        }
    }
}

fn watch(node: &Node<'_>, problems: &mut Problems) -> Option<Watch> {
    match (node.value.as_str(), node.value.as_u64()) {
        (Some("any"), _) => Some(Watch::Any),
        (_, Some(tag)) => Some(Watch::Tag(tag)),
        _ => node.unexpected("a tag: a whole number, or `any`", problems),
    }
}

fn show(action: &Action<Vec<u8>>, watch: Option<String>, protocol: u8) -> String {
    let line = |words: &Words| yaml(&words.line());
    let what = match action {
        Action::Forward if watch.is_none() => return "forward".to_owned(),
        Action::Close(None) => return "close".to_owned(),
        Action::Forward => None,
        Action::Rewrite(words) => Some(format!("rewrite: {}", line(words))),
        Action::Reply(frame) => Some(format!("reply: {}", notation::show(frame, protocol))),
        Action::FanOut(requests) => {
            let requests: Vec<String> = requests.iter().map(line).collect();
            Some(format!("fan_out: [{}]", requests.join(", ")))
        }
        Action::Close(Some(frame)) => Some(format!("close: {}", notation::show(frame, protocol))),
    };
    let parts: Vec<String> = what.into_iter().chain(watch.map(|tag| format!("watch: {tag}"))).collect();
    format!("{{ {} }}", parts.join(", "))
}
