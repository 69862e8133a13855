//! The whole kind: every command of the table that changes its connection is sent under another
//! name, beside clients that must not notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluice_commands::{Blocks, Command, ConnectionNeed, table};
use sluice_tests::wait::SOON;
use sluice_tests::{Client, Listed, RedisServer, Sluice, Topology, inline, wait_until};

use super::{bulk, told};
use crate::Stopping;

/// With which arguments each of them does something to its connection.
const ARGUMENTS: &[(&str, &str)] = &[
    ("acl|deluser", "nobody"),
    ("acl|load", ""),
    ("acl|setuser", "nobody on"),
    ("asking", ""),
    ("auth", "other pw"),
    ("blmove", "none gone LEFT RIGHT 0"),
    ("blmovem", "none gone LEFT RIGHT 1 0"),
    ("blmpop", "0 1 none LEFT"),
    ("blpop", "none 0"),
    ("brpop", "none 0"),
    ("brpoplpush", "none gone 0"),
    ("bzmove", "none gone 1 0"),
    ("bzmpop", "0 1 none MIN"),
    ("bzpopmax", "none 0"),
    ("bzpopmin", "none 0"),
    ("client|caching", "YES"),
    ("client|capa", "redirect"),
    ("client|getname", ""),
    ("client|getredir", ""),
    ("client|id", ""),
    ("client|import-source", "ON"),
    ("client|info", ""),
    ("client|no-evict", "ON"),
    ("client|no-touch", "ON"),
    ("client|reply", "SKIP"),
    ("client|setinfo", "LIB-NAME mallory"),
    ("client|setname", "mallory"),
    ("client|tracking", "ON BCAST"),
    ("client|trackinginfo", ""),
    ("client|unpause", ""),
    ("cluster|syncslots", "x"),
    ("config|set", "maxmemory 0"),
    ("debug", "SLEEP 0"),
    ("discard", ""),
    ("exec", ""),
    ("failover", "ABORT"),
    ("function|kill", ""),
    ("function|stats", ""),
    ("hello", "3 AUTH other pw SETNAME mallory"),
    ("himport|discard", "hash"),
    ("himport|discardall", ""),
    ("himport|prepare", "hash fields 1"),
    ("himport|set", "hash 1"),
    ("monitor", ""),
    ("multi", ""),
    ("psubscribe", "a* b* c*"),
    ("psync", "? -1"),
    ("punsubscribe", "a* b* c*"),
    ("quit", ""),
    ("readonly", ""),
    ("readwrite", ""),
    ("replconf", "listening-port 1"),
    ("reset", ""),
    ("script|debug", "YES"),
    ("script|kill", ""),
    ("select", "7"),
    ("shutdown", "ABORT"),
    ("ssubscribe", "a"),
    ("subscribe", "a b c"),
    ("sunsubscribe", "a b c"),
    ("sync", ""),
    ("unsubscribe", "a b c"),
    ("unwatch", ""),
    ("wait", "1 0"),
    ("waitaof", "0 1 0"),
    ("watch", "mine"),
    ("xread", "BLOCK 0 STREAMS stream $"),
    ("xreadgroup", "GROUP group streams BLOCK 0 STREAMS stream >"),
];

/// A user that may do one thing less than all others: that shows whether a client has become this
/// user.
const OTHER_USER: [&str; 8] = ["--user", "other", "on", ">pw", "~*", "&*", "+@all", "-dbsize"];

fn changes_its_connection(command: &Command) -> bool {
    let effect = command.effect();
    let is_container = effect.need == ConnectionNeed::Unknown;
    !is_container && (effect.need != ConnectionNeed::Shared || effect.blocks != Blocks::Never)
}

/// The commands of the kind that this server has.
fn kind(server: &RedisServer) -> Vec<&'static str> {
    let mut client = server.client();
    let names = table().commands().iter().filter(|command| changes_its_connection(command)).map(Command::name);
    let names: Vec<&str> = names.filter(|name| client.ask(&format!("COMMAND INFO {name}")).len() > 16).collect();
    assert!(names.len() > 45, "{names:?}");
    names
}

