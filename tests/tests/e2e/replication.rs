//! A replica of the server behind the proxy: from PSYNC on, bytes that are no replies.

use sluice_tests::wait::SOON;
use sluice_tests::{RedisServer, Topology, wait_until};

#[test]
fn a_replica_replicates_through_the_proxy() {
    let server = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    // Behind transforms that watch, replies take a longer way; what follows them must not overtake them.
    for topology in [Topology::new().sink(&server), Topology::watching(&server)] {
        let proxy = topology.start();
        let mut writer = proxy.client();
        let large = "x".repeat(3_000_000);
        writer.call(&["SET", "before", &large]);
        let port = proxy.addr().rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port, "--repl-timeout", "5"]);
        let mut reader = replica.client();
        wait_until("the replica has what was there before", SOON, || {
            (reader.ask("STRLEN before") == ":3000000\r\n").then_some(())
        });
        for n in 1..=1000 {
            assert_eq!(writer.ask(&format!("SET after {n}")), "+OK\r\n");
        }
        wait_until("the replica has what came after", SOON, || {
            (reader.ask("GET after") == "$4\r\n1000\r\n").then_some(())
        });
        // Longer than its timeout: acknowledgements and pings pass too, and nothing is lost.
        std::thread::sleep(std::time::Duration::from_secs(7));
        assert_eq!(RedisServer::info(&mut reader, "replication", "master_sync_in_progress"), 0);
        let info = reader.ask("INFO replication");
        assert!(String::from_utf8_lossy(&info).contains("master_link_status:up"), "{info:?}");
        assert_eq!(RedisServer::info(&mut server.client(), "stats", "sync_full"), 1, "one full synchronisation");
        assert_eq!(server.client().ask("CONFIG RESETSTAT"), "+OK\r\n");
        assert_eq!(writer.ask("FLUSHALL"), "+OK\r\n");
    }
}
