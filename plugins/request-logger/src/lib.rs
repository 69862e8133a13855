//! `RequestLogger`: a log line for each request, and one for its response if that is wanted.

use std::collections::BTreeMap;
use std::fmt::Write;

use sluice_commands::{CommandId, Secrets};
use sluice_plugin::clock::Instant;
use sluice_plugin::log::{self, Level};
use sluice_plugin::{
    Change, Command, CommandSet, Interest, Request, Requests, Response, SessionId, Transform, Verdict, View, sessions,
};

/// The map in the topology.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Only these commands: `get`, `config|set`, `config` with all its subcommands, `@write`. Default: all, also unknown ones.
    commands: Option<Vec<String>>,
    /// The level of the lines: `error`, `warn`, `info`, `debug` or `trace`. Default: `info`.
    #[serde(default = "default_level")]
    level: Level,
    /// Whether arguments are written, keys and values alike, shortened. They may hold secrets. Default: false.
    #[serde(default)]
    values: bool,
    /// Whether responses are logged too: whether it is an error, its size, and how long it took. Default: false.
    #[serde(default)]
    responses: bool,
}

fn default_level() -> Level {
    Level::Info
}

/// How many arguments of a request are written, and how many bytes of each.
const MOST_ARGUMENTS: usize = 16;
const MOST_BYTES: usize = 64;

/// How many clients' addresses are remembered. Asking the host again costs little.
const MOST_PEERS: usize = 4096;

/// Logs requests.
pub struct RequestLogger {
    commands: Option<CommandSet>,
    level: Level,
    values: bool,
    responses: bool,
    /// Commands whose arguments may be secret, which are never written.
    secretive: CommandSet,
    peers: BTreeMap<SessionId, String>,
}

impl Transform for RequestLogger {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let commands =
            config.commands.map(CommandSet::parse).transpose().map_err(|error| format!("commands: {error}"))?;
        Ok(Self {
            commands,
            level: config.level,
            values: config.values,
            responses: config.responses,
            secretive: secretive(),
            peers: BTreeMap::new(),
        })
    }

    fn interest(&self) -> Interest {
        let interest = self.commands.as_ref().map_or_else(Interest::everything, Interest::in_set);
        interest.view(if self.values { View::All } else { View::Command }).key_positions()
    }

    /// Where the lines are not kept at the moment, nothing is done for them.
    fn requests(&mut self, batch: &mut Requests<'_>) {
        if !log::enabled(self.level) {
            return;
        }
        while let Some((request, mut verdict)) = batch.next_request() {
            self.request(&request, &mut verdict);
        }
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let line = self.line(request);
        log::write(self.level, &line);
        if self.responses {
            verdict.watch(Instant::now().as_nanos());
        }
    }

    fn response(&mut self, response: &Response<'_>, _: &mut Change<'_>) {
        let took = Instant::from_nanos(response.tag()).elapsed();
        let outcome = if response.is_error() { "error" } else { "ok" };
        let (id, session, bytes) = (response.id(), response.session(), response.frame().len());
        log::write(
            self.level,
            &format!("response id={id} session={session} outcome={outcome} bytes={bytes} micros={}", took.as_micros()),
        );
    }
}

impl RequestLogger {
    fn line(&mut self, request: &Request<'_>) -> String {
        let command = request.command();
        let mut line = format!(
            "request id={} session={} peer={} command=",
            request.id(),
            request.session(),
            self.peer(request.session())
        );
        match command.name() {
            "" => write_shortened(&mut line, request.bytes(0).unwrap_or_default()),
            name => line.push_str(name),
        }
        let bytes: usize = request.args().map(|arg| arg.len()).sum();
        // Writing to a string cannot fail.
        let _ = write!(line, " arguments={} keys={} bytes={bytes}", request.len(), request.keys().count());
        if self.values {
            line.push_str(" values=");
            if self.secretive.contains(command) {
                line.push_str("(hidden)");
            } else {
                self.write_values(&mut line, request);
            }
        }
        line
    }

    fn write_values(&self, line: &mut String, request: &Request<'_>) {
        line.push('[');
        for arg in request.args().skip(1).take(MOST_ARGUMENTS) {
            if arg.position() > 1 {
                line.push_str(", ");
            }
            write_shortened(line, arg.bytes().unwrap_or_default());
        }
        let more = request.len().saturating_sub(1 + MOST_ARGUMENTS);
        if more > 0 {
            let _ = write!(line, ", and {more} more");
        }
        line.push(']');
    }

    /// The client's address and certificate, which stay the same for as long as the session lives.
    fn peer(&mut self, session: SessionId) -> &str {
        if self.peers.len() >= MOST_PEERS && !self.peers.contains_key(&session) {
            self.peers.pop_first();
        }
        self.peers.entry(session).or_insert_with(|| sessions::get(session).map_or_else(|| "-".to_owned(), describe))
    }
}

/// The commands whose arguments may be secret, as the table of commands has it. A command that it
/// does not know may be one of them with a typing error.
fn secretive() -> CommandSet {
    let may_be_secret = |id: &CommandId| id.effect().secrets != Secrets::None;
    let rows = (0..).map_while(CommandId::from_index).filter(may_be_secret).filter_map(CommandId::get);
    rows.filter_map(|row| Command::named(row.name())).chain([Command::UNKNOWN]).collect()
}

/// `127.0.0.1:50012`, and who it is by its TLS certificate.
fn describe(session: sessions::Session) -> String {
    let mut line = session.peer;
    if let Some(subject) = session.tls_subject {
        line.push_str(" tls=");
        write_shortened(&mut line, subject.as_bytes());
    }
    line
}

/// Write bytes so that they cannot be taken for something else, be it a line of its own.
fn write_shortened(line: &mut String, bytes: &[u8]) {
    let shown = bytes.get(..MOST_BYTES).unwrap_or(bytes);
    let _ = write!(line, "\"{}\"", shown.escape_ascii());
    if shown.len() < bytes.len() {
        let _ = write!(line, "+{}", bytes.len() - shown.len());
    }
}

sluice_plugin::transform!(RequestLogger);

#[cfg(test)]
mod tests;