/// What a server is renamed to that has another name for each of these commands.
fn renames(names: &[&'static str]) -> Vec<(&'static str, String)> {
    let mut words: Vec<&str> = names.iter().map(|name| first_word(name)).collect();
    words.sort_unstable();
    words.dedup();
    words.into_iter().map(|word| (word, format!("x{word}"))).collect()
}

fn first_word(name: &str) -> &str {
    name.split('|').next().unwrap()
}

/// The request under its other name.
fn request(name: &str) -> String {
    let arguments = ARGUMENTS.iter().find(|(known, _)| *known == name);
    let (_, arguments) = arguments.unwrap_or_else(|| panic!("write down with which arguments {name} does something"));
    format!("x{} {arguments}", name.replace('|', " "))
}

/// Stores what a [`Witness`] asks for.
fn prepare(server: &RedisServer) {
    let mut direct = server.client();
    for line in ["SET mine zero", "HSET map a 1", "XGROUP CREATE stream group $ MKSTREAM"] {
        assert!(!direct.ask(line).starts_with(b"-"), "{line}");
    }
    assert_eq!(direct.ask("xselect 7"), "+OK\r\n");
    assert_eq!(direct.ask("SET mine seven"), "+OK\r\n");
}

/// A client that asks for the same values again and again.
struct Witness(Client);

impl Witness {
    fn new(proxy: &Sluice) -> Self {
        Self(proxy.client())
    }

    /// It gets its own replies, and is the same user in the same database, protocol and mode as
    /// ever.
    #[track_caller]
    fn is_undisturbed(&mut self, when: &str) {
        let round = [("GET mine", bulk("zero")), ("HGETALL map", format!("*2\r\n{}{}", bulk("a"), bulk("1")))];
        let round = round.into_iter().chain([("DBSIZE", ":3\r\n".to_owned()), ("ECHO me", bulk("me"))]);
        let round: Vec<(&str, String)> = round.collect();
        let requests: Vec<u8> = round.iter().flat_map(|(request, _)| inline(request)).collect();
        self.0.send(&requests.repeat(10));
        for _ in 0..10 {
            for (request, reply) in &round {
                assert_eq!(self.0.reply(), reply, "{request}, beside {when}");
            }
        }
    }

    #[track_caller]
    fn hears_nothing_else(&mut self) {
        assert!(self.0.silent_for(Duration::from_millis(20)));
    }
}

/// Whether the server has executed this command, or blocks in it.
fn executed(direct: &mut Client, name: &str) -> bool {
    let stats = direct.ask("INFO commandstats");
    let list = direct.ask("xclient LIST");
    let says = |text: &[u8], what: &str| String::from_utf8_lossy(text).contains(what);
    says(&stats, &format!("cmdstat_{name}:")) || says(&list, &format!(" cmd={name} "))
}

/// Whether the client was answered, or its connection has ended.
fn answered(client: &Client) -> bool {
    client.set_reply_limit(Duration::from_millis(1));
    client.writer().peek(&mut [0]).is_ok()
}

/// What CLIENT LIST says of a connection on which nothing was set. Not every server tells all of it.
const CLEAN: [(&str, &str); 10] = [
    ("name", ""),
    ("db", "0"),
    ("user", "default"),
    ("resp", "2"),
    ("flags", "N"),
    ("sub", "0"),
    ("psub", "0"),
    ("ssub", "0"),
    ("lib-name", ""),
    ("capa", ""),
];

fn is_clean(listed: &Listed) -> bool {
    CLEAN.iter().all(|(field, value)| listed.find(field).is_none_or(|found| found == *value))
}

/// The next session that needs a connection of its own gets one on which nothing was set.
#[track_caller]
fn next_connection_is_clean(proxy: &Sluice, name: &str) {
    let listed = Listed::own_named(&mut proxy.client(), "xclient");
    assert!(is_clean(&listed), "after {name}: {listed:?}");
}

/// Once its session has gone, no connection of the server has a trace of the command. That holds where
/// the sink is not told of the name: a state that it knows, sessions share.
#[track_caller]
fn no_connection_has_a_trace(direct: &mut Client, name: &str) {
    wait_until(&format!("no connection has a trace of {name}"), SOON, || {
        Listed::others_named(direct, "xclient").iter().all(is_clean).then_some(())
    });
}

fn send_each_beside_witnesses(names: &[&'static str], server: &RedisServer, proxy: &Sluice, told: bool) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopping = Stopping(&stop);
        let others: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut witness = Witness::new(proxy);
                    while !stop.load(Ordering::Relaxed) {
                        witness.is_undisturbed("some command");
                    }
                    witness.hears_nothing_else();
                })
            })
            .collect();
        let (mut witness, mut direct) = (Witness::new(proxy), server.client());
        for name in names {
            let mut client = proxy.client();
            client.send(&["ECHO before", &request(name), "ECHO after", "ECHO behind"].map(inline).concat());
            client.read_both_protocols();
            assert_eq!(client.reply(), bulk("before"), "{name}");
            witness.is_undisturbed(name);
            wait_until(&format!("{name} is executed"), SOON, || {
                (executed(&mut direct, name) || answered(&client)).then_some(())
            });
            witness.is_undisturbed(name);
            Witness::new(proxy).is_undisturbed(name);
            next_connection_is_clean(proxy, name);
            drop(client);
            if !told {
                no_connection_has_a_trace(&mut direct, name);
            }
            witness.is_undisturbed(name);
            next_connection_is_clean(proxy, name);
        }
        witness.hears_nothing_else();
        assert!(!others.iter().any(|thread| thread.is_finished()), "another witness was disturbed");
        drop(stopping);
        others.into_iter().for_each(|thread| thread.join().expect("another witness was undisturbed"));
    });
}

