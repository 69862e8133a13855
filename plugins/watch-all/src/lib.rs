//! `WatchAll`: every response crosses back, and is kept. What watching costs, and a smallest example of it.

use sluice_plugin::{Change, Interest, NoConfig, Request, Response, Transform, Verdict, View};

/// Watches every response, and counts them.
pub struct WatchAll {
    /// The tag of the next request: they rise by one, so that a response can be told from the one before.
    next: u64,
    seen: u64,
}

impl Transform for WatchAll {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self { next: 0, seen: 0 })
    }

    fn interest(&self) -> Interest {
        Interest::everything().view(View::Command)
    }

    fn request(&mut self, _: &Request<'_>, verdict: &mut Verdict<'_>) {
        verdict.watch(self.next);
        self.next += 1;
    }

    fn response(&mut self, _: &Response<'_>, change: &mut Change<'_>) {
        self.seen += 1;
        change.keep();
    }
}

sluice_plugin::transform!(WatchAll);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sluice_plugin::Reply;
    use sluice_plugin::testing::Harness;

    use super::*;

    #[test]
    fn every_response_is_watched_under_a_tag_of_its_own_and_kept() {
        let mut harness = Harness::<WatchAll>::new(serde_json::json!({})).unwrap();
        let verdicts = harness.requests([(1, "GET a"), (2, "NOSUCH"), (1, "MGET a b")]);
        assert!(verdicts.iter().all(|verdict| verdict.is_forwarded()));
        let tags: Vec<_> = verdicts.iter().map(|verdict| verdict.watch).collect();
        assert_eq!(tags, [Some(0), Some(1), Some(2)]);
        for verdict in &verdicts {
            assert_eq!(harness.response(verdict, &Reply::OK), None);
        }
    }

    #[test]
    fn a_setting_is_refused_by_name() {
        let error = Harness::<WatchAll>::new(serde_json::json!({ "tag": 1 })).err().unwrap();
        assert!(error.contains("unknown field `tag`"), "{error}");
    }
}
