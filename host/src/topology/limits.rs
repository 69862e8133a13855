//! The bounds of sessions: sizes and times of a source.

use std::time::Duration;

use crate::worker::{OutputLimits, SessionLimits};
use crate::yaml::node::{Fields, Key};
use crate::yaml::problem::Problems;

const LIMITS: &[Key] = &[
    Key::read("query"),
    Key::read("in_flight"),
    Key::read("output_high"),
    Key::read("output_hard"),
    Key::read("output_soft"),
    Key::read("output_soft_time"),
    Key::read("subscriber_hard"),
    Key::read("subscriber_soft"),
    Key::read("subscriber_soft_time"),
];

/// The least that any limit in bytes may be: below this not even an error message or a handshake
/// fits.
const LEAST: usize = 1024;

/// The most that a request may have: the places of its arguments are kept in 32 bits.
const LARGEST_QUERY: usize = u32::MAX as usize;

/// The limits of a source, with the defaults for what it does not say.
pub(super) fn read(source: &Fields<'_>, problems: &mut Problems) -> SessionLimits {
    let default = SessionLimits::default();
    let idle = source.get("idle_timeout").and_then(|node| node.duration(problems));
    let seconds = source.get("timeout").and_then(|node| node.count(problems));
    if idle.is_some() && seconds.is_some() {
        problems.value(&source.path, "`idle_timeout` and `timeout` mean the same: give one of them");
    }
    let idle = idle.or(seconds.map(|seconds| Duration::from_secs(seconds.get() as u64)));
    let Some(node) = source.get("limits") else { return SessionLimits { idle, ..default } };
    let Some(fields) = node.fields(LIMITS, problems) else { return default };
    let bounded = |key: &str, most: usize, default: usize, problems: &mut Problems| {
        let given = fields.get(key).and_then(|node| node.size(LEAST..=most, problems));
        given.unwrap_or(default)
    };
    let size = |key: &str, default: usize, problems: &mut Problems| bounded(key, usize::MAX, default, problems);
    let output = |kind: &str, default: OutputLimits, problems: &mut Problems| {
        let hard = size(&format!("{kind}_hard"), default.hard, problems);
        let time = fields.get(&format!("{kind}_soft_time")).and_then(|node| node.duration(problems));
        // Where only the hard limit is given, a soft one above it would say nothing.
        let soft = size(&format!("{kind}_soft"), default.soft.min(hard), problems);
        if soft > hard {
            let message = format!("`{kind}_soft` ({soft} bytes) must not exceed `{kind}_hard` ({hard} bytes)");
            problems.value(&node.path, message);
        }
        OutputLimits { hard, soft, soft_time: time.unwrap_or(default.soft_time) }
    };
    let limits = SessionLimits {
        query: bounded("query", LARGEST_QUERY, default.query, problems),
        in_flight: size("in_flight", default.in_flight, problems),
        output_high: size("output_high", default.output_high, problems),
        replies: output("output", default.replies, problems),
        pushes: output("subscriber", default.pushes, problems),
        idle,
    };
    let (high, hard) = (limits.output_high, limits.replies.hard);
    if high > hard {
        let message = format!("`output_high` ({high} bytes) must not exceed `output_hard` ({hard} bytes)");
        problems.value(&node.path, message);
    }
    limits
}
