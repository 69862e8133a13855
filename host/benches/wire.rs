//! What it costs to find where frames end, and to write them: nanoseconds a frame.

#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use redis_protocol::resp2::decode::decode_bytes;
use sluice::resp::encode;
use sluice::resp::reply::ReplyScanner;
use sluice::resp::request::RequestScanner;
use sluice::resp::{Scan, Span};

const FRAMES: u64 = 64;

fn requests() -> Vec<u8> {
    let mut bytes = Vec::new();
    for key in 0..FRAMES {
        let key = format!("key:{key:012}");
        encode::request(&mut bytes, [&b"SET"[..], key.as_bytes(), &[b'x'; 64]].into_iter());
    }
    bytes
}

fn replies() -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..FRAMES {
        encode::bulk(&mut bytes, &[b'x'; 64]);
    }
    bytes
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(FRAMES));
    let requests = requests();
    let mut arguments: Vec<Span> = Vec::new();
    group.bench_function("requests, scanner", |bencher| {
        bencher.iter(|| {
            arguments.clear();
            let mut at = 0;
            while at < requests.len() {
                let Ok(Scan::Complete(len)) = RequestScanner::default().scan(&requests[at..], &mut arguments) else {
                    break;
                };
                at += len;
            }
            black_box(&arguments);
        });
    });
    let shared = bytes::Bytes::from(requests.clone());
    group.bench_function("requests, redis-protocol", |bencher| {
        bencher.iter(|| {
            let mut rest = shared.clone();
            while let Ok(Some((frame, len))) = decode_bytes(&rest) {
                black_box(frame);
                rest = rest.slice(len..);
            }
        });
    });
    let replies = replies();
    group.bench_function("replies, scanner", |bencher| {
        bencher.iter(|| {
            let mut at = 0;
            while at < replies.len() {
                let Ok(Scan::Complete(len)) = ReplyScanner::default().scan(&replies[at..]) else { break };
                at += len;
            }
            black_box(at);
        });
    });
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(FRAMES));
    group.bench_function("requests", |bencher| {
        bencher.iter_batched_ref(
            || Vec::with_capacity(16 * 1024),
            |out| {
                for _ in 0..FRAMES {
                    encode::request(out, [&b"SET"[..], b"key:000000000001", &[b'x'; 64]].into_iter());
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, decode, write);
criterion_main!(benches);
