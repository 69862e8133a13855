//! A component that changes while the proxy runs takes the place of the one before it, and nobody loses anything by it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{
    Client, RedisCluster, RedisServer, Sluice, Topology, Upstream, inline, programs, sluice, wait_until,
};
use tempfile::TempDir;

use crate::{Stopping, WORKERS};

/// The component `edition` in a file of its own, to be written over.
struct Component {
    directory: TempDir,
}

impl Component {
    /// Edition A.
    fn new() -> Self {
        let component = Self { directory: tempfile::tempdir().unwrap() };
        component.put('A');
        component
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("edition.wasm")
    }

    /// Puts this edition in its place, as a build does: whole.
    fn put(&self, letter: char) {
        let draft = self.directory.path().join("draft");
        fs::write(&draft, edition(letter)).unwrap();
        fs::rename(draft, self.path()).unwrap();
    }

    /// Its declaration, for a topology.
    fn declare(&self, topology: Topology, name: &str, more: &str) -> Topology {
        // The time that a debug build takes is not what this is about.
        let more = format!("grants: [state], limits: {{ crossing: 2s }}{more}");
        topology.plugin(name, self.path().to_str().unwrap(), &more)
    }

    /// A chain of it alone.
    fn before(&self, server: &RedisServer, workers: usize) -> Topology {
        // A server that is stopped for a while is not to be given up.
        self.alone(workers).sink_to(&[server.addr()], "health_interval: 60s")
    }

    /// The same without a sink.
    fn alone(&self, workers: usize) -> Topology {
        self.declare(Topology::new().workers(workers), "Edition", "").transform("Edition")
    }
}

/// The component with another letter where it says which edition it is.
fn edition(letter: char) -> Vec<u8> {
    const MARKER: &[u8] = b"edition of the test: A";
    let mut bytes = fs::read(programs::component("edition.wasm")).unwrap();
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(MARKER)).collect();
    let [at] = places[..] else { panic!("the component has its marker {} times", places.len()) };
    bytes[at + MARKER.len() - 1] = u8::try_from(letter).unwrap();
    bytes
}

fn watching(topology: &Topology) -> Sluice {
    topology.start_with(&["--watch"])
}

fn count(proxy: &Sluice, name: &str) -> f64 {
    proxy.metrics().sum(name, &[("plugin", "Edition")]).unwrap_or_default()
}

/// Waits until all workers have swapped so often.
#[track_caller]
fn reloaded(proxy: &Sluice, times: usize) {
    wait_until(&format!("it was reloaded {times} times"), SOON, || {
        (count(proxy, "sluice_transform_reloads_total") >= times as f64).then_some(())
    });
}

#[track_caller]
fn refused(proxy: &Sluice, times: usize) {
    wait_until(&format!("it was refused {times} times"), SOON, || {
        (count(proxy, "sluice_transform_reload_failures_total") >= times as f64).then_some(())
    });
}

/// Waits until there are so many instances of the component, of whatever edition.
#[track_caller]
fn instances(proxy: &Sluice, number: usize) {
    wait_until(&format!("there are {number} instances"), SOON, || {
        (count(proxy, "sluice_transform_instances") == number as f64).then_some(())
    });
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Sends rounds of requests until told to stop. Each reply is its request's own, one edition has handled request and response, and no
/// session goes back to an edition before.
fn rounds(mut client: Client, name: usize, stop: &AtomicBool, total: &AtomicUsize) {
    const WIDTH: usize = 16;
    let mut latest = b'A';
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let requests = (0..WIDTH).flat_map(|n| match n % 4 {
            0 => inline(&format!("SET plain-{name} {round}-{n}")),
            1 => inline(&format!("GET plain-{name}")),
            _ => inline(&format!("ECHO {name}-{round}-{n}-!-?")),
        });
        client.send(&requests.collect::<Vec<u8>>());
        for n in 0..WIDTH {
            let reply = client.reply();
            match n % 4 {
                0 => assert_eq!(reply, "+OK\r\n", "{name}-{round}-{n}"),
                1 => assert_eq!(reply, bulk(&format!("{round}-{}", n - 1)), "{name}-{round}-{n}"),
                _ => {
                    let letter = reply[reply.len() - 3];
                    let letters = format!("{0}-{0}", char::from(letter));
                    assert_eq!(reply, bulk(&format!("{name}-{round}-{n}-{letters}")));
                    assert!(letter >= latest, "{name}-{round}-{n}: {letters} after {}", char::from(latest));
                    latest = letter;
                }
            }
        }
        round += 1;
        total.fetch_add(WIDTH, Ordering::Relaxed);
    }
}

