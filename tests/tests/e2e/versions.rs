//! Components that were made for an earlier version of the contract: see `tests/frozen`.

use sluice_tests::wait::SOON;
use sluice_tests::{RedisServer, Topology, programs, wait_until};

use crate::WORKERS;

#[test]
fn components_that_were_made_for_the_first_version_do_all_that_they_did_through_the_proxy() {
    for lane in ["columns", "rows"] {
        let component = programs::repository().join(format!("tests/frozen/0.1/witness_{lane}.wasm"));
        for workers in WORKERS {
            let server = RedisServer::start();
            let proxy = Topology::new()
                .workers(workers)
                .plugin_at(
                    "Witness",
                    &component,
                    "grants: [clock, random, sessions, state], limits: { state: 4KiB, crossing: 1s }",
                )
                .transform("Witness: { on: 1 }")
                .sink(&server)
                .start();
            let mut client = proxy.client();
            assert_eq!(client.ask("SET k v"), "+OK\r\n", "{lane}");
            assert_eq!(client.ask("SET l w"), "+OK\r\n", "{lane}");
            assert_eq!(server.client().ask("GET k"), "$3\r\n<v>\r\n", "{lane}: rewritten");
            assert_eq!(client.ask("GET k"), "$17\r\n<v> (seen, 1 key)\r\n", "{lane}: seen");
            assert_eq!(client.ask("GET none"), "$-1\r\n", "{lane}: kept");
            assert_eq!(client.ask("MGET k l"), "*2\r\n$3\r\n<v>\r\n$3\r\n<w>\r\n", "{lane}: fanned out");
            assert_eq!((client.ask("INCR n"), client.ask("INCR n")), (":1\r\n".into(), ":2\r\n".into()));
            assert_eq!(server.client().ask("EXISTS n"), ":0\r\n", "{lane}: answered by the component");
            let capabilities = String::from_utf8(client.ask("ECHO capabilities").to_vec()).unwrap();
            for line in ["log true", "random true 5", "sessions valkey default 0 2 true", "state.delete true false"] {
                assert!(capabilities.contains(&format!("\r\n{line}\r\n")), "{lane}: {line}\n{capabilities}");
            }
            assert!(!capabilities.contains("\r\nlog false") && !capabilities.contains("clock false"), "{capabilities}");
            client.send(b"LOLWUT\r\n");
            assert_eq!(client.rest(), "+bye\r\n", "{lane}: closed");
            wait_until("its lines are in the log", SOON, || {
                let output = proxy.output();
                let all = [r#"a witness is configured with {"on":1}"#, "a witness is asked for its capabilities"];
                all.iter().all(|line| output.contains(line)).then_some(())
            });
            let metrics = proxy.metrics();
            let witnessed = |phase| metrics.sum("sluice_plugin_witnessed_total", &[("phase", phase)]);
            assert_eq!((witnessed("requests"), witnessed("responses")), (Some(9.0), Some(2.0)), "{lane}");
            assert_eq!(metrics.sum("sluice_plugin_witnessed_bytes_count", &[]), Some(2.0), "{lane}");
            assert_eq!(metrics.sum("sluice_transform_faults_total", &[]).unwrap_or_default(), 0.0, "{lane}");
        }
    }
}

#[test]
fn a_plugin_says_what_its_metrics_mean() {
    let server = RedisServer::start();
    let proxy = Topology::three_components(&server).start();
    let metrics = proxy.metrics();
    let help = "# HELP sluice_plugin_denied_requests Requests that CommandFilter denied.\n";
    assert!(metrics.text().contains(help), "{}", metrics.text());
}
