//! A transform that misbehaves on demand.
//!
//! What it does to a request is said by the request's argument 1, in words separated by commas: `GET loop` hangs, `GET panic`
//! panics, `GET become,MONITOR` goes on as another command. A request with any other argument is forwarded. It imports the
//! clock, so it is refused where it is not granted that.
#![allow(clippy::panic, reason = "misbehaving is what it is for")]

use std::hint::black_box;

use sluice_plugin::{Change, Reply, Request, Response, Transform, Verdict, clock};

/// How the setting-up of the component itself goes wrong.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Setup {
    /// Not at all.
    #[default]
    Fine,
    /// It refuses whatever it was given.
    Refuse,
    /// It never ends.
    Loop,
    /// It panics.
    Panic,
}

/// The transform's map in the topology.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    setup: Setup,
}

/// The transform.
#[derive(Debug)]
struct Hostile;

sluice_plugin::transform!(Hostile);

impl Transform for Hostile {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        match config.setup {
            Setup::Fine => Ok(Self),
            Setup::Refuse => Err("setup: found refuse, expected anything else".into()),
            Setup::Loop => forever(),
            Setup::Panic => panic!("a panic while being set up"),
        }
    }

    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        let Some(argument) = request.bytes(1) else { return };
        let mut words = argument.split(|byte| *byte == b',');
        let deed = words.next().unwrap_or_default();
        if misbehave(deed) {
            return;
        }
        match deed {
            b"two-frames" => verdict.reply_frame(b"+one\r\n+two\r\n"),
            b"half-a-frame" => verdict.reply_frame(b"$100\r\nhalf"),
            b"no-frame" => verdict.reply_frame(b"hello\r\n"),
            b"push" => verdict.reply_frame(b">2\r\n+invalidate\r\n*0\r\n"),
            b"close" => verdict.close(),
            b"close-with" => verdict.close_with(&Reply::error("ERR closed by a transform")),
            b"time" => verdict.reply(&Reply::bulk(clock::unix().as_millis().to_string().into_bytes())),
            b"become" => {
                let mut rewrite = verdict.rewrite();
                words.for_each(|word| {
                    rewrite.push(word);
                });
            }
            b"fan" => {
                let mut fan = verdict.fan_out();
                words.for_each(|word| {
                    let mut one = fan.request();
                    word.split(|byte| *byte == b'+').for_each(|argument| {
                        one.push(argument);
                    });
                });
            }
            b"response" => {
                // What follows is done to the response: its place among the deeds is the tag.
                let deed = words.next().unwrap_or_default();
                if let Some(place) = RESPONSE_DEEDS.iter().position(|known| *known == deed) {
                    verdict.watch(place as u64);
                }
            }
            _ => {}
        }
    }

    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        let deed = RESPONSE_DEEDS.get(response.tag() as usize).copied().unwrap_or_default();
        if misbehave(deed) {
            return;
        }
        match deed {
            b"two-frames" => change.replace_frame(b"+one\r\n+two\r\n"),
            b"half-a-frame" => change.replace_frame(b"$100\r\nhalf"),
            _ => {}
        }
    }
}

/// What can be done to a response.
const RESPONSE_DEEDS: &[&[u8]] = &[b"keep", b"loop", b"bomb", b"panic", b"overflow", b"two-frames", b"half-a-frame"];

/// Does what ends an instance; says whether it did anything.
fn misbehave(deed: &[u8]) -> bool {
    match deed {
        b"loop" => forever(),
        b"bomb" => bomb(),
        b"panic" => panic!("a panic on demand"),
        b"overflow" => {
            black_box(deeper(1));
        }
        _ => return false,
    }
    true
}

fn forever() -> ! {
    loop {
        black_box(());
    }
}

/// Takes memory until there is none.
fn bomb() {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(black_box(vec![1; 1 << 20]));
    }
}

/// Takes stack until there is none. It keeps nothing in memory, so that it is the stack that ends.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    if depth == 0 { 0 } else { deeper(depth + 1).rotate_left(3) ^ depth }
}
