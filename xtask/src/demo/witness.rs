//! What the loggers in the chain saw, read from the proxy's log.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

/// A log line is written while its request is handled, so it is there almost at once.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Reads on from where it stopped.
#[derive(Default)]
pub(super) struct Observer {
    read: usize,
}

/// One request at the two loggers.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// At the first.
    pub(super) before: String,
    /// At the second.
    pub(super) after: String,
}

impl Observer {
    /// Wait until the log holds the next `count` requests at both loggers.
    pub(super) fn wait_for(&mut self, count: usize, log: impl Fn() -> String) -> Result<Vec<Seen>> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = log();
            let seen = pair(text.lines().filter_map(parse));
            if let Some(new) = seen.get(self.read..self.read + count) {
                self.read += count;
                return Ok(new
                    .iter()
                    .map(|(before, after)| Seen { before: before.clone(), after: after.clone() })
                    .collect());
            }
            ensure!(Instant::now() < deadline, "the loggers did not see all requests; the log:\n{text}");
            sleep(LOOK_EVERY);
        }
    }
}

/// A logger's line: its place in the chain, and the command with its arguments.
fn parse(line: &str) -> Option<(u64, String)> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event.get("plugin")?.as_str()? != "RequestLogger" {
        return None;
    }
    let (_, command) = event.get("message")?.as_str()?.split_once(" command=")?;
    let (name, rest) = command.split_once(' ')?;
    let (_, values) = rest.split_once("values=")?;
    Some((event.get("position")?.as_u64()?, format!("{name} {values}")))
}

/// The lines of the first logger beside those of the second: both see the requests in the same order.
fn pair(lines: impl Iterator<Item = (u64, String)>) -> Vec<(String, String)> {
    let lines: Vec<_> = lines.collect();
    let first = lines.iter().map(|(position, _)| *position).min();
    let (before, after): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(position, _)| Some(*position) == first);
    before.into_iter().map(|(_, text)| text).zip(after.into_iter().map(|(_, text)| text)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(position: u64, command: &str) -> String {
        serde_json::json!({
            "level": "INFO", "target": "plugin", "plugin": "RequestLogger", "source": "demo", "position": position,
            "message": format!("request id=1 session=1 peer=127.0.0.1:1 command={command}"),
        })
        .to_string()
    }

    #[test]
    fn requests_are_paired_across_the_chain_and_read_once() {
        let log = [
            "not JSON".to_owned(),
            r#"{"message":"listening","source":"demo"}"#.to_owned(),
            line(0, r#"get arguments=2 keys=1 bytes=4 values=["a"]"#),
            line(0, r#"get arguments=2 keys=1 bytes=4 values=["b"]"#),
            line(2, r#"get arguments=2 keys=1 bytes=6 values=["p:a"]"#),
            line(2, r#"get arguments=2 keys=1 bytes=6 values=["p:b"]"#),
        ]
        .join("\n");
        let mut witness = Observer::default();
        for key in ["a", "b"] {
            let seen = witness.wait_for(1, || log.clone()).unwrap();
            let expected = Seen { before: format!("get [\"{key}\"]"), after: format!("get [\"p:{key}\"]") };
            assert_eq!(seen, [expected]);
        }
    }
}
