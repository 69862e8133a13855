//! A witness of the contract in the rows lane: calls every function that the host offers, gives every verdict, watches and replaces.
#![allow(missing_docs)]

wit_bindgen::generate!({ path: "../../../wit", world: "rows", generate_all });

use std::cell::OnceCell;

use exports::sluice::transform::lifecycle::{Description, Guest as Lifecycle, Interest, View};
use exports::sluice::transform::requests_rows::{Action, Guest as Requests, Request, Verdict};
use exports::sluice::transform::responses_rows::{Change, Guest as Responses, Response};
use sluice::transform::log::Level;
use sluice::transform::replies::Node;
use sluice::transform::{clock, commands, log, metrics, random, sessions, state};

struct Witness;

struct Series {
    requests: u32,
    responses: u32,
    commands: u32,
    bytes: u32,
}

thread_local! {
    static SERIES: OnceCell<Series> = const { OnceCell::new() };
}

fn with<T>(work: impl FnOnce(&Series) -> T) -> T {
    SERIES.with(|series| work(series.get().expect("configured")))
}

impl Lifecycle for Witness {
    fn describe() -> Description {
        Description {
            name: "Witness".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(config: String) -> Result<Interest, String> {
        if config.contains("refuse") {
            return Err(format!("refuse: found {config}, expected it not to be there"));
        }
        log::write(Level::Info, &format!("a witness is configured with {config}"));
        let refused = |refusal: metrics::Refusal| format!("{refusal:?}");
        let phase = |phase: &str| vec![("phase".to_owned(), phase.to_owned())];
        let series = Series {
            requests: metrics::counter("witnessed_total", &phase("requests")).map_err(refused)?,
            responses: metrics::counter("witnessed_total", &phase("responses")).map_err(refused)?,
            commands: metrics::gauge("witnessed_commands", &[]).map_err(refused)?,
            bytes: metrics::histogram("witnessed_bytes", &[]).map_err(refused)?,
        };
        SERIES.with(|slot| slot.set(series).ok());
        Ok(Interest {
            commands: Some(["get", "set", "echo", "incr", "mget", "lolwut"].map(str::to_owned).to_vec()),
            view: View::All,
            whole: Vec::new(),
            key_positions: true,
        })
    }
}

impl Requests for Witness {
    fn handle(batch: Vec<Request>) -> Vec<Verdict> {
        with(|series| {
            metrics::add(series.requests, batch.len() as u64);
            metrics::set(series.commands, commands::table().len() as f64);
            (0..).zip(&batch).filter_map(|(index, request)| verdict(series, index, request)).collect()
        })
    }
}

fn verdict(series: &Series, index: u32, request: &Request) -> Option<Verdict> {
    let argument = |at: usize| request.args.get(at).cloned().unwrap_or_default();
    let keys = || request.keys.iter().map(|&at| argument(at as usize));
    let mut watch = None;
    let action = match request.command.as_str() {
        "get" => {
            watch = Some(keys().count() as u64);
            Action::Forward
        }
        "set" => {
            let value = [b"<", &*argument(2), b">"].concat();
            metrics::observe(series.bytes, value.len() as f64);
            Action::Rewrite(vec![b"SET".to_vec(), argument(1), value])
        }
        "incr" => Action::Reply(vec![Node::Integer(state::increment(&argument(1), 1, None).unwrap_or(-1))]),
        "mget" => Action::FanOut(keys().map(|key| vec![b"GET".to_vec(), key]).collect()),
        "lolwut" => Action::Close(vec![Node::Simple(b"bye".to_vec())]),
        "echo" if argument(1) == b"capabilities" => {
            let lines = capabilities(request.session);
            let mut nodes = vec![Node::Array(lines.len() as u32)];
            nodes.extend(lines.into_iter().map(|line| Node::Bulk(line.into_bytes())));
            Action::Reply(nodes)
        }
        _ => return None,
    };
    Some(Verdict { index, action, watch })
}

impl Responses for Witness {
    fn handle(batch: Vec<Response>) -> Vec<Change> {
        with(|series| metrics::add(series.responses, batch.len() as u64));
        let change = |(index, response): (u32, &Response)| match response.reply.as_slice() {
            [Node::Bulk(value)] => {
                let seen = [value, format!(" (seen, {} key)", response.tag).as_bytes()].concat();
                Some(Change { index, reply: vec![Node::Bulk(seen)] })
            }
            _ => None,
        };
        (0..).zip(&batch).filter_map(change).collect()
    }
}

fn capabilities(session: u64) -> Vec<String> {
    log::write(Level::Warn, "a witness is asked for its capabilities");
    let minute = 60_000;
    let get = commands::table().into_iter().find(|command| command.name == "get");
    let now = clock::monotonic_ns();
    vec![
        format!("log {}", log::enabled(Level::Error)),
        format!("metrics {}", metrics::counter("a name", &[]).is_err()),
        format!("commands {}", get.is_some_and(|get| get.keyed && get.categories.iter().any(|name| name == "read"))),
        format!("clock {}", clock::unix_ms() > 1_500_000_000_000 && now <= clock::monotonic_ns()),
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

export!(Witness);
