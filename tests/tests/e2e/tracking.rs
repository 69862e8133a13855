//! CLIENT TRACKING tells a session of its own keys, and no session of another's.

use std::time::Duration;

use sluice_tests::scripted_server::{Answer, ScriptedServer};
use sluice_tests::wait::SOON;
use sluice_tests::{Client, Listed, RedisServer, Sluice, Topology, inline, wait_until};

use crate::WORKERS;

/// Long enough for a push that should not come to come.
const A_MOMENT: Duration = Duration::from_millis(100);

fn dropped(proxy: &Sluice) -> f64 {
    proxy.metrics().sum("sluice_upstream_unasked_pushes_total", &[]).unwrap_or_default()
}

#[track_caller]
fn wait_until_dropped(proxy: &Sluice, count: f64) {
    wait_until(&format!("{count} pushes are counted"), SOON, || {
        let dropped = dropped(proxy);
        assert!(dropped <= count, "{dropped} of {count}");
        (dropped == count).then_some(())
    });
}

fn invalidation(key: &str) -> String {
    format!(">2\r\n$10\r\ninvalidate\r\n*1\r\n${}\r\n{key}\r\n", key.len())
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn has(server: &ScriptedServer, line: &str) -> Option<()> {
    server.asked().iter().any(|asked| asked.line() == line).then_some(())
}

/// The ID that CLIENT ID tells.
#[track_caller]
fn id(client: &mut Client) -> String {
    let reply = client.ask("CLIENT ID");
    let text = String::from_utf8_lossy(&reply);
    text.strip_prefix(':').unwrap_or_else(|| panic!("not an ID: {text:?}")).trim_end().to_owned()
}

#[test]
fn tracking_cannot_be_redirected_to_another_client() {
    for workers in WORKERS {
        let server = RedisServer::start();
        let proxy = Topology::new().workers(workers).sink(&server).start();
        let mut victims: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
        for victim in &mut victims {
            victim.hello3();
            assert_eq!(victim.ask("SET mine 1"), "+OK\r\n");
        }
        let (mut client, mut writer) = (proxy.client(), proxy.client());
        client.hello3();
        let mut ids: Vec<String> = victims.iter_mut().map(id).collect();
        // And those of the proxy's own connections, which CLIENT LIST tells of.
        let own = id(&mut client);
        let listed = Listed::others(&mut server.client()).into_iter().map(|listed| listed.field("id").to_owned());
        ids.extend(listed.filter(|id| *id != own));
        ids.push("999999".to_owned());
        for id in &ids {
            for form in [
                "CLIENT TRACKING ON REDIRECT {}",
                "client tracking on redirect {} bcast",
                "CLIENT TRACKING ON BCAST PREFIX a REDIRECT {}",
                "CLIENT TRACKING ON NOLOOP REDIRECT {} OPTIN",
            ] {
                let refused = client.ask(&form.replace("{}", id));
                assert!(refused.starts_with(b"-ERR "), "{form} with {id}: {refused:?}");
            }
        }
        client.ask("GET secret");
        for number in 0..20 {
            assert_eq!(writer.ask(&format!("SET secret {number}")), "+OK\r\n");
            for victim in &mut victims {
                assert_eq!(victim.ask("GET mine"), bulk("1"));
            }
        }
        assert!(client.silent_for(Duration::from_millis(20)), "a refused request changes nothing");
        for victim in &mut victims {
            assert!(victim.silent_for(Duration::from_millis(5)));
        }
        assert_eq!(dropped(&proxy), 0.0, "the server has pushed nothing");
    }
}

#[test]
fn tracking_can_be_redirected_to_the_session_itself() {
    let server = RedisServer::start();
    let proxy = Topology::new().sink(&server).start();
    let (mut client, mut writer) = (proxy.client(), proxy.client());
    client.hello3();
    let own = id(&mut client);
    assert_eq!(client.ask(&format!("CLIENT TRACKING ON REDIRECT {own}")), "+OK\r\n");
    assert_eq!(client.ask("GET tracked"), "_\r\n");
    assert_eq!(writer.ask("SET tracked 1"), "+OK\r\n");
    assert_eq!(client.reply(), invalidation("tracked"));
    assert_eq!(client.ask("GET tracked"), bulk("1"));
}

#[test]
fn a_prefix_that_reads_like_an_option_is_a_prefix() {
    let server = RedisServer::start();
    let proxy = Topology::new().sink(&server).start();
    let (mut client, mut writer) = (proxy.client(), proxy.client());
    client.hello3();
    assert_eq!(client.ask("CLIENT TRACKING ON BCAST PREFIX redirect PREFIX 7"), "+OK\r\n");
    assert_eq!(writer.ask("SET redirected 1"), "+OK\r\n");
    assert_eq!(client.reply(), invalidation("redirected"));
}

#[test]
fn a_push_that_no_session_asked_for_is_dropped_and_the_connection_is_kept() {
    let server = ScriptedServer::start(|asked| match asked.line().as_str() {
        "GET held" | "GET behind" => Answer::Nothing,
        "GET between" => Answer::text(&(invalidation("k") + &bulk("between") + &invalidation("k"))),
        _ => Answer::Usual,
    });
    let proxy = Topology::new().sink(&server).start();
    let (mut client, mut other) = (proxy.client(), proxy.client());
    client.hello3();
    other.hello3();
    assert_eq!(client.ask("GET before"), bulk("before"));
    let shared = server.connection_of("GET before");

    // No request is in flight.
    server.push(shared, invalidation("k").as_bytes());
    wait_until_dropped(&proxy, 1.0);
    assert!(client.silent_for(A_MOMENT));
    assert_eq!(client.ask("GET after"), bulk("after"));
    // A request is in flight, of one session, and of several.
    client.send(&inline("GET held"));
    wait_until("the server has it", SOON, || has(&server, "GET held"));
    server.push(shared, invalidation("k").as_bytes());
    wait_until_dropped(&proxy, 2.0);
    assert!(client.silent_for(Duration::from_millis(20)));
    other.send(&inline("GET behind"));
    wait_until("the server has it", SOON, || has(&server, "GET behind"));
    let push = invalidation("k");
    let (first, second) = push.as_bytes().split_at(push.len() / 2);
    server.push(shared, &[bulk("held").as_bytes(), first].concat());
    assert_eq!(client.reply(), bulk("held"));
    server.push(shared, &[second, bulk("behind").as_bytes()].concat());
    assert_eq!(other.reply(), bulk("behind"));
    wait_until_dropped(&proxy, 3.0);
    // Around a reply, in one write.
    assert_eq!(client.ask("GET between"), bulk("between"));
    wait_until_dropped(&proxy, 5.0);
    // Pushes of all kinds.
    server.push(shared, b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n>1\r\n+odd\r\n>0\r\n");
    wait_until_dropped(&proxy, 8.0);
    assert_eq!(other.ask("GET last"), bulk("last"));
    assert_eq!(server.connection_of("GET last"), shared);
    assert!(server.is_open(shared));
    assert!(client.silent_for(Duration::from_millis(20)) && other.silent_for(Duration::from_millis(20)));
}

#[test]
fn invalidations_that_somebody_redirects_at_the_server_to_a_shared_connection_reach_no_session() {
    let server = RedisServer::start();
    let proxy = Topology::new().sink(&server).start();
    let (mut client, mut writer, mut direct) = (proxy.client(), proxy.client(), server.client());
    client.hello3();
    assert_eq!(client.ask("SET mine 1"), "+OK\r\n");
    let shared =
        Listed::others(&mut direct).into_iter().find(|listed| listed.field("cmd") == "set").expect("it is shared");
    let shared = shared.field("id");
    assert_eq!(direct.ask(&format!("CLIENT TRACKING ON REDIRECT {shared} BCAST")), "+OK\r\n");
    for number in 1..=50 {
        writer.send(&inline(&format!("SET watched {number}")));
        assert_eq!(client.ask("GET mine"), bulk("1"));
        assert_eq!(writer.reply(), "+OK\r\n");
    }
    wait_until("all are dropped", SOON, || (dropped(&proxy) >= 50.0).then_some(()));
    assert!(client.silent_for(Duration::from_millis(20)));
    let still = Listed::others(&mut direct).iter().any(|listed| listed.field("id") == shared);
    assert!(still, "the connection is kept");
}

#[test]
fn a_session_that_tracks_still_hears_of_its_keys() {
    for workers in WORKERS {
        let server = RedisServer::start();
        let proxy = Topology::new().workers(workers).sink(&server).start();
        let (mut client, mut writer, mut other) = (proxy.client(), proxy.client(), proxy.client());
        client.hello3();
        other.hello3();
        assert_eq!(client.ask("CLIENT TRACKING ON"), "+OK\r\n");
        for number in 0..20 {
            client.ask("GET tracked");
            other.ask("GET tracked");
            assert_eq!(writer.ask(&format!("SET tracked {number}")), "+OK\r\n");
            assert_eq!(client.reply(), invalidation("tracked"));
        }
        assert!(other.silent_for(Duration::from_millis(20)));
        assert_eq!(dropped(&proxy), 0.0);
    }
}
