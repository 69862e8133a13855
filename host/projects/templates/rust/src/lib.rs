//! `{{camel}}`: refuses some commands, and fills in for keys that are not there.

use sluice_plugin::metrics::Counter;
use sluice_plugin::{
    Change, CommandSet, Interest, Reply, Request, Response, Transform, Verdict, View, log,
};

/// What the topology says of the transform. A key that is not one of these is refused, with a sentence that names it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The commands to refuse, as the host's table names them: `flushall`, `config|set`.
    #[serde(default)]
    deny: Vec<String>,
    /// What GET gives for a key that is not there; nothing else where it is left out.
    missing: Option<String>,
}

/// One instance. Each worker of the proxy has one, and gives it the requests of many sessions.
struct {{camel}} {
    denied: CommandSet,
    missing: Option<String>,
    denials: Counter,
}

/// What a watched response comes back with. A transform that watches for several reasons has a tag for each.
const MISSING: u64 = 1;

impl Transform for {{camel}} {
    type Config = Config;

    /// An error is a sentence for the operator, who sees it with the place in the topology.
    fn new(config: Config) -> Result<Self, String> {
        Ok(Self {
            denied: CommandSet::parse(&config.deny)?,
            missing: config.missing,
            denials: Counter::new("denied_total", &[])?,
        })
    }

    /// Only what it has to do with crosses into the transform; everything else goes past it, and costs nothing.
    fn interest(&self) -> Interest {
        let get = self.missing.as_ref().map(|_| "get");
        Interest::in_commands(self.denied.names().chain(get)).view(View::Command)
    }

    /// A verdict that is left alone forwards the request as it is.
    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let command = request.command();
        if self.denied.contains(command) {
            log::info!("denied {}", command.name());
            self.denials.add(1);
            verdict.reply(&Reply::error(format!("ERR '{}' is denied here", command.name())));
        } else if self.missing.is_some() {
            verdict.watch(MISSING);
        }
    }

    /// Responses that were watched. A change that is left alone keeps the response as it is.
    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        if let Some(missing) = &self.missing
            && response.reply() == Some(Reply::Null)
        {
            change.replace(&Reply::bulk(missing.as_str()));
        }
    }
}

sluice_plugin::transform!({{camel}});
