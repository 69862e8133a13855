//! Passes on what comes, to a real server and back, and keeps what the server would see.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use sluice_tests::ports::free_addr;

/// What happened, in order. Where there are several connections, those of all of them.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Something was read, with one call.
    Read,
    /// A request was in it, or the last part of one.
    Arrived(Vec<String>),
    /// The reply to the oldest request goes back.
    Answered,
}

type Events = Arc<Mutex<Vec<Event>>>;

pub(super) struct Recorder {
    addr: String,
    events: Events,
}

impl Recorder {
    /// Records what goes to the server at `to`, whose replies are held back for so long.
    pub(super) fn start(to: &str, hold: Duration) -> Self {
        let addr = free_addr();
        let listener = TcpListener::bind(&addr).unwrap();
        let events = Events::default();
        let (ours, to) = (Arc::clone(&events), to.to_owned());
        // Ends with the process: nothing waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (near, far) = (stream.unwrap(), TcpStream::connect(&to).unwrap());
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let (near_back, far_back) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (there, back) = (Arc::clone(&ours), Arc::clone(&ours));
                std::thread::spawn(move || pass(near, far, |frames| arrived(&there, frames)));
                std::thread::spawn(move || {
                    pass(far_back, near_back, |frames| {
                        std::thread::sleep(hold);
                        let answered = frames.iter().map(|_| Event::Answered);
                        back.lock().unwrap().extend(answered);
                    })
                });
            }
        });
        Self { addr, events }
    }

    pub(super) fn addr(&self) -> String {
        self.addr.clone()
    }

    /// What has happened since the last time.
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

fn arrived(events: &Events, frames: &[OwnedFrame]) {
    let mut events = events.lock().unwrap();
    events.push(Event::Read);
    for frame in frames {
        let OwnedFrame::Array(words) = frame else { panic!("not a request: {frame:?}") };
        let words = words.iter().map(|word| match word {
            OwnedFrame::BulkString(word) => String::from_utf8_lossy(word).into_owned(),
            word => panic!("not a word of a request: {word:?}"),
        });
        events.push(Event::Arrived(words.collect()));
    }
}

/// Passes on what comes, after a look at the frames that were completed with each read.
fn pass(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[OwnedFrame])) {
    let mut chunk = vec![0; 1 << 16];
    let mut rest = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        rest.extend_from_slice(&chunk[..count]);
        let mut frames = Vec::new();
        while let Some((frame, length)) = decode(&rest).unwrap() {
            frames.push(frame);
            rest.drain(..length);
        }
        look(&frames);
        if to.write_all(&chunk[..count]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
