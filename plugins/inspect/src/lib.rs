//! `Inspect`: looks at every request (its command, its name as the client wrote it, its arguments), counts, and forwards.

use sluice_plugin::metrics::{self, Counter};
use sluice_plugin::{Command, Interest, Request, Requests, Transform, Verdict, View};

/// How much of each request to look at.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// The command's name.
    Command,
    /// The name and the keys.
    Keys,
    /// Everything.
    #[default]
    All,
}

/// The map in the topology.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How much of each request crosses: `command`, `keys` or `all`. Default: `all`.
    #[serde(default)]
    view: Look,
    /// After how many batches the counts are reported as metrics, at least 1. Default: 256.
    #[serde(default = "default_report_every")]
    report_every: u32,
}

fn default_report_every() -> u32 {
    256
}

/// Counts what passes.
pub struct Inspect {
    view: View,
    report_every: u32,
    batches: u32,
    /// By the command's place in the table; the last one is for commands that are not in it.
    counts: Vec<Count>,
    arguments: Total,
    /// Names that begin with a capital letter, as most clients send them.
    capitals: Total,
}

/// How often a command was seen since the last report, and its series once it has one.
#[derive(Clone, Copy, Default)]
struct Count {
    unreported: u64,
    series: Option<Counter>,
}

/// A count without a label.
struct Total {
    unreported: u64,
    series: Counter,
}

impl Total {
    fn new(name: &str, help: &str) -> Result<Self, String> {
        metrics::explain(name, help);
        Ok(Self { unreported: 0, series: Counter::new(name, &[])? })
    }

    fn report(&mut self) {
        self.series.add(std::mem::take(&mut self.unreported));
    }
}

impl Transform for Inspect {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.report_every == 0 {
            return Err("report_every: found 0, expected at least 1 batch".into());
        }
        metrics::explain("requests", "Requests that Inspect saw, by command.");
        Ok(Self {
            view: match config.view {
                Look::Command => View::Command,
                Look::Keys => View::Keys,
                Look::All => View::All,
            },
            report_every: config.report_every,
            batches: 0,
            counts: vec![Count::default(); Command::all().count() + 1],
            arguments: Total::new("arguments", "Arguments of the requests that Inspect saw.")?,
            capitals: Total::new("capital_names", "Requests whose command the client wrote with a capital letter.")?,
        })
    }

    fn interest(&self) -> Interest {
        Interest::everything().view(self.view)
    }

    #[inline]
    fn request(&mut self, request: &Request<'_>, _: &mut Verdict<'_>) {
        let other = self.counts.len() - 1;
        if let Some(count) = self.counts.get_mut(request.command().index().min(other)) {
            count.unreported += 1;
        }
        self.arguments.unreported += request.len() as u64;
        let capital = request.bytes(0).and_then(<[u8]>::first).is_some_and(u8::is_ascii_uppercase);
        self.capitals.unreported += u64::from(capital);
    }

    fn requests(&mut self, batch: &mut Requests<'_>) {
        while let Some((request, mut verdict)) = batch.next_request() {
            self.request(&request, &mut verdict);
        }
        self.batches += 1;
        if self.batches >= self.report_every {
            self.batches = 0;
            self.report();
        }
    }
}

impl Inspect {
    fn report(&mut self) {
        self.arguments.report();
        self.capitals.report();
        let other = self.counts.len() - 1;
        for (at, count) in self.counts.iter_mut().enumerate().filter(|(_, count)| count.unreported > 0) {
            let series = count.series.or_else(|| {
                let name = if at == other { "other" } else { Command::at(at).map_or("other", Command::name) };
                Counter::new("requests", &[("command", name)]).ok()
            });
            // Where the host has no room for another series, the count is kept, in case there will be some.
            if let Some(series) = series {
                series.add(std::mem::take(&mut count.unreported));
                count.series = Some(series);
            }
        }
    }
}

sluice_plugin::transform!(Inspect);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;
    use sluice_plugin::testing::Harness;

    use super::*;

    #[test]
    fn every_request_is_counted_by_its_command_and_forwarded() {
        let mut harness = Harness::<Inspect>::new(json!({ "report_every": 2 })).unwrap();
        let verdicts = harness.requests([(1, "GET a"), (2, "get b"), (1, "CONFIG GET maxmemory"), (3, "NOSUCH 1 2")]);
        assert!(verdicts.iter().all(|verdict| verdict.is_forwarded() && verdict.watch.is_none()));
        assert_eq!(harness.metric("requests", &[("command", "get")]), None, "reported after two batches");
        harness.request("GET c");
        assert_eq!(harness.metric("requests", &[("command", "get")]), Some(3.0));
        assert_eq!(harness.metric("requests", &[("command", "config|get")]), Some(1.0));
        assert_eq!(harness.metric("requests", &[("command", "other")]), Some(1.0));
        assert_eq!(harness.metric("arguments", &[]), Some(12.0));
        assert_eq!(harness.metric("capital_names", &[]), Some(4.0));
        assert_eq!(harness.help("requests").as_deref(), Some("Requests that Inspect saw, by command."));
    }

    #[test]
    fn the_view_is_what_the_operator_chose() {
        for (name, view) in [("command", View::Command), ("keys", View::Keys), ("all", View::All)] {
            let harness = Harness::<Inspect>::new(json!({ "view": name })).unwrap();
            assert_eq!(*harness.interest(), Interest::everything().view(view));
        }
    }

    #[test]
    fn a_wrong_setting_is_refused_with_its_name_and_what_was_expected() {
        let error = |config| Harness::<Inspect>::new(config).err().unwrap();
        assert_eq!(error(json!({ "report_every": 0 })), "report_every: found 0, expected at least 1 batch");
        assert_eq!(
            error(json!({ "view": "none" })),
            "view: unknown variant `none`, expected one of `command`, `keys`, `all`"
        );
    }
}
