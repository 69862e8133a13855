//! A transform that leaves its mark: which edition of it has handled a request, and which one the response.
//!
//! Editions differ in one letter, which stands in the component behind a marker. A test makes another edition by writing another letter
//! there, without a compiler.
//!
//! Each `!` in the arguments of a request becomes the letter, and each `?` in its response: `ECHO a!b?` is answered with `aAbA`. A
//! request with an argument 1 of `plain…` is not touched, and what others mean is said in `request`.

use std::hint::black_box;

use sluice_plugin::{Change, NoConfig, Reply, Request, Response, Transform, Verdict, state};

/// The marker, and behind it the letter. With the letter R it refuses its configuration, and with P it panics at every request.
static EDITION: [u8; 22] = *b"edition of the test: A";

/// The transform.
#[derive(Debug)]
struct Edition {
    letter: u8,
    /// Requests that asked for this number.
    asked: i64,
}

sluice_plugin::transform!(Edition);

impl Transform for Edition {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        // Not to be known before it runs: what is in the component counts.
        match black_box(&EDITION)[EDITION.len() - 1] {
            b'R' => Err("edition R refuses everything".into()),
            letter => Ok(Self { letter, asked: 0 }),
        }
    }

    #[allow(clippy::panic, reason = "one edition is to fault")]
    fn request(&mut self, request: &Request<'_>, verdict: &mut Verdict<'_>) {
        if self.letter == b'P' {
            panic!("edition P panics");
        }
        let argument = request.bytes(1).unwrap_or_default();
        if argument.starts_with(b"plain") {
            return;
        }
        match argument {
            b"edition" => return verdict.reply(&Reply::bulk(vec![self.letter])),
            // How often that was asked of any instance at this place, as the map tells that they share.
            b"count" => return verdict.reply(&Reply::Integer(state::increment(b"count", 1, None).unwrap_or(-1))),
            // How often it was asked of this instance.
            b"memory" => {
                self.asked += 1;
                return verdict.reply(&Reply::Integer(self.asked));
            }
            _ => {}
        }
        verdict.watch(0);
        if let Some(words) = argument.strip_prefix(b"fan,") {
            // Several requests, separated by commas, and their arguments by plus signs.
            let mut fan = verdict.fan_out();
            for words in words.split(|byte| *byte == b',') {
                let mut one = fan.request();
                words.split(|byte| *byte == b'+').for_each(|word| {
                    one.push(self.mark(b'!', word));
                });
            }
        } else if request.args().any(|argument| argument.bytes().is_some_and(|bytes| bytes.contains(&b'!'))) {
            let mut rewrite = verdict.rewrite();
            request.args().for_each(|argument| {
                rewrite.push(self.mark(b'!', argument.bytes().unwrap_or_default()));
            });
        }
    }

    fn response(&mut self, response: &Response<'_>, change: &mut Change<'_>) {
        if response.frame().contains(&b'?') {
            change.replace_frame(&self.mark(b'?', response.frame()));
        }
    }
}

impl Edition {
    /// The letter in the place of each `sign`.
    fn mark(&self, sign: u8, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().map(|byte| if *byte == sign { self.letter } else { *byte }).collect()
    }
}
