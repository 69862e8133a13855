//! CLIENT IMPORT-SOURCE is about one session: the others do not see keys that have expired.

use sluice_tests::wait::SOON;
use sluice_tests::{RedisServer, Topology, wait_until};

use crate::WORKERS;

#[test]
fn a_source_of_imports_sees_expired_keys_and_no_other_session_does() {
    for workers in WORKERS {
        let server = RedisServer::start_valkey_with(&["--import-mode", "yes"]);
        let proxy = Topology::new().workers(workers).sink(&server).start();
        let (mut importer, mut other) = (proxy.client(), proxy.client());
        assert_eq!(other.ask("GET nothing"), "$-1\r\n");
        assert_eq!(importer.ask("CLIENT IMPORT-SOURCE ON"), "+OK\r\n");
        assert_eq!(importer.ask("SET expired value PX 30"), "+OK\r\n");
        wait_until("it has expired for others", SOON, || (other.ask("GET expired") == "$-1\r\n").then_some(()));
        assert_eq!(importer.ask("GET expired"), "$5\r\nvalue\r\n");
        drop(importer);
        for _ in 0..4 {
            let mut later = proxy.client();
            assert_eq!(later.ask("GET expired"), "$-1\r\n", "a session that comes later");
            assert_eq!(later.ask("MULTI"), "+OK\r\n");
            assert_eq!(later.ask("GET expired"), "+QUEUED\r\n");
            assert_eq!(later.ask("EXEC"), "*1\r\n$-1\r\n", "and one that needs a connection of its own");
        }
    }
}
