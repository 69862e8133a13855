//! Values of every size pass unchanged, whatever bytes they hold.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use sluice_tests::{Client, RedisServer, Sluice, Topology, request};

use crate::WORKERS;

const MIB: usize = 1 << 20;

/// Around the borders of everything that might be a buffer, and up to what the issue of a whole process' memory allows.
const SIZES: [usize; 16] =
    [0, 1, 2, 63, 64, 4095, 4096, 16_383, 16_384, 16_385, 65_535, 65_537, MIB - 1, MIB, 5 * MIB + 7, 64 * MIB];

/// Bytes of which none is special: CR, LF, NUL and RESP's own markers are among them.
fn value(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    SmallRng::seed_from_u64(size as u64).fill_bytes(&mut bytes);
    for at in (0..size.saturating_sub(8)).step_by(1021) {
        bytes[at..at + 8].copy_from_slice(b"\r\n$-1\r\n*");
    }
    bytes
}

fn bulk(value: &[u8]) -> Bytes {
    [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat().into()
}

/// Replies are compared without printing 64 MiB.
#[track_caller]
fn assert_same(found: &Bytes, expected: &Bytes, what: &str) {
    let start = |bytes: &Bytes| bytes.slice(..bytes.len().min(60));
    assert!(found == expected, "{what}: got {:?}… ({} bytes)", start(found), found.len());
}

/// Three components, of which one sees every byte, with the memory and the time for that.
fn proxy_for(server: &RedisServer, workers: usize) -> Sluice {
    Topology::new()
        .workers(workers)
        .plugin("WatchAll", "watch_all.wasm", "limits: { memory: 1GiB, crossing: 20s }")
        .transform("KeyPrefix: { prefix: 'e2e:' }")
        .transform("CommandFilter: { deny: [shutdown] }")
        .transform("WatchAll: {}")
        .sink(server)
        .start()
}

#[test]
fn values_from_nothing_to_64_mib_pass_one_by_one() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = proxy_for(&server, workers);
        let mut writer = proxy.client();
        let mut reader = proxy.client();
        for size in SIZES {
            let value = value(size);
            assert_eq!(writer.call(&[b"SET".as_slice(), b"value", &value]), "+OK\r\n", "{size}");
            assert_same(&reader.ask("GET value"), &bulk(&value), &format!("{size} bytes, {workers} workers"));
        }
    }
}

#[test]
fn values_from_nothing_to_64_mib_pass_pipelined() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = proxy_for(&server, workers);
        let mut client = proxy.client();
        let sizes: Vec<usize> = SIZES.into_iter().chain(SIZES.into_iter().rev().skip(1)).collect();
        let mut writer = client.writer();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for &size in &sizes {
                    let set = request(&[b"SET".as_slice(), b"value", &value(size)]);
                    std::io::Write::write_all(&mut writer, &set).unwrap();
                    std::io::Write::write_all(&mut writer, &request(&["GET", "value"])).unwrap();
                }
            });
            for &size in &sizes {
                assert_eq!(client.reply(), "+OK\r\n", "{size}");
                assert_same(&client.reply(), &bulk(&value(size)), &format!("{size} bytes, {workers} workers"));
            }
        });
    }
}

#[test]
fn a_large_value_on_one_session_does_not_hold_up_another() {
    let server = RedisServer::start();
    let proxy = proxy_for(&server, 1);
    // The first half of a large request: the session waits for the rest of it.
    let large = request(&[b"SET".as_slice(), b"large", &value(8 * MIB)]);
    let (first, second) = large.split_at(large.len() / 2);
    let mut slow = proxy.client();
    slow.send(first);
    let mut quick: Client = proxy.client();
    for n in 0..100 {
        assert_eq!(quick.ask(&format!("ECHO {n:03}")), format!("$3\r\n{n:03}\r\n"));
    }
    slow.send(second);
    assert_eq!(slow.reply(), "+OK\r\n");
}

#[test]
fn keys_and_fields_are_as_binary_safe_as_values() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        let key = b"\0key\r\n\xff \"quoted\"".as_slice();
        assert_eq!(client.call(&[b"HSET".as_slice(), key, b"\r\n", b""]), ":1\r\n");
        assert_eq!(client.call(&[b"HGETALL".as_slice(), key]), "*2\r\n$2\r\n\r\n\r\n$0\r\n\r\n");
        assert_eq!(client.call(&[b"SET".as_slice(), b"", b"the empty key"]), "+OK\r\n");
        assert_eq!(client.call(&[b"GET".as_slice(), b""]), bulk(b"the empty key"));
        assert_eq!(server.client().call(&[b"DEL".as_slice(), &[b"e2e:", key].concat()]), ":1\r\n");
    }
}
