//! A node that dies is dead to the clients of its proxy.

use sluice_tests::process::output_of;
use sluice_tests::wait::SOON;
use sluice_tests::{Client, wait_until};

use super::clients::python_story;
use super::proxies::{Proxies, Told};
use super::replies::key_of;

/// How many rounds Python's client has made, as the owner of that key says.
fn rounds(proxies: &Proxies, owner: &str) -> u64 {
    let reply = proxies.direct(owner).ask("GET rounds");
    String::from_utf8_lossy(&reply).lines().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or_default()
}

#[test]
fn a_client_goes_on_at_the_proxy_of_the_new_primary() {
    let mut proxies = Proxies::start(1, Told::ByRewriting, 1);
    let shard = proxies.cluster.owner_of_key("rounds");
    // Not where the rounds are counted.
    let dying = (shard + 1) % 3;
    let owner = proxies.cluster.primary(shard).addr();
    let mut story = python_story(&proxies, "stay", true);
    std::thread::scope(|scope| {
        let python = scope.spawn(move || output_of(&mut story));
        let go_on = |proxies: &Proxies, more: u64| {
            let before = rounds(proxies, &owner);
            wait_until("the client goes on", SOON, || {
                (python.is_finished() || rounds(proxies, &owner) >= before + more).then_some(())
            });
        };
        go_on(&proxies, 5);
        proxies.cluster.kill(dying);
        proxies.cluster.promote(dying, 0);
        go_on(&proxies, 5);
        let owner = proxies.cluster.primary(proxies.cluster.owner_of_key("stop")).addr();
        assert_eq!(proxies.direct(&owner).ask("SET stop 1"), "+OK\r\n");
        assert_eq!(python.join().unwrap(), "ok\n");
    });
}

#[test]
fn a_proxy_whose_node_is_dead_hangs_up_as_the_node_would() {
    let mut proxies = Proxies::start(0, Told::ByRewriting, 1);
    let key = key_of(&proxies, 0);
    let mut idle = proxies.client(0);
    assert_eq!(idle.call(&["SET", &key, "1"]), "+OK\r\n");
    let mut blocked = proxies.client(0);
    blocked.send_request(&["BLPOP", &format!("{{{key}}}:list"), "0"]);
    let mut subscribed = proxies.client(0);
    subscribed.ask("SUBSCRIBE news");
    let mut asking = proxies.client(0);
    assert_eq!(asking.ask("ASKING"), "+OK\r\n");
    proxies.cluster.kill(0);
    for client in [&mut blocked, &mut subscribed] {
        assert_eq!(client.rest(), "");
    }
    for client in [&mut idle, &mut asking, &mut Client::connect(&proxies.addrs[0])] {
        client.send_request(&["GET", &key]);
        assert_eq!(client.rest(), "");
    }
    // The others are as well as ever.
    assert!(proxies.client(1).ask("PING").starts_with(b"+PONG"));
}
