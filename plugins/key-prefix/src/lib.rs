//! `KeyPrefix`: puts a prefix before every key, and takes it off the keys in responses, so that tenants can share a database.
//!
//! Which arguments are keys is the host's knowledge. What is left to know here are the few commands that take patterns of keys
//! (`patterns`), those that answer with keys (`answers`), and where the replies of a transaction are (`transactions`).

mod answers;
mod patterns;
mod transactions;

use sluice_plugin::{Change, Command, Interest, Reply, Request, Response, Transform, Verdict, View};

use crate::answers::Answer;
use crate::patterns::Takes;
use crate::transactions::{Phase, Tag, Transactions};

/// The map in the topology.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What stands before every key on the server. At least one character, and no `*`, which `SORT … BY` would take for the place
    /// of an element.
    prefix: String,
    /// What becomes of commands that the host does not know, whose keys nobody can tell. Default: `forward`.
    #[serde(default)]
    unknown: Unknown,
}

/// What becomes of commands that the host does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// They go on as they are: right where the server has no modules, so that it answers with its own error.
    #[default]
    Forward,
    /// They get an error reply: right where a module's commands could reach the keys of others.
    Reject,
}

/// Prefixes keys.
pub struct KeyPrefix {
    prefix: Vec<u8>,
    /// The prefix as the server's glob patterns take it literally.
    glob: Vec<u8>,
    unknown: Unknown,
    /// By the command's place in the host's table.
    plans: Vec<Plan>,
    transactions: Transactions,
}

/// What there is to know of a command.
#[derive(Clone, Copy, Default)]
struct Plan {
    takes: Takes,
    answer: Option<Answer>,
    phase: Phase,
}

impl Transform for KeyPrefix {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.prefix.is_empty() || config.prefix.contains('*') {
            return Err(format!("prefix: found {:?}, expected at least one character and no `*`", config.prefix));
        }
        let plan = |command: Command| Plan {
            takes: Takes::of(command.name()),
            answer: Answer::of(command.name()),
            phase: Phase::of(command.name()),
        };
        Ok(Self {
            glob: patterns::literal(config.prefix.as_bytes()),
            prefix: config.prefix.into_bytes(),
            unknown: config.unknown,
            plans: Command::all().map(plan).collect(),
            transactions: Transactions::default(),
        })
    }

    fn interest(&self) -> Interest {
        Interest::everything().view(View::Keys).whole(patterns::COMMANDS)
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let Some(&plan) = self.plans.get(request.command().index()) else {
            if self.unknown == Unknown::Reject {
                verdict.reply(&Reply::error("ERR this proxy does not know the keys of this command"));
            } else if let Some(tag) = self.transactions.request(request.session(), Phase::Within, None) {
                verdict.watch(tag.into());
            }
            return;
        };
        let sent = match plan.takes {
            Takes::Keys => self.prefix_keys(request, verdict),
            takes => patterns::rewrite(takes, request, &self.prefix, &self.glob, verdict),
        };
        if sent.is_none() {
            // The host shows what the interest asks for; should it not, a key must not slip through as it is.
            verdict.reply(&Reply::error("ERR this proxy cannot see the keys of this command"));
        } else if let Some(tag) = self.transactions.request(request.session(), plan.phase, plan.answer) {
            verdict.watch(tag.into());
        }
    }

    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        let Some(tag) = Tag::read(response.tag()) else { return };
        let prefix = &self.prefix;
        match tag.phase {
            Phase::Exec => {
                let queued = self.transactions.executed(response.session());
                change.map_bulks(response, |path, key| {
                    let (&at, path) = path.split_first()?;
                    queued.answer(at)?.strip(path, key, prefix)
                });
            }
            Phase::Within if response.frame() == b"+QUEUED\r\n" => {
                self.transactions.queued(response.session(), tag.answer)
            }
            Phase::Within => {
                if let Some(answer) = tag.answer {
                    change.map_bulks(response, |path, key| answer.strip(path, key, prefix));
                }
            }
            Phase::Begin if response.is_error() => {}
            Phase::Begin => self.transactions.begun(response.session()),
            Phase::End => drop(self.transactions.executed(response.session())),
        }
    }
}

impl KeyPrefix {
    /// Prefix the arguments that the host says are keys. `None`: one of them is not to be seen.
    #[inline]
    fn prefix_keys(&self, request: &Request<'_>, verdict: &mut Verdict<'_>) -> Option<()> {
        if request.keys().next().is_none() {
            return Some(());
        }
        let mut rewrite = verdict.rewrite();
        for arg in request.args() {
            if arg.is_key() {
                rewrite.push_parts(&[&self.prefix, arg.bytes()?]);
            } else {
                rewrite.keep(&arg);
            }
        }
        Some(())
    }
}

sluice_plugin::transform!(KeyPrefix);

#[cfg(test)]
mod tests;
