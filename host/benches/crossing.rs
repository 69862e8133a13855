//! What a crossing costs: a batch of requests into a component that looks at each and forwards them all.
//!
//! Needs `target/components/inspect.wasm`: `cargo xtask components` builds it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::hint::black_box;
use std::path::PathBuf;
use std::rc::Rc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sluice::plugin::{NoSessions, RequestBatch, Runtime, RuntimeOptions, Site, Spec, Verdicts};

const ARGUMENTS: [&[u8]; 3] = [b"SET", b"key:000000000001", &[b'x'; 64]];

#[derive(Default)]
struct Columns {
    ids: Vec<u64>,
    sessions: Vec<u64>,
    commands: Vec<u16>,
    counts: Vec<u32>,
    offsets: Vec<u32>,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Columns {
    fn of(requests: u64) -> Self {
        let mut columns = Self::default();
        let command = sluice_commands::lookup(b"SET", || None);
        for id in 1..=requests {
            columns.ids.push(id);
            columns.sessions.push(id % 50);
            columns.commands.push(command.index());
            columns.counts.push(ARGUMENTS.len() as u32);
            for argument in ARGUMENTS {
                columns.offsets.push(columns.bytes.len() as u32);
                columns.lengths.push(argument.len() as u32);
                columns.bytes.extend_from_slice(argument);
            }
        }
        columns
    }

    fn batch(&self) -> RequestBatch<'_> {
        RequestBatch {
            ids: &self.ids,
            sessions: &self.sessions,
            commands: &self.commands,
            arg_counts: &self.counts,
            arg_offsets: &self.offsets,
            arg_lengths: &self.lengths,
            bytes: &self.bytes,
        }
    }
}

fn crossing(criterion: &mut Criterion) {
    let components = std::env::var_os("SLUICE_COMPONENTS")
        .map_or_else(|| std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("components"), PathBuf::from);
    let runtime = Runtime::new(RuntimeOptions::default()).unwrap();
    let plugin = runtime
        .load(&Spec::from_path("Inspect", components.join("inspect.wasm")))
        .unwrap_or_else(|error| panic!("{error} (run `cargo xtask components` first)"));
    let site = Site { source: "bench".into(), position: 0 };
    let transform = plugin.configure(&serde_json::json!({}), site).unwrap();
    let mut instance = transform.instantiate(Rc::new(NoSessions));
    let mut verdicts = Verdicts::new();

    let mut group = criterion.benchmark_group("crossing");
    for requests in [1, 16, 64, 256, 3200] {
        let columns = Columns::of(requests);
        group.throughput(Throughput::Elements(requests));
        group.bench_function(BenchmarkId::from_parameter(requests), |bencher| {
            bencher.iter(|| {
                instance.requests(&columns.batch(), &mut verdicts).unwrap();
                black_box(&verdicts);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, crossing);
criterion_main!(benches);
