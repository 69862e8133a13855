//! Connections: what clients send on connecting, and what they ask about themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sluice_plugin::{Reply, SessionId, sessions};

use crate::args::{integer, is};
use crate::failure::Failure;
use crate::info::REDIS_VERSION;
use crate::table::{Row, row};
use crate::{Call, Outcome, server};

pub(crate) const ROWS: &[Row] = &[
    row("ping", -1, ping),
    row("echo", 2, |call| Ok(Reply::bulk(call.arg(1).to_vec()))),
    row("hello", -1, hello),
    row("auth", -2, auth),
    row("select", 2, select),
    // The host ends the session; all that is needed is to let it pass.
    Row { name: "quit", arity: -1, keys: [0, 0, 0], run: None },
    row("reset", 1, reset),
    row("client|id", 2, |call| Ok(Reply::Integer(id(call.session)))),
    row("client|getname", 2, getname),
    row("client|setname", 3, |call| call.memory.clients.rename(call.session, call.arg(2)).map(|()| Reply::OK)),
    row("client|setinfo", 4, setinfo),
    row("client|info", 2, |call| Ok(text(describe(call)))),
    row("client|list", -2, list),
    row("client|no-evict", 3, |call| one_of(call, &["ON", "OFF"])),
    // The host keeps replies back as this says, whoever answers it.
    row("client|reply", 3, |call| one_of(call, &["ON", "OFF", "SKIP"])),
];

/// How many clients are remembered before those that have gone are looked for.
const LOOKED_THROUGH_FROM: usize = 1024;

/// What clients have said of themselves.
#[derive(Debug)]
pub(crate) struct Clients {
    known: BTreeMap<SessionId, Client>,
    /// How many there may be before those that have gone are forgotten: nobody says when a session ends.
    most: usize,
}

/// What a client has said of itself.
#[derive(Debug, Default)]
struct Client {
    name: Vec<u8>,
    lib_name: Vec<u8>,
    lib_ver: Vec<u8>,
}

impl Default for Clients {
    fn default() -> Self {
        Self { known: BTreeMap::new(), most: LOOKED_THROUGH_FROM }
    }
}

impl Clients {
    fn client(&mut self, session: SessionId) -> &mut Client {
        if self.known.len() >= self.most {
            self.known.retain(|session, _| sessions::get(*session).is_some());
            self.most = LOOKED_THROUGH_FROM.max(2 * self.known.len());
        }
        self.known.entry(session).or_default()
    }

    fn rename(&mut self, session: SessionId, name: &[u8]) -> Result<(), Failure> {
        if !is_printable(name) {
            return Err(Failure::BAD_CLIENT_NAME);
        }
        self.client(session).name = name.to_vec();
        Ok(())
    }
}

/// Whether a name keeps to what can stand in a line of `CLIENT LIST`.
fn is_printable(name: &[u8]) -> bool {
    name.iter().all(u8::is_ascii_graphic)
}

fn id(session: SessionId) -> i64 {
    i64::try_from(session.get() & u64::MAX >> 1).unwrap_or_default()
}

fn text(text: impl Into<Vec<u8>>) -> Reply<'static> {
    Reply::Verbatim(*b"txt", text.into().into())
}

fn ping(call: &mut Call<'_>) -> Outcome {
    match call.rest(1) {
        [] => Ok(Reply::simple("PONG")),
        [message] => Ok(Reply::bulk(message.to_vec())),
        _ => Err(Failure::arity(call.row.name)),
    }
}

fn hello(call: &mut Call<'_>) -> Outcome {
    let mut protocol = None;
    if let Some(version) = call.args.get(1) {
        let version = integer(version).ok_or(Failure::BAD_PROTOCOL)?;
        if !(2..=3).contains(&version) {
            return Err(Failure::NO_PROTOCOL);
        }
        protocol = Some(version);
    }
    let mut name = None;
    let mut words = call.rest(2);
    while let Some((option, rest)) = words.split_first() {
        words = match rest {
            [user, _, rest @ ..] if is(option, "AUTH") => {
                log_in(user)?;
                rest
            }
            [wanted, rest @ ..] if is(option, "SETNAME") => {
                if !is_printable(wanted) {
                    return Err(Failure::BAD_CLIENT_NAME);
                }
                name = Some(*wanted);
                rest
            }
            _ => return Err(Failure::repeating("ERR Syntax error in HELLO option '", option, "'")),
        };
    }
    if let Some(name) = name {
        call.memory.clients.rename(call.session, name)?;
    }
    let spoken = || sessions::get(call.session).map_or(2, |session| i64::from(session.protocol));
    let about = [
        ("server", Reply::bulk("redis")),
        ("version", Reply::bulk(REDIS_VERSION)),
        ("proto", Reply::Integer(protocol.unwrap_or_else(spoken))),
        ("id", Reply::Integer(id(call.session))),
        ("mode", Reply::bulk("standalone")),
        ("role", Reply::bulk("master")),
        ("modules", Reply::Array(Vec::new())),
    ];
    Ok(Reply::Map(about.map(|(name, value)| (Reply::bulk(name), value)).into()))
}