#[test]
fn under_load_each_reply_is_right_and_of_one_edition() {
    under_load(&RedisServer::start());
}

#[test]
fn under_load_each_reply_of_a_cluster_is_right_and_of_one_edition() {
    under_load(&RedisCluster::start(3, 0));
}

fn under_load(upstream: &impl Upstream) {
    const CLIENTS: usize = 12;
    for workers in WORKERS {
        let component = Component::new();
        let proxy = watching(&component.alone(workers).sink(upstream));
        let stop = AtomicBool::new(false);
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let _stopping = Stopping(&stop);
            for name in 0..CLIENTS {
                let client = proxy.client();
                let (stop, total) = (&stop, &total);
                scope.spawn(move || rounds(client, name, stop, total));
            }
            for (times, letter) in ('B'..='E').enumerate() {
                component.put(letter);
                reloaded(&proxy, times + 1);
                let now = total.load(Ordering::Relaxed);
                wait_until("traffic goes on", SOON, || (total.load(Ordering::Relaxed) > now + 1000).then_some(()));
                assert_eq!(proxy.client().ask("ECHO edition"), bulk(&letter.to_string()));
            }
        });
        // Nobody waits for the earlier ones any more.
        instances(&proxy, workers);
        assert_eq!(count(&proxy, "sluice_transform_reload_failures_total"), 0.0);
        assert_eq!(count(&proxy, "sluice_transform_faults_total"), 0.0);
    }
}

#[test]
fn responses_in_flight_are_handled_by_the_edition_that_waits_for_them_and_keep_their_order() {
    let mut server = RedisServer::start();
    let component = Component::new();
    let proxy = watching(&component.before(&server, 1));
    let mut client = proxy.client();
    let mut other = proxy.client();
    assert_eq!(client.ask("ECHO !?"), bulk("AA"));
    // The server stands still: what is sent now is in flight when the component changes.
    server.pause();
    client.send(&[inline("ECHO 1!?"), inline("SET plain 2"), inline("ECHO 3!?")].concat());
    // The proxy has carried that when it answers the next.
    assert_eq!(other.ask("ECHO edition"), bulk("A"));
    component.put('B');
    reloaded(&proxy, 1);
    client.send(&[inline("ECHO 4!?"), inline("GET plain"), inline("ECHO edition"), inline("ECHO 5!?")].concat());
    assert_eq!(other.ask("ECHO edition"), bulk("B"));
    component.put('C');
    reloaded(&proxy, 2);
    client.send(&inline("ECHO 6!?"));
    assert_eq!(other.ask("ECHO edition"), bulk("C"));
    instances(&proxy, 3);
    server.resume();
    let expected =
        [bulk("1AA"), "+OK\r\n".into(), bulk("3AA"), bulk("4BB"), bulk("2"), bulk("B"), bulk("5BB"), bulk("6CC")];
    assert_eq!(client.replies(expected.len()), expected);
    instances(&proxy, 1);
}

#[test]
fn a_blocked_command_and_a_fan_out_end_as_they_began() {
    let server = RedisServer::start();
    let component = Component::new();
    let proxy = watching(&component.before(&server, 1));
    let mut pushing = server.client();
    let (mut blocked, mut fanned) = (proxy.client(), proxy.client());
    blocked.send(&inline("BLPOP one 0"));
    fanned.send(&inline("ECHO fan,BLPOP+two+0,ECHO+!?,BLPOP+three+0"));
    wait_until("both wait", SOON, || {
        (RedisServer::info(&mut pushing, "clients", "blocked_clients") == 2).then_some(())
    });
    // One part of the fan out is answered before, the others after.
    pushing.ask("RPUSH two 2?");
    wait_until("it waits for the next", SOON, || {
        let waits = RedisServer::info(&mut pushing, "clients", "blocked_clients") == 2;
        (waits && pushing.ask("EXISTS two") == ":0\r\n").then_some(())
    });
    component.put('B');
    reloaded(&proxy, 1);
    assert_eq!(proxy.client().ask("ECHO !?"), bulk("BB"));
    instances(&proxy, 2);
    pushing.ask("RPUSH three 3?");
    pushing.ask("RPUSH one 1?");
    assert_eq!(blocked.reply(), format!("*2\r\n{}{}", bulk("one"), bulk("1A")));
    let parts =
        [format!("*2\r\n{}{}", bulk("two"), bulk("2A")), bulk("AA"), format!("*2\r\n{}{}", bulk("three"), bulk("3A"))];
    assert_eq!(fanned.reply(), format!("*3\r\n{}", parts.concat()));
    for client in [&mut blocked, &mut fanned] {
        assert_eq!(client.ask("ECHO !?"), bulk("BB"));
    }
    instances(&proxy, 1);
}

