//! A server that takes requests, counts them, and closes the connection instead of answering.
//!
//! No real server does that on demand, and what a request looks like to the one that was to carry it out is the point.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use sluice_tests::ports::free_addr;

type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

pub(super) struct CountingServer {
    addr: String,
    counts: Counts,
}

impl CountingServer {
    pub(super) fn start() -> Self {
        let addr = free_addr();
        let listener = TcpListener::bind(&addr).unwrap();
        let counts = Counts::default();
        let ours = Arc::clone(&counts);
        // Ends with the process: nothing waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let ours = Arc::clone(&ours);
                std::thread::spawn(move || {
                    let mut received = String::new();
                    let mut chunk = [0; 4096];
                    let mut stream = stream.unwrap();
                    // Until the first requests have come whole: each ends with its key, which holds two colons.
                    while let Ok(count @ 1..) = stream.read(&mut chunk) {
                        received.push_str(&String::from_utf8_lossy(&chunk[..count]));
                        if received.ends_with("\r\n") && received.contains("once:") {
                            break;
                        }
                    }
                    for word in received.split("\r\n").filter(|word| word.starts_with("once:")) {
                        *ours.lock().unwrap().entry(word.to_owned()).or_default() += 1;
                    }
                });
            }
        });
        Self { addr, counts }
    }

    pub(super) fn addr(&self) -> String {
        self.addr.clone()
    }

    /// Each key that was to be incremented, and how often.
    pub(super) fn requests(&self) -> BTreeMap<String, usize> {
        self.counts.lock().unwrap().clone()
    }
}
