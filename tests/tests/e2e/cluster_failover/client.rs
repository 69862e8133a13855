//! A client that remembers all that it was told, and when.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sluice_tests::{Client, RedisCluster, inline};

use super::SHARDS;
use crate::told::Told;

/// Between two things that it does, so that the servers are busy and the machine is not.
const PAUSE: Duration = Duration::from_millis(2);

/// How large a large value is, and how many are asked for at once: more than the 36 MiB that Linux may keep between a server and the
/// proxy. What is asked behind them is executed and replicated long before its reply can be sent, and so may be in doubt though it was executed.
const LARGE: usize = 4 << 20;
const LARGE_AT_ONCE: usize = 12;

/// Who of the clients of a shard asks for large values.
const HEAVY: usize = 7;

/// What was asked: of the client's counter, mostly.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    Increment,
    Value,
    /// Something else, large, that is only read.
    Large,
}

/// A request, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) asked: Asked,
    pub(super) told: Told,
    sent: Instant,
    at: Instant,
}

impl Event {
    /// What was asked at `sent`, and is told now.
    fn since(sent: Instant, asked: Asked, told: Told) -> Self {
        Self { asked, told, sent, at: Instant::now() }
    }

    /// What is asked and told at once.
    pub(super) fn now(asked: Asked, told: Told) -> Self {
        Self::since(Instant::now(), asked, told)
    }
}

/// The only client that increments its counter.
#[derive(Debug)]
pub(super) struct Witness {
    number: usize,
    pub(super) shard: usize,
    pub(super) key: String,
    /// Since they were last taken.
    events: Mutex<Vec<Event>>,
}

impl Witness {
    /// Finds a key for its counter in this shard, and sets it to nothing.
    pub(super) fn new(number: usize, shard: usize, cluster: &RedisCluster, addr: &str) -> Self {
        let mut keys = (0..).map(|tag| format!("{{{tag}}}:count:{number}"));
        let key = keys.find(|key| cluster.owner_of_key(key) == shard).expect("every shard has keys");
        let mut client = Client::connect(addr);
        assert_eq!(client.ask(&format!("SET {key} 0")), "+OK\r\n");
        if number / SHARDS == HEAVY {
            assert_eq!(client.call(&[b"SET", large(&key).as_bytes(), &vec![b'x'; LARGE]]), "+OK\r\n");
        }
        Self { number, shard, key, events: Mutex::default() }
    }

    /// Asks until it is over. `next`: the shard whose primary fails next.
    pub(super) fn run(&self, addr: &str, over: &AtomicBool, next: &AtomicUsize) {
        let mut client = Client::connect(addr);
        if self.number / SHARDS % 4 >= 2 {
            client.hello3();
        }
        let of_the_shard = self.number / SHARDS;
        let heavy = [vec![Asked::Large; LARGE_AT_ONCE], vec![Asked::Increment; 2]].concat();
        let light = match of_the_shard.is_multiple_of(2) {
            true => vec![Asked::Increment],
            false => [[Asked::Increment; 2], [Asked::Value, Asked::Increment]].concat(),
        };
        while !over.load(Ordering::Relaxed) {
            // The other shards have their peace.
            let is_heavy = of_the_shard == HEAVY && next.load(Ordering::Relaxed) == self.shard;
            self.ask(&mut client, if is_heavy { &heavy } else { &light });
            std::thread::sleep(PAUSE);
            self.ask(&mut client, &[Asked::Value]);
        }
        assert!(client.silent_for(Duration::from_millis(20)), "client {} got more than it asked for", self.number);
    }

    /// Sends these at once.
    fn ask(&self, client: &mut Client, steps: &[Asked]) {
        let lines = steps.iter().map(|asked| match asked {
            Asked::Increment => format!("INCR {}", self.key),
            Asked::Value => format!("GET {}", self.key),
            Asked::Large => format!("GET {}", large(&self.key)),
        });
        let bytes: Vec<u8> = lines.flat_map(|line| inline(&line)).collect();
        let sent = Instant::now();
        client.send(&bytes);
        for &asked in steps {
            let told = match asked {
                Asked::Large => Told::next_large(client, LARGE),
                Asked::Increment | Asked::Value => Told::next(client),
            };
            assert_ne!(told, Told::Unanswered, "client {} was cut off", self.number);
            self.events().push(Event::since(sent, asked, told));
        }
    }

    /// How many replies it has got since they were last taken.
    pub(super) fn replies(&self) -> usize {
        self.events().len()
    }

    /// The last value that it was told before this moment, as far as is known.
    pub(super) fn told_before(&self, moment: Instant) -> Option<u64> {
        self.events().iter().rev().filter(|event| event.at < moment).find_map(|event| event.told.number())
    }

    /// When an increment of it was first executed after this moment, and so everything before it answered.
    pub(super) fn served_since(&self, moment: Instant) -> Option<Instant> {
        let events = self.events();
        let served = |event: &&Event| event.asked == Asked::Increment && event.at > moment && !event.told.is_error();
        events.iter().find(served).map(|event| event.at)
    }

    /// The longest that it has waited for a reply.
    pub(super) fn slowest(&self) -> Duration {
        self.events().iter().map(|event| event.at - event.sent).max().unwrap_or_default()
    }

    /// All that it has been told since the last time.
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events())
    }

    /// What a server holds of its counter; nothing to ask for where it is in another shard.
    #[track_caller]
    pub(super) fn value_at(&self, server: &mut Client, shard: usize) -> u64 {
        if shard != self.shard {
            return 0;
        }
        Told::read(&server.ask(&format!("GET {}", self.key))).number().expect("a counter")
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a large value, in the slot of this key.
fn large(key: &str) -> String {
    format!("{key}:large")
}
