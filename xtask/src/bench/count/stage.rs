//! The script: all requests of a turn are there before the proxy sees the first of them, and so are all replies.
//!
//! A turn has two acts. In each of them the proxy is stopped, one side writes all that it has to say, and the proxy goes on until
//! the other side has it all. So the proxy finds the same batches in every run, whatever else the machine does.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::callgrind::Callgrind;
use super::profile::Profile;
use super::request;
use super::servers::Servers;
use super::{Places, Setup};
use crate::bench::topology::Topology;
use crate::daemon;

/// Clients.
pub(super) const CLIENTS: usize = 16;
/// Where there are many sources, the clients are at so many of them, which have the chain. The others are idle and have none: an
/// instance reserves gigabytes of addresses, of which callgrind has 128.
const BUSY_SOURCES: usize = 4;
/// Turns that are counted together. What is done in every other turn is in them.
const TURNS: usize = 8;
/// Times that they are counted at most, until two are the same.
const MOST_WINDOWS: usize = 12;
/// Turns before them, after which everything has the size that it keeps.
const REHEARSALS: usize = 4;
/// A worker looks after its connections as often as this.
const TICK: Duration = Duration::from_millis(100);
/// How long the proxy is watched with nothing to do.
const WATCH: Duration = Duration::from_millis(1_500);
/// A thousand chains take a while to set up, and ten times as long here.
const START_LIMIT: Duration = Duration::from_secs(300);
/// No act takes as long.
const ACT_LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Clients, a proxy under callgrind, and servers.
pub(super) struct Stage {
    proxy: Callgrind,
    servers: Servers,
    clients: Vec<TcpStream>,
    /// What the worker does because time passes, over some time.
    clockwork: Profile,
    /// What a turn costs in which nobody says anything: to be stopped twice, and to be looked at.
    idle: Profile,
}

impl Stage {
    /// Starts all of it, and waits until every client has been served.
    pub(super) fn set(setup: &Setup, binary: &Path, places: &Places<'_>) -> Result<Self> {
        let host = own_host();
        let mut servers = Servers::start(setup.behind, host)?;
        let addresses = daemon::free_addresses_of(host, setup.sources)?;
        let (listen, idle) = addresses.split_at(BUSY_SOURCES.min(setup.sources));
        let behind = servers.addresses()?;
        let topology = Topology {
            components: places.components,
            chain: setup.chain.links,
            behind: setup.behind,
            servers: &behind,
            listen,
            idle,
            timeless: true,
        };
        let path = places.directory.join(format!("{}.yaml", setup.slug()));
        fs::write(&path, topology.text()?)?;
        let mut proxy = Callgrind::start(binary, &["run".as_ref(), &path], places.directory, &setup.slug())?;
        let deadline = Instant::now() + START_LIMIT;
        let mut clients = Vec::with_capacity(CLIENTS);
        while clients.len() < CLIENTS {
            ensure!(Instant::now() < deadline, "the proxy does not listen within {START_LIMIT:?}");
            servers.serve(LOOK_EVERY)?;
            proxy.ensure_running()?;
            clients.extend(connect(listen[clients.len() % listen.len()])?);
        }
        let mut stage = Self { proxy, servers, clients, clockwork: Profile::default(), idle: Profile::default() };
        stage.open()?;
        stage.proxy.begin()?;
        // The first time, the worker's thread must be the busiest.
        stage.ask(1)?;
        stage.answer(1)?;
        stage.proxy.take()?;
        stage.clockwork = stage.clockwork()?;
        stage.idle = stage.counted(|stage| {
            stage.pause()?;
            stage.pause()
        })?;
        Ok(stage)
    }

    /// What a request costs with so many of them of each client in a turn: instructions, branches and allocations.
    pub(super) fn count(&mut self, pipeline: usize) -> Result<[f64; 3]> {
        for _ in 0..REHEARSALS {
            self.ask(pipeline)?;
            self.answer(pipeline)?;
        }
        let turns = self.counted(|stage| {
            stage.ask(pipeline)?;
            stage.answer(pipeline)
        });
        let turn = turns?.plus(-1.0, &self.idle);
        let requests = (pipeline * CLIENTS * TURNS) as f64;
        Ok([turn.instructions, turn.branches, turn.allocations].map(|count| count / requests))
    }

    /// What the worker has done since the last time.
    fn take(&mut self) -> Result<Profile> {
        self.align()?;
        self.proxy.take()
    }

    /// Has the worker's next tick happen now, so that it is not in the middle of what comes next.
    fn align(&mut self) -> Result<()> {
        self.proxy.stop()?;
        self.attend(TICK)?;
        self.proxy.go_on()?;
        self.proxy.settle()
    }

    /// What the worker does because time passes, when nothing else happens.
    fn watch(&mut self) -> Result<Profile> {
        self.take()?;
        let shortly = self.take()?;
        self.attend(WATCH)?;
        Ok(self.take()?.plus(-1.0, &shortly))
    }

    /// The same, once a second look has confirmed it.
    fn clockwork(&mut self) -> Result<Profile> {
        let mut known = self.watch()?;
        for _ in 0..MOST_WINDOWS {
            let again = self.watch()?;
            if again.without(&known).instructions.abs() <= tolerance(&again) {
                return Ok(known);
            }
            known = again;
        }
        bail!("the proxy does something else each time that nothing happens; the machine may be too busy")
    }

