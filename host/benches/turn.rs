//! What a turn costs without the sockets: requests decoded into a vector and carried through a chain. Nanoseconds a request.
//!
//! Needs `target/components/inspect.wasm` and `watch_all.wasm`: `cargo xtask components` builds them.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;
use std::rc::Rc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sluice::chain::{Chain, Link, ResponsePaths, Vector};
use sluice::ids::{MessageIds, PathId, SessionId};
use sluice::plugin::{NoSessions, Runtime, RuntimeOptions, SessionDirectory, Site, Spec};
use sluice::resp::{Scan, encode};

const SESSIONS: u32 = 50;

/// The directory of the components, beside that of the benchmark itself.
fn components() -> PathBuf {
    std::env::var_os("SLUICE_COMPONENTS")
        .map_or_else(|| std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("components"), PathBuf::from)
}

fn chain(component: &str, length: usize) -> Chain {
    let runtime = Runtime::new(RuntimeOptions::default()).unwrap();
    let spec = Spec::from_path(component, components().join(component));
    let plugin = runtime.load(&spec).unwrap_or_else(|error| panic!("{error} (run `cargo xtask components` first)"));
    let links: Vec<Link> = (0..length)
        .map(|position| Link {
            name: component.into(),
            transform: plugin.configure(&serde_json::json!({}), Site { source: "bench".into(), position }).unwrap(),
            on_fault: spec.on_fault,
        })
        .collect();
    let nobody: Rc<dyn SessionDirectory> = Rc::new(NoSessions);
    Chain::new(&links, &nobody)
}

/// What the sessions have sent: each the same number of SETs of 64 bytes.
fn sent(pipelined: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for request in 0..pipelined {
        let key = format!("key:{request:012}");
        encode::request(&mut bytes, [&b"SET"[..], key.as_bytes(), &[b'x'; 64]].into_iter());
    }
    bytes
}

fn take_in(vector: &mut Vector, bytes: &[u8], ids: &mut MessageIds) {
    for session in 0..SESSIONS {
        let mut at = vector.arena_mut().append(bytes);
        let end = vector.arena().len();
        vector.begin_run(SessionId::new(0, session as usize, 1));
        while at < end {
            let first = vector.arguments_mut().len();
            let Ok((Scan::Complete(len), _)) = vector.scan(at, end) else { break };
            let command = sluice::chain::vector::lookup(&vector.arguments_at(at..at + len, first));
            vector.push(ids.issue(), at..at + len, first, command, PathId::NONE);
            at += len;
        }
        vector.end_run(bytes.len());
    }
}

fn turn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn");
    for pipelined in [1, 16, 64] {
        let bytes = sent(pipelined);
        group.throughput(Throughput::Elements(u64::from(SESSIONS * pipelined)));
        for (name, component, length) in [
            ("no transform", "inspect.wasm", 0),
            ("1 inspect", "inspect.wasm", 1),
            ("3 inspect", "inspect.wasm", 3),
            ("1 watch-all", "watch_all.wasm", 1),
        ] {
            let mut chain = chain(component, length);
            let (mut vector, mut trails, mut ids) =
                (Vector::default(), ResponsePaths::default(), MessageIds::of_worker(0));
            group.bench_function(BenchmarkId::new(name, format!("P={pipelined}")), |bencher| {
                bencher.iter(|| {
                    take_in(&mut vector, &bytes, &mut ids);
                    chain.requests(&mut vector, &mut trails, &mut ids);
                    for request in vector.requests() {
                        trails.discard(request.trail);
                    }
                    vector.clear();
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, turn);
criterion_main!(benches);
