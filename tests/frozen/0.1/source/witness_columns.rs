//! A witness of the contract in the columns lane: calls every function that the host offers, gives every verdict, watches and replaces.

use std::time::Duration;

use sluice_plugin::clock::{self, Instant};
use sluice_plugin::log::{self, Level};
use sluice_plugin::metrics::{Counter, Gauge, Histogram};
use sluice_plugin::{
    Change, Command, Interest, Reply, Request, Response, SessionId, Transform, Verdict, View, random, sessions, state,
};

pub struct Witness {
    requests: Counter,
    responses: Counter,
    commands: Gauge,
    bytes: Histogram,
}

impl Transform for Witness {
    type Config = serde_json::Value;

    fn new(config: serde_json::Value) -> Result<Self, String> {
        if config.get("refuse").is_some() {
            return Err(format!("refuse: found {config}, expected it not to be there"));
        }
        log::write(Level::Info, &format!("a witness is configured with {config}"));
        Ok(Self {
            requests: Counter::new("witnessed_total", &[("phase", "requests")])?,
            responses: Counter::new("witnessed_total", &[("phase", "responses")])?,
            commands: Gauge::new("witnessed_commands", &[])?,
            bytes: Histogram::new("witnessed_bytes", &[])?,
        })
    }

    fn interest(&self) -> Interest {
        Interest::in_commands(["get", "set", "echo", "incr", "mget", "lolwut"]).view(View::All).key_positions()
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        self.requests.add(1);
        self.commands.set(Command::all().count() as f64);
        let argument = |at| request.bytes(at).unwrap_or_default();
        match request.command().name() {
            "get" => verdict.watch(request.keys().count() as u64),
            "set" => {
                let value = [b"<", argument(2), b">"].concat();
                self.bytes.observe(value.len() as f64);
                verdict.rewrite().push("SET").push(argument(1)).push(value);
            }
            "incr" => {
                let sum = state::increment(argument(1), 1, None).unwrap_or(-1);
                verdict.reply(&Reply::Integer(sum));
            }
            "mget" => {
                let mut requests = verdict.fan_out();
                for key in request.keys() {
                    requests.request().push("GET").push(key.bytes().unwrap_or_default());
                }
            }
            "lolwut" => verdict.close_with(&Reply::simple("bye")),
            "echo" if argument(1) == b"capabilities" => {
                let lines = capabilities(request.session());
                verdict.reply(&Reply::array(lines.into_iter().map(Reply::bulk)));
            }
            _ => {}
        }
    }

    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        self.responses.add(1);
        if let Some(reply) = response.reply()
            && let Some(value) = reply.as_bytes()
        {
            let seen = [value, format!(" (seen, {} key)", response.tag()).as_bytes()].concat();
            change.replace(&Reply::bulk(seen));
        }
    }
}

fn capabilities(session: SessionId) -> Vec<String> {
    log::write(Level::Warn, "a witness is asked for its capabilities");
    let minute = Duration::from_secs(60);
    let get = Command::named("get");
    let now = Instant::now();
    vec![
        format!("log {}", log::enabled(Level::Error)),
        format!("metrics {}", Counter::new("a name", &[]).is_err()),
        format!("commands {}", get.is_some_and(|get| get.is_keyed() && get.is_in("read"))),
        format!("clock {}", clock::unix() > Duration::from_secs(1_500_000_000) && now <= Instant::now()),
        format!("random {} {}", random::bits() != random::bits(), random::bytes(5).len()),
        match sessions::get(session) {
            Some(one) => format!(
                "sessions {} {} {} {} {}",
                one.source,
                one.user,
                one.database,
                one.protocol,
                !one.peer.is_empty() && one.tls_subject.is_none()
            ),
            None => "sessions none".to_owned(),
        },
        format!("state.set {:?}", state::set(b"w:one", b"v", Some(minute)).is_ok()),
        format!("state.set {:?}", state::set(b"w:big", &[0; 8192], None) == Err(state::Refusal::Full)),
        format!("state.get {:?}", state::get(b"w:one") == Some(b"v".to_vec())),
        format!("state.expires-in {:?}", state::expires_in(b"w:one").is_some_and(|left| left <= minute)),
        format!(
            "state.compare-and-swap {:?} {:?}",
            state::compare_and_swap(b"w:one", Some(b"v"), Some(b"w"), None).ok(),
            state::compare_and_swap(b"w:one", Some(b"v"), None, None).ok()
        ),
        format!("state.increment {:?}", state::increment(b"w:one", 1, None) == Err(state::Refusal::NotANumber)),
        format!("state.keys {}", state::keys(b"w:", None, 10).len()),
        format!("state.delete {} {}", state::delete(b"w:one"), state::delete(b"w:one")),
    ]
}

sluice_plugin::transform!(Witness);
