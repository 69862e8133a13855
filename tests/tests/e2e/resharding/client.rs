//! A client that knows what every reply must be.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sluice_tests::{Client, inline};

/// Slots that are used; all of them move.
pub(super) const SLOTS: usize = 6;
/// Watched keys of a slot: clients that share one get into each other's way.
pub(super) const WATCHED: usize = 10;

/// Attempts of a transaction whose key is watched. Every fifth client contends for it, and slots move.
const ATTEMPTS: usize = 10_000;

/// Increments a counter that is the client's own and one that all share, and keeps a value.
const SCRIPT: &str = "local~n=redis.call('INCR',KEYS[1]);redis.call('SET',KEYS[3],ARGV[1]);\
                      return{n,redis.call('GET',KEYS[3]),redis.call('INCR',KEYS[2])}";

/// Why a client cannot go on: a sentence.
type Failure = String;
type Action = fn(&mut Actor) -> Result<(), Failure>;

/// What clients do, and what it is called.
pub(super) const ACTIONS: &[(&str, Action)] = &[
    ("values", values),
    ("counts", counts),
    ("lists of keys in one slot", keys_of_one_slot),
    ("lists of keys in all slots", keys_of_all_slots),
    ("transactions", transaction),
    ("transactions behind others' replies", transaction_among_others),
    ("watched transactions", watched_transaction),
    ("scripts", script),
];

/// The hash tag of a slot.
pub(super) fn tag(slot: usize) -> String {
    format!("{{moving-{slot}}}")
}

/// A counter that all clients increment.
pub(super) fn shared(slot: usize) -> String {
    format!("{}:shared", tag(slot))
}

/// A counter that is read, watched and written.
pub(super) fn watched(slot: usize, number: usize) -> String {
    format!("{}:watched:{number}", tag(slot))
}

/// What a reply must be.
enum Expected {
    /// These bytes.
    Exactly(String),
    /// The same, and at its end a counter that all share: more than this client has seen of it before.
    AndShared(String, usize),
}

/// A request and its reply.
type Step = (String, Expected);

pub(super) struct Actor {
    pub(super) number: usize,
    client: Client,
    /// Sends what it can at once.
    pipelines: bool,
    /// How its protocol writes that there is nothing.
    null: &'static str,
    random: SmallRng,
    turn: u64,
    /// Replies so far.
    pub(super) requests: u64,
    /// How often it has done each of [`ACTIONS`].
    pub(super) done: Vec<u64>,
    /// Transactions that came to nothing because somebody else was faster, or the slot went away.
    pub(super) in_vain: u64,
    /// What its own counters hold, by slot.
    pub(super) counted: [u64; SLOTS],
    /// What it has added to those of all, by slot.
    pub(super) shared_increments: [u64; SLOTS],
    pub(super) watched_increments: [u64; SLOTS],
    /// The last that it saw of those of all.
    shared_seen: [u64; SLOTS],
}

impl Actor {
    pub(super) fn new(number: usize, addr: &str) -> Self {
        let mut client = Client::connect(addr);
        let resp3 = number % 3 == 1;
        if resp3 {
            client.hello3();
        }
        Self {
            number,
            client,
            pipelines: number.is_multiple_of(2),
            null: if resp3 { "_\r\n" } else { "*-1\r\n" },
            random: SmallRng::seed_from_u64(number as u64),
            turn: 0,
            requests: 0,
            done: vec![0; ACTIONS.len()],
            in_vain: 0,
            counted: [0; SLOTS],
            shared_increments: [0; SLOTS],
            watched_increments: [0; SLOTS],
            shared_seen: [0; SLOTS],
        }
    }

    /// Acts until it is over, or something is not as it must be.
    pub(super) fn act_until(&mut self, over: &AtomicBool) -> Result<(), Failure> {
        while !over.load(Ordering::Relaxed) {
            self.turn += 1;
            let action = self.random.random_range(0..ACTIONS.len());
            let (name, act) = ACTIONS[action];
            act(self).map_err(|failure| {
                let how = if self.pipelines { "pipelined" } else { "one by one" };
                format!("client {}, {name}, {how}, turn {}: {failure}", self.number, self.turn)
            })?;
            self.done[action] += 1;
        }
        if self.client.silent_for(std::time::Duration::from_millis(20)) {
            Ok(())
        } else {
            Err(format!("client {}: something came behind its last reply", self.number))
        }
    }

    /// The name of its own counter.
    pub(super) fn counter(&self, slot: usize) -> String {
        format!("{}:count:{}", tag(slot), self.number)
    }

    /// A key of its own.
    fn key(&self, slot: usize, name: &str) -> String {
        format!("{}:{name}:{}", tag(slot), self.number)
    }

    fn any_slot(&mut self) -> usize {
        self.random.random_range(0..SLOTS)
    }