    /// What the worker does in some turns, but for what it does because time passes: what two times agree upon,
    /// or else the median.
    fn counted(&mut self, turn: impl Fn(&mut Self) -> Result<()>) -> Result<Profile> {
        let mut seen: Vec<Profile> = Vec::new();
        for _ in 0..MOST_WINDOWS {
            self.take()?;
            for _ in 0..TURNS {
                self.align()?;
                turn(self)?;
            }
            seen.push(self.take()?.without(&self.clockwork));
            seen.sort_by(|one, other| one.instructions.total_cmp(&other.instructions));
            let close = |pair: &[Profile]| pair[1].instructions - pair[0].instructions <= tolerance(&pair[0]);
            if let Some(at) = seen.windows(2).position(close) {
                // Their mean: at random, a wake-up looks at what has woken it in one order or another.
                let (one, other) = (&seen[at], &seen[at + 1]);
                return Ok(one.plus(0.5, other).plus(-0.5, one));
            }
        }
        let costs: Vec<_> = seen.iter().map(|profile| profile.instructions.round()).collect();
        eprintln!("xtask: not exact, the machine is too busy: {TURNS} like turns cost {costs:?} instructions");
        Ok(seen.swap_remove(MOST_WINDOWS / 2))
    }

    /// Lets this time pass.
    fn attend(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.servers.serve(left)?;
        }
        Ok(())
    }

    /// A turn without a script, after which all connections are there, and all that follows a start is over.
    fn open(&mut self) -> Result<()> {
        const PIPELINE: usize = 16;
        for (at, client) in self.clients.iter_mut().enumerate() {
            client.write_all(&requests(at, PIPELINE))?;
        }
        let deadline = Instant::now() + START_LIMIT;
        let mut answered = 0;
        while answered < CLIENTS * PIPELINE {
            ensure!(Instant::now() < deadline, "the proxy has sent {answered} requests on within {START_LIMIT:?}");
            self.servers.serve(LOOK_EVERY)?;
            self.proxy.ensure_running()?;
            answered += self.servers.held();
            self.servers.release()?;
        }
        self.read_replies(PIPELINE)?;
        while self.servers.serve(WATCH)? {
            ensure!(
                Instant::now() < deadline,
                "the proxy talks to its servers by itself for more than {START_LIMIT:?}"
            );
        }
        Ok(())
    }

    /// Nobody says anything.
    fn pause(&mut self) -> Result<()> {
        self.proxy.stop()?;
        self.proxy.go_on()
    }

    /// The clients ask, and the servers have it all.
    fn ask(&mut self, pipeline: usize) -> Result<()> {
        self.proxy.stop()?;
        for (at, client) in self.clients.iter_mut().enumerate() {
            client.write_all(&requests(at, pipeline))?;
        }
        self.proxy.go_on()?;
        let deadline = Instant::now() + ACT_LIMIT;
        while self.servers.held() < CLIENTS * pipeline {
            let held = self.servers.held();
            ensure!(Instant::now() < deadline, "the proxy has sent {held} requests on within {ACT_LIMIT:?}");
            self.servers.serve(LOOK_EVERY)?;
            self.proxy.ensure_running()?;
        }
        Ok(())
    }

    /// The servers answer, and the clients have it all.
    fn answer(&mut self, pipeline: usize) -> Result<()> {
        self.proxy.stop()?;
        self.servers.release()?;
        self.proxy.go_on()?;
        self.read_replies(pipeline)
    }

    /// Every client must get what the servers have sent, in its order and nothing else.
    fn read_replies(&mut self, pipeline: usize) -> Result<()> {
        for (at, client) in self.clients.iter_mut().enumerate() {
            let mut expected = Vec::new();
            for number in numbers(at, pipeline) {
                let request = request::request(number);
                let request = request::parse(&request)?.context("a request of ours is whole")?;
                expected.extend(request::reply(&request.words).context("a request of ours has a reply")?);
            }
            let mut found = vec![0; expected.len()];
            client.read_exact(&mut found).with_context(|| format!("client {at} waits for its replies"))?;
            ensure!(
                found == expected,
                "client {at} got other replies than its own: {}",
                String::from_utf8_lossy(&found).escape_debug()
            );
        }
        Ok(())
    }
}

/// By how many instructions what is the same may differ.
fn tolerance(profile: &Profile) -> f64 {
    (0.004 * profile.instructions).max(1_000.0)
}

/// A host on the loopback interface that is this stage's alone, so that no other process takes a port before the proxy does.
fn own_host() -> Ipv4Addr {
    static STAGES: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // 127.0.0.1 is everybody's.
    Ipv4Addr::new(127, high.max(1), low, STAGES.fetch_add(1, Ordering::Relaxed))
}

/// Nothing where nobody listens yet.
fn connect(address: SocketAddr) -> Result<Option<TcpStream>> {
    let Ok(stream) = TcpStream::connect(address) else { return Ok(None) };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ACT_LIMIT))?;
    Ok(Some(stream))
}

fn numbers(client: usize, pipeline: usize) -> std::ops::Range<usize> {
    client * pipeline..(client + 1) * pipeline
}

fn requests(client: usize, pipeline: usize) -> Vec<u8> {
    numbers(client, pipeline).flat_map(request::request).collect()
}