#[test]
fn a_client_that_goes_away_lets_the_edition_go_that_it_waited_for() {
    let server = RedisServer::start();
    let component = Component::new();
    let proxy = watching(&component.before(&server, 1));
    let (mut blocked, mut fanned) = (proxy.client(), proxy.client());
    blocked.send(&inline("BLPOP one 0"));
    fanned.send(&inline("ECHO fan,BLPOP+two+0,BLPOP+three+0"));
    let mut direct = server.client();
    wait_until("both wait", SOON, || (RedisServer::info(&mut direct, "clients", "blocked_clients") == 2).then_some(()));
    component.put('B');
    reloaded(&proxy, 1);
    assert_eq!(proxy.client().ask("ECHO !?"), bulk("BB"));
    instances(&proxy, 2);
    drop((blocked, fanned));
    instances(&proxy, 1);
}

#[test]
fn a_subscription_stays_with_the_edition_that_it_was_made_through() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let component = Component::new();
        let proxy = watching(&component.before(&server, workers));
        let mut publisher = server.client();
        let [mut old, mut again, mut new] = [(); 3].map(|()| proxy.client());
        old.ask("SUBSCRIBE news");
        again.ask("SUBSCRIBE news");
        let before = count(&proxy, "sluice_transform_instances");
        component.put('B');
        reloaded(&proxy, 1);
        new.ask("SUBSCRIBE news");
        let mut publish = |editions: [(&mut Client, char); 3]| {
            assert_eq!(publisher.ask("PUBLISH news m?"), ":3\r\n");
            for (client, letter) in editions {
                let message = format!("*3\r\n{}{}{}", bulk("message"), bulk("news"), bulk(&format!("m{letter}")));
                assert_eq!(client.reply(), message);
            }
        };
        publish([(&mut old, 'A'), (&mut again, 'A'), (&mut new, 'B')]);
        // Whoever asks for more has everything from the edition that he asks then.
        again.ask("SUBSCRIBE more");
        publish([(&mut old, 'A'), (&mut again, 'B'), (&mut new, 'B')]);
        // The edition stays for as long as anybody listens through it.
        assert!(count(&proxy, "sluice_transform_instances") > before);
        assert_eq!(old.ask("RESET"), "+RESET\r\n");
        instances(&proxy, workers);
        assert_eq!(old.ask("ECHO !?"), bulk("BB"));
    }
}

#[test]
fn a_transaction_goes_on() {
    let server = RedisServer::start();
    let component = Component::new();
    let proxy = watching(&component.before(&server, 1));
    let mut client = proxy.client();
    assert_eq!(client.ask("MULTI"), "+OK\r\n");
    assert_eq!(client.ask("SET first 1!"), "+QUEUED\r\n");
    component.put('B');
    reloaded(&proxy, 1);
    assert_eq!(client.ask("SET second 2!"), "+QUEUED\r\n");
    assert_eq!(client.ask("GET first"), "+QUEUED\r\n");
    assert_eq!(client.ask("ECHO !?"), "+QUEUED\r\n");
    assert_eq!(client.ask("EXEC"), format!("*4\r\n+OK\r\n+OK\r\n{}{}", bulk("1A"), bulk("BB")));
    assert_eq!(server.client().ask("GET second"), bulk("2B"));
}