/// There is one user, `default`, who needs no password: any will do.
fn log_in(user: &[u8]) -> Result<(), Failure> {
    if user == b"default" { Ok(()) } else { Err(Failure::WRONG_PASSWORD) }
}

fn auth(call: &mut Call<'_>) -> Outcome {
    match call.rest(1) {
        [_password] => Err(Failure::NO_PASSWORD),
        [user, _password] => log_in(user).map(|()| Reply::OK),
        _ => Err(Failure::SYNTAX),
    }
}

fn select(call: &mut Call<'_>) -> Outcome {
    server::database(call.arg(1)).map(|()| Reply::OK)
}

fn reset(call: &mut Call<'_>) -> Outcome {
    call.memory.clients.known.remove(&call.session);
    Ok(Reply::simple("RESET"))
}

fn getname(call: &mut Call<'_>) -> Outcome {
    let name = call.memory.clients.known.get(&call.session).map(|client| client.name.clone());
    Ok(Reply::maybe(name.filter(|name| !name.is_empty())))
}

fn setinfo(call: &mut Call<'_>) -> Outcome {
    let (option, value) = (call.arg(2), call.arg(3));
    let known = is(option, "LIB-NAME") || is(option, "LIB-VER");
    if !known {
        return Err(Failure::repeating("ERR Unrecognized option '", option, "'"));
    }
    if !is_printable(value) {
        let option = option.to_ascii_lowercase();
        return Err(Failure::repeating("ERR ", &option, " cannot contain spaces, newlines or special characters."));
    }
    let client = call.memory.clients.client(call.session);
    let place = if is(option, "LIB-NAME") { &mut client.lib_name } else { &mut client.lib_ver };
    *place = value.to_vec();
    Ok(Reply::OK)
}

/// The line of `CLIENT LIST` and `CLIENT INFO` for the client that asks.
fn describe(call: &Call<'_>) -> String {
    let unknown = Client::default();
    let client = call.memory.clients.known.get(&call.session).unwrap_or(&unknown);
    let [name, lib_name, lib_ver] =
        [&client.name, &client.lib_name, &client.lib_ver].map(|text| String::from_utf8_lossy(text));
    let mut line = format!("id={}", id(call.session));
    if let Some(session) = sessions::get(call.session) {
        let sessions::Session { peer, user, database, protocol, .. } = session;
        // Nothing that writes to a string fails.
        let _ = write!(line, " addr={peer} name={name} db={database} user={user} resp={protocol}");
    }
    let _ = writeln!(line, " cmd={} lib-name={lib_name} lib-ver={lib_ver}", call.row.name);
    line
}

/// An instance knows of its own worker's sessions only, and of their activity nothing: the list is the client that asks.
fn list(call: &mut Call<'_>) -> Outcome {
    let line = || text(describe(call));
    match call.rest(2) {
        [] => Ok(line()),
        [option, kind] if is(option, "TYPE") => match kind {
            kind if is(kind, "NORMAL") => Ok(line()),
            kind if ["MASTER", "REPLICA", "SLAVE", "PUBSUB"].iter().any(|known| is(kind, known)) => Ok(text("")),
            kind => Err(Failure::repeating("ERR Unknown client type '", kind, "'")),
        },
        [option, ids @ ..] if is(option, "ID") && !ids.is_empty() => {
            if ids.iter().any(|text| integer(text).is_none()) {
                return Err(Failure::new("ERR Invalid client ID"));
            }
            let asked = ids.iter().any(|text| integer(text) == Some(id(call.session)));
            Ok(if asked { line() } else { text("") })
        }
        _ => Err(Failure::SYNTAX),
    }
}

fn one_of(call: &Call<'_>, words: &[&str]) -> Outcome {
    if words.iter().any(|word| is(call.arg(2), word)) { Ok(Reply::OK) } else { Err(Failure::SYNTAX) }
}
