//! The example, in all languages: its cases, and the same bytes from each in front of a real server.

use std::path::PathBuf;
use std::process::Command;

use sluice_projects::{Language, Project};
use sluice_tests::{Client, RedisServer, Topology, programs, request};

use crate::desk::text;

/// What a component that carries an interpreter needs, in a debug build of the proxy.
const LIMITS: &str = "limits: { memory: 128MiB, crossing: 5s, setup: 60s }";

fn directory(language: Language) -> PathBuf {
    programs::repository().join("examples/transforms").join(language.name())
}

/// The component, as `cargo xtask build --languages` leaves it.
fn component(language: Language) -> PathBuf {
    let project = Project::open(&directory(language)).unwrap();
    assert!(project.component.is_file(), "{} has not been built", project.component.display());
    project.component
}

/// Runs the cases of an example. Its component is then in the compile cache: compiling an interpreter takes longer than a test waits
/// for a proxy.
#[track_caller]
fn pass_cases(language: Language) {
    let cases = directory(language).join("cases.yaml");
    let mut sluice = Command::new(programs::sluice());
    let output = sluice.args(["plugin", "test"]).arg(component(language)).arg(cases).output().unwrap();
    assert!(output.status.success(), "{}:\n{}", language.name(), text(&output));
}

#[test]
fn every_example_passes_its_cases() {
    Language::ALL.iter().copied().for_each(pass_cases);
}

/// Valid card numbers of every length, with and without separators, and what looks like them.
const CARDS: [&[u8]; 10] = [
    b"4222222222222",
    b"4111111111111111",
    b"4111 1111 1111 1111",
    b"4111-1111 11111111",
    b"6304000000000000000",
    b"4111111111111112",
    b"4111  1111111111111",
    b"41111111111111111111111",
    b"\xff\x004111111111111111\xfe\r\n",
    b"a4111111111111111b 5500005555555559",
];

/// What a client sends: every command that the example knows, on values of every kind.
fn script() -> Vec<Vec<u8>> {
    let mut script = Vec::new();
    let mut send = |words: &[&[u8]]| script.push(request(words));
    for card in CARDS {
        send(&[b"SET", b"k", card]);
        send(&[b"GET", b"k"]);
        send(&[b"GETSET", b"k", card]);
        send(&[b"APPEND", b"k", card]);
        send(&[b"GETDEL", b"k"]);
        // A key is never masked, even if it is a card number.
        send(&[b"MSET", card, card, b"other", b"4111111111111111"]);
        send(&[b"MGET", card, b"other", b"none"]);
        send(&[b"HSET", b"h", b"plain", card]);
        send(&[b"HSET", b"h", card, b"as a field"]);
        send(&[b"HGETALL", b"h"]);
        send(&[b"RPUSH", b"l", card, b"plain", card]);
        send(&[b"LRANGE", b"l", b"0", b"-1"]);
        send(&[b"SADD", b"s", card]);
        send(&[b"SMEMBERS", b"s"]);
        // Of several members, every server has an order of its own.
        send(&[b"DEL", b"s"]);
        // Written behind the transform's back: these are masked on their way to the client.
        send(&[b"EVAL", b"redis.call('SET', KEYS[1], ARGV[1]) return ARGV[1]", b"1", b"raw", card]);
        send(&[b"GET", b"raw"]);
        send(&[b"EVAL", b"redis.call('HSET', KEYS[1], ARGV[1], ARGV[1])", b"1", b"rawhash", card]);
        send(&[b"HGETALL", b"rawhash"]);
        send(&[b"LPUSH", b"k", b"wrong", card]);
        send(&[b"GET", b"l"]);
    }
    send(&[b"SET", b"empty", b""]);
    send(&[b"GET", b"empty"]);
    send(&[b"SET", b"big", &b"x4111111111111111y".repeat(500)]);
    send(&[b"GET", b"big"]);
    send(&[b"FLUSHALL"]);
    script
}

/// Every reply to the script, byte for byte.
fn replies(addr: &str, resp3: bool) -> Vec<String> {
    let mut client = Client::connect(addr);
    if resp3 {
        client.hello3();
    }
    let script = script();
    // In one go, so that vectors are long, and once more one by one.
    client.send(&script.concat());
    let mut replies = client.replies(script.len());
    for request in &script {
        client.send(request);
        replies.push(client.reply());
    }
    replies.iter().map(|reply| reply.escape_ascii().to_string()).collect()
}

#[test]
fn the_example_gives_the_same_bytes_in_every_language() {
    Language::ALL.iter().copied().for_each(pass_cases);
    for resp3 in [false, true] {
        let mut first: Option<(Vec<String>, &str)> = None;
        for &language in Language::ALL {
            // A server of its own for each: what is stored is a part of the answer.
            let server = RedisServer::start();
            let proxy = Topology::new()
                .plugin_at("CardMask", &component(language), LIMITS)
                .transform("CardMask: { keep: 4 }")
                .sink(&server)
                .start();
            let replies = replies(proxy.addr(), resp3);
            let masked = proxy.metrics().sum("sluice_plugin_card_numbers_masked_total", &[("direction", "read")]);
            assert!(masked > Some(0.0), "{}: nothing was masked", language.name());
            match &first {
                None => {
                    assert!(replies.iter().any(|reply| reply.contains("************1111")), "{replies:#?}");
                    assert!(replies.iter().any(|reply| reply.contains("**** **** **** 1111")), "{replies:#?}");
                    first = Some((replies, language.name()));
                }
                Some((expected, other)) => {
                    for (at, (reply, expected)) in replies.iter().zip(expected).enumerate() {
                        assert_eq!(reply, expected, "reply {at} in {} and in {other}", language.name());
                    }
                    assert_eq!(replies.len(), expected.len());
                }
            }
        }
    }
}

/// The cases of an example, without what differs between languages: limits, and in Rust, whose library words them, refusals.
fn common_cases(language: Language) -> String {
    let cases = std::fs::read_to_string(directory(language).join("cases.yaml")).unwrap();
    let (_, cases) = cases.split_once("\nconfig: ").unwrap();
    match language {
        Language::Rust => cases.split_once("  - name: a setting that there is not").unwrap().0.to_owned(),
        _ => cases.to_owned(),
    }
}

#[test]
fn every_example_is_held_to_the_same_cases() {
    let all = common_cases(Language::C);
    for &language in Language::ALL {
        let cases = common_cases(language);
        assert!(!cases.is_empty() && all.starts_with(&cases), "{} has cases of its own", language.name());
    }
}