#[test]
fn the_state_map_is_kept_and_what_an_instance_remembers_by_itself_is_not() {
    let server = RedisServer::start();
    let (component, still) = (Component::new(), Component::new());
    // What Still answers, the other does not see.
    let topology = component.declare(still.declare(Topology::new(), "Still", ""), "Edition", "");
    let proxy = watching(&topology.clone().transform("Still").transform("Edition").sink(&server));
    let other = watching(&component.before(&server, 1));
    let (mut client, mut alone) = (proxy.client(), other.client());
    for n in 1..=3 {
        for question in ["count", "memory"] {
            assert_eq!(client.ask(&format!("ECHO {question}")), format!(":{n}\r\n"));
            assert_eq!(alone.ask(&format!("ECHO {question}")), format!(":{n}\r\n"));
        }
    }
    component.put('B');
    reloaded(&proxy, 1);
    reloaded(&other, 1);
    assert_eq!(alone.ask("ECHO count"), ":4\r\n");
    assert_eq!(alone.ask("ECHO memory"), ":1\r\n");
    // A transform that has not changed keeps its instance.
    assert_eq!(client.ask("ECHO count"), ":4\r\n");
    assert_eq!(client.ask("ECHO memory"), ":4\r\n");
    // The first of the two has filled everything in already.
    assert_eq!(client.ask("ECHO !?"), bulk("AA").replace("AA", "AB"));
}

/// Writes what is no component, or one that cannot take its place; checks that it is refused as `sluice check` would, and that the one
/// before goes on.
#[track_caller]
fn refuses(proxy: &Sluice, component: &Component, bytes: &[u8], times: usize, expected: &str) {
    fs::write(component.path(), bytes).unwrap();
    refused(proxy, times);
    let checked = sluice::finish(&["check"], &proxy.topology());
    let error = checked.output.trim_end().strip_prefix("error: ").unwrap_or_else(|| panic!("{}", checked.output));
    assert!(error.contains(expected), "{error}");
    assert!(proxy.output().contains(error), "{error}\nis not what was logged:\n{}", proxy.output());
}

