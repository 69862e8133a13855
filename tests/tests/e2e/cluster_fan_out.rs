//! A transform that makes several requests of one: each goes to the node of its own slot.

use sluice_tests::{RedisCluster, Topology, UNHURRIED, Upstream, inline};

use crate::WORKERS;

#[test]
fn each_request_of_a_fan_out_goes_to_the_node_of_its_slot() {
    let cluster = RedisCluster::start(3, 0);
    let keys: Vec<String> = (0..3)
        .map(|shard| (0..).map(|at| format!("key-{at}")).find(|key| cluster.owner_of_key(key) == shard).unwrap())
        .collect();
    let [a, b, c] = [&keys[0], &keys[1], &keys[2]];
    for workers in WORKERS {
        let proxy = Topology::new()
            .workers(workers)
            .plugin("Hostile", "hostile.wasm", &format!("grants: [clock], {UNHURRIED}"))
            .plugin("WatchAll", "watch_all.wasm", UNHURRIED)
            .transform("Hostile: {}")
            .transform("CommandFilter: { deny: [shutdown] }")
            .transform("WatchAll: {}")
            .transform(&cluster.sink())
            .start();
        let mut client = proxy.client();
        let deed = format!(
            "fan,SET+{a}+1,SET+{b}+2,SET+{c}+3,MGET+{a}+{b}+{c},INCR+{b},DEL+{a}+{c},DBSIZE,RENAME+{a}+{b},GET+{c},nosuch"
        );
        // Side by side with others, whose order is kept.
        client.send(
            &[inline(&format!("SET {a} 0")), inline(&format!("ECHO {deed}")), inline(&format!("GET {b}"))].concat(),
        );
        assert_eq!(client.reply(), "+OK\r\n");
        let array = client.reply();
        let text = String::from_utf8_lossy(&array);
        let expected =
            "*10\r\n+OK\r\n+OK\r\n+OK\r\n*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n:3\r\n:2\r\n:1\r\n-CROSSSLOT ";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("slot\r\n$-1\r\n-ERR unknown command 'nosuch'"), "{text}");
        assert_eq!(client.reply(), "$1\r\n3\r\n");
        for (shard, key) in keys.iter().enumerate() {
            let held = if key == b { ":1\r\n" } else { ":0\r\n" };
            assert_eq!(cluster.client(shard).ask(&format!("EXISTS {key}")), held);
        }
        assert_eq!(client.ask(&format!("DEL {b}")), ":1\r\n");
    }
}
