//! What it costs to let a batch cross into a component and its answer come back.
//!
//! `forward` is the price of a crossing as such: the component looks at nothing and forwards everything. `rewrite` answers every
//! request with a rewrite of two originals and a literal.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use sluice::plugin::{NoSessions, RequestBatch, Runtime, RuntimeOptions, Site, Spec, Transform, Verdicts};

#[path = "../src/plugin/tests/guest.rs"]
#[allow(dead_code)]
mod guest;

use guest::Guest;

const BATCHES: [usize; 4] = [1, 16, 64, 512];

struct Requests {
    ids: Vec<u64>,
    commands: Vec<u16>,
    arg_counts: Vec<u32>,
    arg_offsets: Vec<u32>,
    arg_lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl Requests {
    /// `SET key:0000000001 <64 bytes>`, so often.
    fn sets(count: usize) -> Requests {
        let arguments = [&b"SET"[..], b"key:0000000001", &[b'v'; 64]];
        let mut requests = Requests {
            ids: (1..=count as u64).collect(),
            commands: vec![7; count],
            arg_counts: vec![3; count],
            arg_offsets: Vec::new(),
            arg_lengths: Vec::new(),
            bytes: Vec::new(),
        };
        for _ in 0..count {
            for argument in arguments {
                requests.arg_offsets.push(requests.bytes.len() as u32);
                requests.arg_lengths.push(argument.len() as u32);
                requests.bytes.extend_from_slice(argument);
            }
        }
        requests
    }

    fn batch(&self) -> RequestBatch<'_> {
        RequestBatch {
            ids: &self.ids,
            sessions: &self.ids,
            commands: &self.commands,
            arg_counts: &self.arg_counts,
            arg_offsets: &self.arg_offsets,
            arg_lengths: &self.arg_lengths,
            bytes: &self.bytes,
        }
    }
}

fn transform(guest: &Guest) -> Arc<Transform> {
    let path = std::env::temp_dir().join(format!("sluice-bench-{}.wasm", std::process::id()));
    std::fs::write(&path, guest.build()).unwrap();
    let runtime = Runtime::new(RuntimeOptions::default()).unwrap();
    let plugin = runtime.load(&Spec::from_path("Bench", &path)).unwrap();
    std::fs::remove_file(&path).unwrap();
    plugin.configure(&json!({}), Site { source: "bench".to_owned(), position: 0 }).unwrap()
}

/// Rewrites each of `count` requests to `$0 "tenant-a:" $2`.
fn rewriting(count: usize) -> Guest {
    let mut guest = Guest::columns();
    let flat = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let indices: Vec<u32> = (0..count as u32).collect();
    let numbers = [3, 1 << 31, 9, 1 << 31 | 2].repeat(count);
    let bytes = b"tenant-a:".repeat(count);
    let record = guest.put_lists(&[
        (&flat(&indices), count),
        (&vec![1; count], count),
        (&vec![0; 8 * count], count),
        (&flat(&numbers), numbers.len()),
        (&bytes, bytes.len()),
    ]);
    guest.requests(&format!("i32.const {record}"))
}

fn crossings(c: &mut Criterion) {
    for lane in ["columns", "rows"] {
        let guest = if lane == "columns" { Guest::columns() } else { Guest::rows() };
        let transform = transform(&guest);
        let mut group = c.benchmark_group(format!("crossing/{lane}/forward"));
        for count in BATCHES {
            let requests = Requests::sets(count);
            let mut instance = transform.instantiate(Rc::new(NoSessions));
            let mut verdicts = Verdicts::new();
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::from_parameter(count), |b| {
                b.iter(|| instance.requests(black_box(&requests.batch()), &mut verdicts).unwrap());
            });
        }
        group.finish();
    }
    let mut group = c.benchmark_group("crossing/columns/rewrite");
    for count in BATCHES {
        let requests = Requests::sets(count);
        let mut instance = transform(&rewriting(count)).instantiate(Rc::new(NoSessions));
        let mut verdicts = Verdicts::new();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| instance.requests(black_box(&requests.batch()), &mut verdicts).unwrap());
        });
    }
    group.finish();
}

fn starts(c: &mut Criterion) {
    let transform = transform(&Guest::columns());
    let requests = Requests::sets(1);
    c.bench_function("start", |b| {
        b.iter(|| {
            let mut verdicts = Verdicts::new();
            transform.instantiate(Rc::new(NoSessions)).requests(&requests.batch(), &mut verdicts).unwrap();
        });
    });
}

criterion_group!(benches, crossings, starts);
criterion_main!(benches);