    /// A value that nobody else writes.
    fn value(&self) -> String {
        format!("{}-{}", self.number, self.turn)
    }

    /// Increments its own counter.
    fn count(&mut self, slot: usize) -> Step {
        self.counted[slot] += 1;
        (format!("INCR {}", self.counter(slot)), Expected::Exactly(integer(self.counted[slot])))
    }

    /// Increments a counter of all.
    fn count_shared(&mut self, slot: usize) -> Step {
        self.shared_increments[slot] += 1;
        (format!("INCR {}", shared(slot)), Expected::AndShared(String::new(), slot))
    }

    /// Asks for all of this, at once or one by one.
    fn take(&mut self, steps: &[Step]) -> Result<(), Failure> {
        if self.pipelines {
            let bytes: Vec<u8> = steps.iter().flat_map(|(line, _)| typed(line)).collect();
            self.client.try_send(&bytes).map_err(|error| format!("cannot send: {error}"))?;
        }
        for (line, expected) in steps {
            let reply = if self.pipelines { self.reply()? } else { self.ask(line)? };
            self.check(&reply, expected).map_err(|wanted| format!("{reply:?} instead of {wanted:?} to {line}"))?;
        }
        Ok(())
    }

    fn ask(&mut self, line: &str) -> Result<String, Failure> {
        self.client.try_send(&typed(line)).map_err(|error| format!("cannot send: {error}"))?;
        self.reply().map_err(|failure| format!("{failure} to {line}"))
    }

    fn reply(&mut self) -> Result<String, Failure> {
        self.requests += 1;
        match self.client.try_reply() {
            Ok(Some(reply)) => Ok(String::from_utf8_lossy(&reply).into_owned()),
            Ok(None) => Err("the connection was closed instead of a reply".to_owned()),
            Err(error) => Err(format!("no reply: {error}")),
        }
    }

    /// What was expected, where it is something else.
    fn check(&mut self, reply: &str, expected: &Expected) -> Result<(), String> {
        match expected {
            Expected::Exactly(bytes) => {
                if reply == bytes {
                    Ok(())
                } else {
                    Err(bytes.clone())
                }
            }
            Expected::AndShared(beginning, slot) => {
                let seen = self.shared_seen[*slot];
                let number = reply.strip_prefix(beginning.as_str()).and_then(|rest| rest.strip_prefix(':'));
                match number.and_then(|number| number.trim_end().parse().ok()) {
                    Some(number) if number > seen => {
                        self.shared_seen[*slot] = number;
                        Ok(())
                    }
                    _ => Err(format!("{beginning}:<more than {seen}>")),
                }
            }
        }
    }
}

fn exactly(line: impl Into<String>, reply: impl Into<String>) -> Step {
    (line.into(), Expected::Exactly(reply.into()))
}

/// `~` stands for a space within an argument.
fn typed(line: &str) -> Vec<u8> {
    let mut bytes = inline(line);
    bytes.iter_mut().filter(|byte| **byte == b'~').for_each(|byte| *byte = b' ');
    bytes
}