#[test]
fn what_cannot_be_loaded_is_refused_and_changes_nothing() {
    let server = RedisServer::start();
    let component = Component::new();
    let proxy = watching(&component.before(&server, 2));
    let mut client = proxy.client();
    let module = b"\0asm\x01\0\0\0";
    let whole = edition('B');
    let broken = [
        (&b"hello"[..], "not WebAssembly"),
        (&module[..], "is a core WebAssembly module"),
        (&whole[..whole.len() / 2], "is not a valid component"),
        (&edition('R')[..], "refuses its configuration: edition R refuses everything"),
    ];
    for (times, (bytes, expected)) in broken.iter().enumerate() {
        refuses(&proxy, &component, bytes, times + 1, expected);
        assert_eq!(client.ask("ECHO !?"), bulk("AA"), "{expected}");
    }
    // What runs is back, which is no reload.
    component.put('A');
    wait_until("that is noticed", SOON, || {
        proxy.output().contains("the component is again the one that runs").then_some(())
    });
    assert_eq!(count(&proxy, "sluice_transform_reloads_total"), 0.0);
    component.put('B');
    reloaded(&proxy, 1);
    assert_eq!(client.ask("ECHO !?"), bulk("BB"));
    assert_eq!(count(&proxy, "sluice_transform_reload_failures_total"), broken.len() as f64);
    let line = proxy.output().lines().find(|line| line.contains("the component was reloaded")).unwrap().to_owned();
    for part in ["plugin=\"Edition\"", "was=0.1.0 (", "is=0.1.0 (", "took_ms="] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn an_edition_that_faults_is_replaced_by_one_that_does_not_at_once() {
    let server = RedisServer::start();
    let component = Component::new();
    let proxy = watching(&component.before(&server, 1));
    component.put('P');
    reloaded(&proxy, 1);
    let mut client = proxy.client();
    // It is soon suspended, and for long.
    for _ in 0..100 {
        assert!(client.ask("ECHO !?").starts_with(b"-ERR transform 'Edition'"));
    }
    component.put('B');
    reloaded(&proxy, 2);
    assert_eq!(client.ask("ECHO !?"), bulk("BB"));
}

#[test]
fn a_pin_holds() {
    let server = RedisServer::start();
    let component = Component::new();
    let sum = std::process::Command::new("sha256sum").arg(component.path()).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let pin = format!(", sha256: \"{}\"", sum.split_whitespace().next().unwrap());
    let topology = component.declare(Topology::new(), "Edition", &pin).transform("Edition").sink(&server);
    let proxy = watching(&topology);
    refuses(&proxy, &component, &edition('B'), 1, "but the topology pins");
    assert_eq!(proxy.client().ask("ECHO !?"), bulk("AA"));
}

#[test]
fn a_component_may_be_missing_for_a_moment_and_is_missed_after_a_while() {
    let server = RedisServer::start();
    let component = Component::new();
    let proxy = watching(&component.before(&server, 1));
    fs::remove_file(component.path()).unwrap();
    // As long as some builds take.
    std::thread::sleep(Duration::from_secs(1));
    fs::write(component.path(), "").unwrap();
    std::thread::sleep(Duration::from_secs(1));
    component.put('B');
    reloaded(&proxy, 1);
    assert_eq!(count(&proxy, "sluice_transform_reload_failures_total"), 0.0);
    fs::remove_file(component.path()).unwrap();
    refused(&proxy, 1);
    assert!(proxy.output().contains("cannot read the component"), "{}", proxy.output());
    assert_eq!(proxy.client().ask("ECHO !?"), bulk("BB"));
    component.put('C');
    reloaded(&proxy, 2);
    assert_eq!(proxy.client().ask("ECHO !?"), bulk("CC"));
    assert_eq!(count(&proxy, "sluice_transform_reload_failures_total"), 1.0);
}

#[test]
fn a_change_of_the_topology_is_said_to_need_a_restart() {
    let server = RedisServer::start();
    let component = Component::new();
    let proxy = watching(&component.before(&server, 1));
    let said = || proxy.output().matches("takes effect at the next start only").count();
    // Written again as it was, it has not changed.
    fs::write(proxy.topology(), fs::read(proxy.topology()).unwrap()).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(said(), 0);
    fs::write(proxy.topology(), "# nothing\n").unwrap();
    wait_until("that is said", SOON, || (said() == 1).then_some(()));
    // A component goes by the topology that runs.
    component.put('B');
    reloaded(&proxy, 1);
    assert_eq!(proxy.client().ask("ECHO !?"), bulk("BB"));
}

#[test]
fn what_is_in_flight_while_it_drains_is_answered_by_the_edition_that_waits_for_it() {
    let server = RedisServer::start();
    let component = Component::new();
    let mut proxy = watching(&component.before(&server, 1));
    let mut client = proxy.client();
    client.send(&inline("BLPOP list 0"));
    let mut direct = server.client();
    wait_until("it waits", SOON, || (RedisServer::info(&mut direct, "clients", "blocked_clients") == 1).then_some(()));
    proxy.terminate();
    wait_until("it drains", SOON, || proxy.output().contains("draining").then_some(()));
    component.put('B');
    // Longer than a change takes to be noticed.
    std::thread::sleep(Duration::from_secs(1));
    direct.ask("RPUSH list v?");
    assert_eq!(client.reply(), format!("*2\r\n{}{}", bulk("list"), bulk("vA")));
    assert!(proxy.wait_for_end(SOON).success());
    assert!(!proxy.output().contains("was reloaded"), "{}", proxy.output());
}

#[test]
fn compiled_components_do_not_pile_up() {
    let server = RedisServer::start();
    let component = Component::new();
    let cache = tempfile::tempdir().unwrap();
    let directory = cache.path().join("cache");
    let proxy = component.before(&server, 1).start_with(&["--watch", "--cache-dir", directory.to_str().unwrap()]);
    let entries = || fs::read_dir(&directory).unwrap().count();
    let at_start = entries();
    for (times, letter) in ('B'..='D').enumerate() {
        component.put(letter);
        reloaded(&proxy, times + 1);
    }
    // The one that it was started with, and the last.
    assert_eq!(entries(), at_start + 1);
}

#[test]
fn without_the_option_nothing_is_reloaded() {
    let server = RedisServer::start();
    let component = Component::new();
    let proxy = component.before(&server, 1).start();
    component.put('B');
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(proxy.client().ask("ECHO !?"), bulk("AA"));
}
