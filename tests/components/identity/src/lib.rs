//! A transform that says who a session is, and judges by it.
//!
//! `WHO` is answered with the user, the database and the protocol that the host names at that time:
//! `alice 3 2`. With `deny_set_to`, that user's `SET` is refused. `auth` says what else becomes of
//! AUTH.

use sluice_plugin::{Change, Reply, Request, Response, Transform, Verdict, sessions};

/// What becomes of AUTH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Auth {
    /// It goes to the server, and its reply to the client.
    #[default]
    Forward,
    /// The client is told the opposite of what the server replies.
    Invert,
    /// The transform itself answers OK. The server hears nothing.
    Answer,
}

/// The transform's map in the topology.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    deny_set_to: Option<String>,
    #[serde(default)]
    auth: Auth,
}

/// The transform.
#[derive(Debug)]
struct Identity {
    config: Config,
}

sluice_plugin::transform!(Identity);

impl Transform for Identity {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        Ok(Self { config })
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let name = request.bytes(0).unwrap_or_default().to_ascii_uppercase();
        match name.as_slice() {
            b"WHO" => verdict.reply(&Reply::bulk(who(request).into_bytes())),
            b"SET" if self.denies(request) => verdict.reply(&Reply::error("NOPERM this user may not SET")),
            b"AUTH" if self.config.auth == Auth::Answer => verdict.reply(&Reply::simple("OK")),
            b"AUTH" if self.config.auth == Auth::Invert => verdict.watch(0),
            _ => {}
        }
    }

    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        if response.is_error() {
            change.replace(&Reply::simple("OK"));
        } else {
            change.replace(&Reply::error("ERR inverted"));
        }
    }
}

impl Identity {
    fn denies(&self, request: &Request<'_>) -> bool {
        let session = sessions::get(request.session());
        session.is_some_and(|session| self.config.deny_set_to.as_ref() == Some(&session.user))
    }
}

fn who(request: &Request<'_>) -> String {
    match sessions::get(request.session()) {
        Some(session) => format!("{} {} {}", session.user, session.database, session.protocol),
        None => "the session has gone".to_owned(),
    }
}
