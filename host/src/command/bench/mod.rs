//! `sluice plugin bench`.

mod batch;
mod clock;
mod table;

use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use sluice::plugin::{
    Changes, Instance, Interest, Limits, NoSessions, Plugin, Runtime, Site, Spec, Transform, Verdicts,
};
use sluice::resp::{escapes, inline, reply};

use super::cache::CacheChoice;
use super::component::with_everything_granted;
use super::starting::Starting;
use batch::{Requests, Responses};
use table::{Column, Table};

/// The sizes of the vectors.
const VECTORS: [usize; 5] = [1, 4, 16, 64, 256];

/// What is asked of a component that asks for everything.
const COMMON: [&str; 2] =
    ["SET key:000001 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "GET key:000001"];

/// Measures a component, and prints a table. `requests` are the words of requests that take turns;
/// none: what suits it.
pub(crate) fn bench(
    name: &str,
    config: &Value,
    requests: &[Vec<Vec<u8>>],
    response: &str,
    cache: &CacheChoice,
) -> anyhow::Result<()> {
    let runtime = cache.runtime()?;
    let plugin = load(&runtime, &unhurried(with_everything_granted(name)), name)?;
    let transform = configure(&plugin, config)?;
    let lane = plugin.lane().name();
    let noop = noop(&runtime, lane)?;
    let requests = match requests {
        [] => suitable(transform.interest()),
        requests => requests.to_vec(),
    };
    let response = frame(response)?;

    let starting = Starting::of(&transform)?;
    let subject = Subject { transform: &transform, interest: transform.interest() };
    // It is shown the very same bytes.
    let peer = Subject { transform: &noop, interest: transform.interest() };
    let (asked, memory) = subject.requests(&requests)?;
    let mut columns = vec![asked, peer.requests(&requests)?.0.named("do nothing")];
    let watched = subject.tags(&requests)?;
    if !watched.is_empty() {
        columns.push(subject.responses(&requests, &watched, &response)?);
        columns.push(peer.responses(&requests, &watched, &response)?.named("do nothing"));
    }

    let mut out = std::io::stdout().lock();
    let description = transform.description();
    writeln!(out, "{} {}, {lane}", description.name, description.version)?;
    for request in &requests {
        writeln!(out, "  request  {}", shown(request))?;
    }
    match watched.len() {
        0 => writeln!(out, "  watches none of them: no response crosses")?,
        _ => writeln!(out, "  response {}", response.escape_ascii())?,
    }
    writeln!(out, "\n{}", Table { vectors: &VECTORS, columns: &columns })?;
    writeln!(
        out,
        "an instance starts in {:.3} ms and has {} KiB of memory",
        starting.time.as_secs_f64() * 1e3,
        memory >> 10
    )?;
    if cfg!(debug_assertions) {
        writeln!(out, "this is a debug build: its figures say nothing")?;
    }
    Ok(())
}

fn load(runtime: &Runtime, spec: &Spec, name: &str) -> anyhow::Result<Arc<Plugin>> {
    runtime.load(spec).map_err(|error| anyhow!("{name}: {}", error.problem))
}

fn configure(plugin: &Arc<Plugin>, config: &Value) -> anyhow::Result<Arc<Transform>> {
    let site = Site { source: "bench".to_owned(), position: 0 };
    plugin.configure(config, site).map_err(|error| anyhow!("{error} (--config gives it one)"))
}

/// The component that does nothing, in the same lane.
fn noop(runtime: &Runtime, lane: &str) -> anyhow::Result<Arc<Transform>> {
    let directory = tempfile::tempdir().context("no room for a component")?;
    let file = directory.path().join("noop.wasm");
    std::fs::write(&file, sluice_projects::noop(lane)?).context("no room for a component")?;
    let plugin = load(runtime, &unhurried(Spec::from_path("Noop", &file)), "noop")?;
    configure(&plugin, &Value::Object(serde_json::Map::default()))
}

/// A limit that is met would end a measurement that is to show it.
fn unhurried(spec: Spec) -> Spec {
    let limits =
        Limits { memory: 1 << 30, crossing: Duration::from_secs(60), setup: Duration::from_secs(60), ..spec.limits };
    Spec { limits, ..spec }
}

/// Requests that a transform with this interest would see.
fn suitable(interest: &Interest) -> Vec<Vec<Vec<u8>>> {
    let words = |line: &str| inline::split(line.as_bytes()).unwrap_or_default();
    let common: Vec<_> = COMMON.iter().map(|line| words(line)).filter(|line| batch::crosses(interest, line)).collect();
    if !common.is_empty() {
        return common;
    }
    interest
        .commands
        .names()
        .take(COMMON.len())
        .map(|name| words(&format!("{} key:000001 value", name.replace('|', " "))))
        .collect()
}

/// The bytes of a frame that was given with escapes; refused if it is not exactly one.
fn frame(text: &str) -> anyhow::Result<Vec<u8>> {
    let frame = escapes::unescape(text).map_err(|error| anyhow!("--response: {error}"))?;
    match reply::frame_length(&frame) {
        Ok(Some(length)) if length == frame.len() => Ok(frame),
        _ => bail!("--response: found {text:?}, expected exactly one RESP frame, such as \"$5\\r\\nhello\\r\\n\""),
    }
}

fn shown(words: &[Vec<u8>]) -> String {
    words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

/// A transform that is measured.
struct Subject<'a> {
    transform: &'a Arc<Transform>,
    /// Decides what is shown.
    interest: &'a Interest,
}

impl Subject<'_> {
    fn instance(&self) -> Instance {
        self.transform.instantiate(Rc::new(NoSessions))
    }

    /// What requests cost, and the memory that the instance has afterwards, in bytes.
    fn requests(&self, lines: &[Vec<Vec<u8>>]) -> anyhow::Result<(Column, usize)> {
        let mut instance = self.instance();
        let mut verdicts = Verdicts::new();
        let mut times = Vec::with_capacity(VECTORS.len());
        for count in VECTORS {
            let requests = Requests::new(lines, self.interest, count);
            let batch = requests.batch();
            times.push(clock::fastest(|| instance.requests(&batch, &mut verdicts))?);
        }
        Ok((Column::new("requests", times), instance.memory().unwrap_or_default()))
    }

    /// The tags with which it watches, by the line; none where it watches nothing, or has no
    /// handler for responses.
    fn tags(&self, lines: &[Vec<Vec<u8>>]) -> anyhow::Result<Vec<u64>> {
        if !self.transform.plugin().phases().responses {
            return Ok(Vec::new());
        }
        let requests = Requests::new(lines, self.interest, lines.len());
        let mut verdicts = Verdicts::new();
        self.instance().requests(&requests.batch(), &mut verdicts).map_err(|fault| anyhow!("the component {fault}"))?;
        Ok(verdicts.iter().filter_map(|verdict| verdict.watch).collect())
    }

    /// What responses cost.
    fn responses(&self, lines: &[Vec<Vec<u8>>], tags: &[u64], frame: &[u8]) -> anyhow::Result<Column> {
        let mut instance = self.instance();
        let (mut verdicts, mut changes) = (Verdicts::new(), Changes::default());
        let mut times = Vec::with_capacity(VECTORS.len());
        for count in VECTORS {
            // What it may remember of the requests.
            let requests = Requests::new(lines, self.interest, count);
            instance.requests(&requests.batch(), &mut verdicts).map_err(|fault| anyhow!("the component {fault}"))?;
            let responses = Responses::new(tags, frame, count);
            let batch = responses.batch();
            times.push(clock::fastest(|| instance.responses(&batch, &mut changes))?);
        }
        Ok(Column::new("responses", times))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_response_is_given_with_the_escapes_of_case_files() {
        assert_eq!(frame(r"$5\r\n\xff\t\\\x00n\r\n").unwrap(), b"$5\r\n\xff\t\\\0n\r\n");
        let error = frame(r"+\q\r\n").unwrap_err().to_string();
        assert!(error.starts_with(r"--response: `\q` is no escape"), "{error}");
        let error = frame(r"+OK\r\n+OK\r\n").unwrap_err().to_string();
        assert!(error.contains("expected exactly one RESP frame"), "{error}");
    }
}
