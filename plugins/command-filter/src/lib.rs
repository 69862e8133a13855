//! `CommandFilter`: allows or denies requests by command or by ACL category.

mod transactions;

use sluice_plugin::metrics::{self, Counter};
use sluice_plugin::{Change, Command, CommandSet, Interest, Reply, Request, Response, Transform, Verdict, View};

use crate::transactions::{Sent, Transactions};

/// The map in the topology. At least one of `allow` and `deny` is needed.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Only these commands pass: `get`, `config|set`, `config` with all its subcommands, `@read`, `@all`. Default: all.
    allow: Option<Vec<String>>,
    /// Of those, these do not pass. Default: none.
    #[serde(default)]
    deny: Vec<String>,
    /// What becomes of commands that the host does not know. Default: `deny` where there is a list of what to allow, and `allow` where not.
    unknown: Option<Unknown>,
    /// The error reply, in which `{command}` stands for the command's name. It begins with an error code in capitals.
    #[serde(default = "default_reply")]
    reply: String,
}

fn default_reply() -> String {
    "NOPERM this proxy does not allow the command '{command}'".to_owned()
}

/// What becomes of commands that the host does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// They pass, unless the configuration denies everything else.
    Allow,
    /// They are denied.
    Deny,
}

/// Denies commands.
pub struct CommandFilter {
    denied: CommandSet,
    /// The error reply, around the command's name.
    reply: Vec<String>,
    transactions: Transactions,
    denials: Counter,
}

impl Transform for CommandFilter {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.allow.is_none() && config.deny.is_empty() {
            return Err("found neither `allow` nor `deny`, expected at least one of them: a list such as [get, 'config|set', '@write']".into());
        }
        let code = config.reply.split(' ').next().unwrap_or_default();
        if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_uppercase()) || config.reply.contains(['\r', '\n'])
        {
            return Err(format!(
                "reply: found {:?}, expected one line that begins with an error code, such as `NOPERM not allowed`",
                config.reply
            ));
        }
        let mut denied = match &config.allow {
            Some(allowed) => words("allow", allowed)?.complement(),
            None => CommandSet::new(),
        };
        words("deny", &config.deny)?.iter().for_each(|command| denied.insert(command));
        let unknown = config.unknown.unwrap_or(if config.allow.is_some() { Unknown::Deny } else { Unknown::Allow });
        match unknown {
            Unknown::Deny => denied.insert(Command::UNKNOWN),
            Unknown::Allow => denied.remove(Command::UNKNOWN),
        }
        metrics::explain("denied_requests", "Requests that CommandFilter denied.");
        Ok(Self {
            denied,
            reply: config.reply.split("{command}").map(str::to_owned).collect(),
            transactions: Transactions::new(),
            denials: Counter::new("denied_requests", &[])?,
        })
    }

    /// Only what is denied crosses, and what begins or ends a transaction.
    fn interest(&self) -> Interest {
        let mut set = self.denied.clone();
        self.transactions.commands().for_each(|command| set.insert(command));
        Interest::in_set(&set).view(View::Command)
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let command = request.command();
        if self.denied.contains(command) {
            self.transactions.denied(request.session());
            self.denials.add(1);
            let name = match command.name() {
                "" => {
                    request.bytes(0).unwrap_or_default().escape_ascii().take(MOST_OF_A_NAME).map(char::from).collect()
                }
                known => known.to_owned(),
            };
            verdict.reply(&Reply::error(self.reply.join(&name)));
            return;
        }
        if self.transactions.sent(request.session(), command) == Sent::ExecOfBroken {
            // The server would execute what was not denied. It gives up the transaction instead, and the client hears of it what a server
            // says that refused a command itself.
            verdict.rewrite().push("DISCARD");
            verdict.watch(0);
        }
    }

    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        if !response.is_error() {
            change.replace(&Reply::error("EXECABORT Transaction discarded because of previous errors."));
        }
    }
}

/// How much of a name that the host does not know is repeated to the client.
const MOST_OF_A_NAME: usize = 128;

fn words(list: &str, words: &[String]) -> Result<CommandSet, String> {
    CommandSet::parse(words).map_err(|error| format!("{list}: {error}"))
}

sluice_plugin::transform!(CommandFilter);

#[cfg(test)]
mod tests;
