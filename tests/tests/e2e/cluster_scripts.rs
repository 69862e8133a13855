//! Scripts in a hidden cluster.

use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{RedisCluster, Topology, inline, wait_until};

/// A digest that no script has.
const NOBODY: &str = "6b1bf486c81ceb7edf3c093f4c48582e38c0e791";

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// `~` stands for a space within an argument.
fn typed(line: &str) -> Vec<u8> {
    inline(line).iter().map(|&byte| if byte == b'~' { b' ' } else { byte }).collect()
}

#[test]
fn a_script_that_never_ends_is_killed_whatever_node_it_runs_on() {
    let cluster = RedisCluster::start(3, 0);
    let proxy = Topology::watching(&cluster).start();
    let mut other = proxy.client();
    assert!(other.ask("SCRIPT KILL").starts_with(b"-NOTBUSY "));
    for key in KEYS {
        let mut client = proxy.client();
        client.send(&typed(&format!("EVAL while(true)do~end 1 {key}")));
        std::thread::sleep(Duration::from_millis(50));
        wait_until("the script is killed", SOON, || (other.ask("SCRIPT KILL") == "+OK\r\n").then_some(()));
        let reply = client.reply();
        assert!(String::from_utf8_lossy(&reply).contains("killed by user"), "{key}: {reply:?}");
        assert_eq!(client.ask(&format!("SET {key} x")), "+OK\r\n");
    }
}

#[test]
fn a_script_that_was_loaded_runs_on_every_node() {
    let cluster = RedisCluster::start(3, 1);
    let proxy = Topology::watching(&cluster).start();
    let mut client = proxy.client();
    for key in KEYS {
        assert!(client.ask(&format!("EVALSHA {NOBODY} 1 {key}")).starts_with(b"-NOSCRIPT "), "{key}");
    }
    assert_eq!(client.ask(&format!("SCRIPT EXISTS {NOBODY}")), "*1\r\n:0\r\n");
    client.send(&typed("SCRIPT LOAD return~redis.call('incr',KEYS[1])"));
    let reply = client.reply();
    let sha = String::from_utf8_lossy(&reply).lines().nth(1).expect("a digest").to_owned();
    assert_eq!(client.ask(&format!("SCRIPT EXISTS {sha}")), "*1\r\n:1\r\n");
    for key in KEYS {
        assert_eq!(client.ask(&format!("EVALSHA {sha} 1 {key}")), ":1\r\n", "{key}");
    }
    assert_eq!(client.ask("SCRIPT FLUSH"), "+OK\r\n");
    assert!(client.ask(&format!("EVALSHA {sha} 1 a")).starts_with(b"-NOSCRIPT "));
}