fn integer(number: u64) -> String {
    format!(":{number}\r\n")
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// One key is written and read in turn: every reply shows whether the order was kept.
fn values(actor: &mut Actor) -> Result<(), Failure> {
    let slot = actor.any_slot();
    let (key, n) = (actor.key(slot, "value"), actor.turn);
    let more = format!("{}{}", n + 1, actor.number);
    actor.take(&[
        exactly(format!("SET {key} {n}"), "+OK\r\n"),
        exactly(format!("GET {key}"), bulk(&n.to_string())),
        exactly(format!("INCR {key}"), integer(n + 1)),
        exactly(format!("APPEND {key} {}", actor.number), integer(more.len() as u64)),
        exactly(format!("GET {key}"), bulk(&more)),
        exactly(format!("GETSET {key} {n}"), bulk(&more)),
        exactly(format!("STRLEN {key}"), integer(n.to_string().len() as u64)),
        exactly(format!("DEL {key}"), ":1\r\n"),
        exactly(format!("EXISTS {key}"), ":0\r\n"),
    ])
}

/// Counters in several slots, mixed.
fn counts(actor: &mut Actor) -> Result<(), Failure> {
    let mut steps = Vec::new();
    for _ in 0..6 {
        let slot = actor.any_slot();
        steps.push(actor.count(slot));
        steps.push(actor.count_shared(slot));
        steps.push(actor.count(slot));
    }
    actor.take(&steps)
}

/// Requests whose keys are in two places while their slot moves.
fn keys_of_one_slot(actor: &mut Actor) -> Result<(), Failure> {
    let slot = actor.any_slot();
    let keys = ["a", "b", "c"].map(|name| actor.key(slot, name));
    let value = actor.value();
    let pairs = keys.iter().map(|key| format!("{key} {value}")).collect::<Vec<_>>().join(" ");
    let all = keys.join(" ");
    let values = format!("*3\r\n{}", bulk(&value).repeat(3));
    actor.take(&[
        exactly(format!("MSET {pairs}"), "+OK\r\n"),
        exactly(format!("MGET {all}"), values.clone()),
        exactly(format!("EXISTS {all} {}", keys[0]), ":4\r\n"),
        exactly(format!("MGET {all}"), values),
    ])
}

/// Requests that are taken apart, and whose replies are put together.
fn keys_of_all_slots(actor: &mut Actor) -> Result<(), Failure> {
    let (mut pairs, mut keys, mut values) = (String::new(), String::new(), format!("*{SLOTS}\r\n"));
    for slot in 0..SLOTS {
        let (key, value) = (actor.key(slot, "spread"), format!("{}-{slot}", actor.value()));
        let _ = write!(pairs, " {key} {value}");
        let _ = write!(keys, " {key}");
        values += &bulk(&value);
    }
    actor.take(&[
        exactly(format!("MSET{pairs}"), "+OK\r\n"),
        exactly(format!("MGET{keys}"), values),
        exactly(format!("TOUCH{keys}"), integer(SLOTS as u64)),
        exactly(format!("UNLINK{keys}"), integer(SLOTS as u64)),
        exactly(format!("EXISTS{keys}"), ":0\r\n"),
    ])
}

/// MULTI to EXEC, and what EXEC must say.
fn transaction_steps(actor: &mut Actor, slot: usize) -> Vec<Step> {
    let (own, value) = (actor.key(slot, "multi"), actor.value());
    let (count, _) = actor.count(slot);
    let (count_shared, _) = actor.count_shared(slot);
    let results = format!("*4\r\n{}+OK\r\n{}", integer(actor.counted[slot]), bulk(&value));
    vec![
        exactly("MULTI", "+OK\r\n"),
        exactly(count, "+QUEUED\r\n"),
        exactly(format!("SET {own} {value}"), "+QUEUED\r\n"),
        exactly(format!("GET {own}"), "+QUEUED\r\n"),
        exactly(count_shared, "+QUEUED\r\n"),
        ("EXEC".to_owned(), Expected::AndShared(results, slot)),
    ]
}

fn transaction(actor: &mut Actor) -> Result<(), Failure> {
    let slot = actor.any_slot();
    let steps = transaction_steps(actor, slot);
    actor.take(&steps)
}

/// Between requests for the same slot, and for others.
fn transaction_among_others(actor: &mut Actor) -> Result<(), Failure> {
    let (slot, other) = (actor.any_slot(), actor.any_slot());
    let mut steps = vec![actor.count(slot), actor.count(other)];
    steps.extend(transaction_steps(actor, slot));
    steps.extend([actor.count(slot), actor.count(other)]);
    steps.extend(transaction_steps(actor, other));
    steps.push(actor.count(slot));
    actor.take(&steps)
}

/// Reads, and writes one more where nobody else has written meanwhile.
fn watched_transaction(actor: &mut Actor) -> Result<(), Failure> {
    let slot = actor.any_slot();
    let key = watched(slot, actor.number % WATCHED);
    for _ in 0..ATTEMPTS {
        actor.take(&[exactly(format!("WATCH {key}"), "+OK\r\n")])?;
        let reply = actor.ask(&format!("GET {key}"))?;
        let value = match reply.as_str() {
            "$-1\r\n" | "_\r\n" => Some(0),
            reply => reply.lines().nth(1).and_then(|value| value.parse::<u64>().ok()),
        };
        let value = value.ok_or_else(|| format!("{reply:?} to GET {key}"))?;
        let steps = [exactly("MULTI", "+OK\r\n"), exactly(format!("SET {key} {}", value + 1), "+QUEUED\r\n")];
        actor.take(&steps)?;
        let reply = actor.ask("EXEC")?;
        if reply == "*1\r\n+OK\r\n" {
            actor.watched_increments[slot] += 1;
            return Ok(());
        }
        if reply != actor.null {
            return Err(format!("{reply:?} to EXEC"));
        }
        actor.in_vain += 1;
    }
    Err(format!("{key} was never free"))
}

fn script(actor: &mut Actor) -> Result<(), Failure> {
    let slot = actor.any_slot();
    let (own, value) = (actor.key(slot, "script"), actor.value());
    let (counter, all) = (actor.counter(slot), shared(slot));
    actor.counted[slot] += 1;
    actor.shared_increments[slot] += 1;
    let results = format!("*3\r\n{}{}", integer(actor.counted[slot]), bulk(&value));
    let eval = format!("EVAL {SCRIPT} 3 {counter} {all} {own} {value}");
    // A node that refuses a script because some of its keys have gone would execute what is behind it for those that have not.
    let behind = actor.count(slot);
    actor.take(&[(eval, Expected::AndShared(results, slot)), behind])
}