/// A Valkey on which CLIENT IMPORT-SOURCE does something.
fn valkey(options: &[&str]) -> RedisServer {
    RedisServer::start_valkey_with(&[options, &["--import-mode", "yes"]].concat())
}

/// `tell`: whether the sink is told of the names.
fn every_command_of_the_kind(start: fn(&[&str]) -> RedisServer, tell: bool) {
    let names = kind(&start(&[]));
    let renames = renames(&names);
    let options = renames.iter().flat_map(|(name, other)| ["--rename-command", name, other]);
    let options: Vec<&str> = options.chain(OTHER_USER).collect();
    let server = start(&options);
    prepare(&server);
    let renames: Vec<(&str, &str)> = renames.iter().map(|(name, other)| (*name, other.as_str())).collect();
    let more = if tell { told(&renames) } else { String::new() };
    let proxy = Topology::new().sink_to(&[server.addr()], &more).start();
    // Where the sink is told of the names, QUIT and CLIENT REPLY end at the proxy.
    let names: Vec<&'static str> =
        names.into_iter().filter(|name| !tell || !matches!(*name, "quit" | "client|reply")).collect();
    send_each_beside_witnesses(&names, &server, &proxy, tell);
}

#[test]
fn every_command_that_changes_its_connection_changes_no_other_session_under_a_secret_name() {
    every_command_of_the_kind(RedisServer::start_with, false);
}

#[test]
fn every_command_that_changes_its_connection_changes_no_other_session_under_a_name_that_the_sink_is_told() {
    every_command_of_the_kind(RedisServer::start_with, true);
}

#[test]
fn every_command_of_valkey_that_changes_its_connection_changes_no_other_session_under_a_secret_name() {
    every_command_of_the_kind(valkey, false);
}

#[test]
fn every_command_of_valkey_that_changes_its_connection_changes_no_other_session_under_a_name_that_the_sink_is_told() {
    every_command_of_the_kind(valkey, true);
}

#[test]
fn the_list_of_arguments_names_the_whole_kind_and_nothing_else() {
    let kind = table().commands().iter().filter(|command| changes_its_connection(command)).map(Command::name);
    let mut kind: Vec<&str> = kind.collect();
    kind.sort_unstable();
    let listed: Vec<&str> = ARGUMENTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, kind);
}
