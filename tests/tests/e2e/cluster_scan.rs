//! A scan over a hidden cluster sees where slots have gone, though nothing else asks for them.

use std::collections::BTreeSet;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::{OwnedFrame, Resp2Frame};
use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisCluster, Topology, Upstream, wait_until};

/// One step of a scan: the next cursor, and the keys.
fn step(client: &mut Client, cursor: &str) -> (String, Vec<String>) {
    let reply = client.ask(&format!("SCAN {cursor} COUNT 1000"));
    let Ok(Some((OwnedFrame::Array(parts), _))) = decode(&reply) else { panic!("{reply:?}") };
    let text = |frame: &OwnedFrame| frame.as_str().unwrap().to_owned();
    let [cursor, OwnedFrame::Array(keys)] = &parts[..] else { panic!("{parts:?}") };
    (text(cursor), keys.iter().map(text).collect())
}

#[test]
fn a_scan_does_not_go_by_an_old_map() {
    let cluster = RedisCluster::start(3, 0);
    let sink = cluster.sink().replace(" }", ", refresh_interval: 1h }");
    let proxy = Topology::new().transform(&sink).start();
    let keys: BTreeSet<String> = (0..300).map(|number| format!("key-{number}")).collect();
    let mut client = proxy.client();
    for key in &keys {
        assert_eq!(client.ask(&format!("SET {key} 1")), "+OK\r\n");
    }
    let maps = || proxy.metrics().sum("sluice_cluster_maps_total", &[]);
    let known = maps();
    let slot = cluster.slot_of("key-0");
    let owner = cluster.owner_of_slot(slot);
    cluster.migrate_slot(slot, owner, (owner + 1) % 3);
    assert_eq!(maps(), known, "nobody has asked");
    let (mut cursor, mut seen) = ("0".to_owned(), BTreeSet::new());
    loop {
        let (next, keys) = step(&mut client, &cursor);
        seen.extend(keys);
        if next == "0" {
            break;
        }
        cursor = next;
    }
    wait_until("the proxy knows where the slot is", SOON, || (maps() > known).then_some(()));
    seen.extend(["key-0".to_owned()]);
    assert_eq!(seen, keys);
}
