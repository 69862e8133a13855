//! A session that goes private never disturbs the others on its worker.

use std::time::Duration;

use sluice_tests::wait::SOON;
use sluice_tests::{Client, RedisServer, Sluice, Topology, inline, wait_until};

use crate::WORKERS;

/// Long enough for a reply that should not come to come.
const A_MOMENT: Duration = Duration::from_millis(150);

/// Runs a story with one worker, which all clients share, and with two.
fn story(tell: impl Fn(&RedisServer, &Sluice)) {
    for workers in WORKERS {
        let server = RedisServer::start();
        let proxy = Topology::three_components(&server).workers(workers).start();
        tell(&server, &proxy);
    }
}

/// A few clients, so that with two workers at least one of them is on the same worker as any other client.
pub(crate) fn neighbours(proxy: &Sluice) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
    undisturbed(&mut clients, "from the start");
    clients
}

/// All of them still get the reply to their own request, in the protocol and the database that they began with.
#[track_caller]
pub(crate) fn undisturbed(clients: &mut [Client], when: &str) {
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.ask(&format!("SET neighbour:{n} {n}")), "+OK\r\n", "{when}");
        assert_eq!(client.ask(&format!("GET neighbour:{n}")), format!("$1\r\n{n}\r\n"), "{when}");
        assert_eq!(client.ask("HGETALL nothing"), "*0\r\n", "{when}");
        assert_eq!(client.ask(&format!("ECHO {n}")), format!("$1\r\n{n}\r\n"), "{when}");
    }
}

#[test]
fn a_transaction_holds_its_own_commands_only() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        assert_eq!(client.ask("SET a 0"), "+OK\r\n");
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        undisturbed(&mut others, "in MULTI");
        assert_eq!(client.ask("SET a 1"), "+QUEUED\r\n");
        assert_eq!(others[0].ask("GET a"), "$1\r\n0\r\n", "not carried out yet");
        assert_eq!(client.ask("INCR a"), "+QUEUED\r\n");
        undisturbed(&mut others, "before EXEC");
        assert_eq!(client.ask("EXEC"), "*2\r\n+OK\r\n:2\r\n");
        assert_eq!(client.ask("EXEC"), "-ERR EXEC without MULTI\r\n");
        undisturbed(&mut others, "after EXEC");
    });
}

#[test]
fn a_watched_key_that_another_changes_fails_the_transaction() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        assert_eq!(client.ask("WATCH a"), "+OK\r\n");
        assert_eq!(others[0].ask("SET a 1"), "+OK\r\n");
        assert_eq!(client.ask("MULTI"), "+OK\r\n");
        assert_eq!(client.ask("SET a 2"), "+QUEUED\r\n");
        assert_eq!(client.ask("EXEC"), "*-1\r\n");
        assert_eq!(others[0].ask("GET a"), "$1\r\n1\r\n");
        // And one that another client watches does not fail anybody else's.
        assert_eq!(client.ask("WATCH a"), "+OK\r\n");
        let mut second = proxy.client();
        for (request, reply) in [("MULTI", "+OK\r\n"), ("SET a 3", "+QUEUED\r\n"), ("EXEC", "*1\r\n+OK\r\n")] {
            assert_eq!(second.ask(request), reply);
        }
        undisturbed(&mut others, "while a key is watched");
    });
}

#[test]
fn a_selected_database_is_the_session_s_own() {
    story(|server, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        assert_eq!(client.ask("SELECT 3"), "+OK\r\n");
        assert_eq!(client.ask("SET where here"), "+OK\r\n");
        assert_eq!(others[0].ask("GET where"), "$-1\r\n");
        undisturbed(&mut others, "after SELECT");
        assert_eq!(client.ask("GET where"), "$4\r\nhere\r\n");
        let mut direct = server.client();
        direct.ask("SELECT 3");
        assert_eq!(direct.ask("GET e2e:where"), "$4\r\nhere\r\n");
    });
}

#[test]
fn a_subscriber_gets_its_messages_and_nobody_else_does() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        assert_eq!(client.ask("SUBSCRIBE news"), "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
        undisturbed(&mut others, "after SUBSCRIBE");
        assert_eq!(others[0].ask("PUBLISH news one"), ":1\r\n");
        assert_eq!(client.reply(), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n");
        assert_eq!(client.ask("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        let refused = client.ask("GET a");
        assert!(refused.starts_with(b"-ERR Can't execute 'get': only"), "{refused:?}");
        undisturbed(&mut others, "between messages");
        assert_eq!(client.ask("UNSUBSCRIBE news"), "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n");
        assert_eq!(client.ask("GET a"), "$-1\r\n");
        assert_eq!(others[0].ask("PUBLISH news two"), ":0\r\n");
        undisturbed(&mut others, "after UNSUBSCRIBE");
    });
}

#[test]
fn one_subscription_can_have_several_replies_and_all_arrive() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        client.send(&[inline("SUBSCRIBE a b c"), inline("PSUBSCRIBE d*"), inline("PING")].concat());
        for (n, channel) in ["a", "b", "c"].iter().enumerate() {
            let expected = format!("*3\r\n$9\r\nsubscribe\r\n$1\r\n{channel}\r\n:{}\r\n", n + 1);
            assert_eq!(client.reply(), expected);
        }
        assert_eq!(client.reply(), "*3\r\n$10\r\npsubscribe\r\n$2\r\nd*\r\n:4\r\n");
        assert_eq!(client.reply(), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        for n in 0..100 {
            assert_eq!(others[n % 4].ask(&format!("PUBLISH a {n:02}")), ":1\r\n");
        }
        for n in 0..100 {
            assert_eq!(client.reply(), format!("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\n{n:02}\r\n"));
        }
        client.send(&inline("UNSUBSCRIBE"));
        assert_eq!(client.replies(3).len(), 3);
        assert_eq!(client.ask("RESET"), "+RESET\r\n");
        assert_eq!(client.ask("GET nothing"), "$-1\r\n", "RESET leaves the mode");
        undisturbed(&mut others, "after RESET");
    });
}

#[test]
fn a_resp3_subscriber_goes_on_with_commands() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        assert!(client.hello3().starts_with(b"%7\r\n"));
        assert_eq!(client.ask("SUBSCRIBE news"), ">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
        assert_eq!(client.ask("SET a 1"), "+OK\r\n");
        assert_eq!(others[0].ask("PUBLISH news one"), ":1\r\n");
        assert_eq!(client.reply(), ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n");
        assert_eq!(client.ask("GET a"), "$1\r\n1\r\n");
        undisturbed(&mut others, "beside a RESP3 subscriber");
    });
}

#[test]
fn a_blocked_client_blocks_nobody_else() {
    story(|server, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        client.send(&[inline("BLPOP queue 0"), inline("ECHO after")].concat());
        blocked_clients(server, 1);
        undisturbed(&mut others, "beside BLPOP");
        assert!(client.silent_for(A_MOMENT));
        assert_eq!(others[0].ask("RPUSH queue item"), ":1\r\n");
        assert_eq!(client.reply(), "*2\r\n$5\r\nqueue\r\n$4\r\nitem\r\n");
        assert_eq!(client.reply(), "$5\r\nafter\r\n");
        assert_eq!(client.ask("BLPOP queue 0.05"), "*-1\r\n");
        assert_eq!(client.ask("BLMOVE queue other LEFT RIGHT 0.05"), "*-1\r\n");
    });
}

#[test]
fn commands_that_block_only_with_an_option_block_nobody_else() {
    story(|server, proxy| {
        let mut others = neighbours(proxy);
        assert_eq!(others[0].ask("XGROUP CREATE stream group $ MKSTREAM"), "+OK\r\n");
        for request in [
            "XREAD BLOCK 0 STREAMS stream $",
            "xread count 5 block 0 streams stream $",
            "XREADGROUP GROUP group me COUNT 1 BLOCK 0 STREAMS stream >",
            "WAIT 3 0",
            "bLpOp nothing 0",
        ] {
            let mut client = proxy.client();
            client.send(&inline(request));
            blocked_clients(server, 1);
            undisturbed(&mut others, request);
            drop(client);
            blocked_clients(server, 0);
        }
        let mut client = proxy.client();
        client.send(&inline("XREAD BLOCK 0 STREAMS stream $"));
        blocked_clients(server, 1);
        assert_eq!(others[0].ask("XADD stream 1-1 f v"), "$3\r\n1-1\r\n");
        assert_eq!(client.reply(), "*1\r\n*2\r\n$6\r\nstream\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    });
}

#[test]
fn a_name_is_the_session_s_own() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        assert_eq!(client.ask("CLIENT SETNAME me"), "+OK\r\n");
        assert_eq!(client.ask("CLIENT GETNAME"), "$2\r\nme\r\n");
        assert_eq!(client.ask("CLIENT NO-EVICT on"), "+OK\r\n");
        for other in &mut others {
            assert_eq!(other.ask("CLIENT GETNAME"), "$-1\r\n");
        }
        undisturbed(&mut others, "after CLIENT SETNAME");
    });
}

#[test]
fn quit_ends_a_private_session_in_order_too() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        for (begin, reply) in [("MULTI", "+OK\r\n"), ("SELECT 2", "+OK\r\n"), ("WATCH a", "+OK\r\n")] {
            let mut client = proxy.client();
            client.send(&[inline("ECHO one"), inline(begin), inline("QUIT"), inline("SET after quit")].concat());
            assert_eq!(client.rest(), format!("$3\r\none\r\n{reply}+OK\r\n"), "{begin}");
        }
        assert_eq!(others[0].ask("EXISTS after"), ":0\r\n");
        undisturbed(&mut others, "after QUIT");
    });
}

#[test]
fn a_waiter_that_has_gone_eats_no_items() {
    story(|server, proxy| {
        let mut others = neighbours(proxy);
        for _ in 0..5 {
            let mut client = proxy.client();
            client.send(&inline("BLPOP queue 0"));
            blocked_clients(server, 1);
            drop(client);
            blocked_clients(server, 0);
        }
        assert_eq!(others[0].ask("RPUSH queue item"), ":1\r\n");
        assert_eq!(others[1].ask("LPOP queue"), "$4\r\nitem\r\n");
    });
}

/// Waits until the server itself sees so many clients that wait in a blocking command.
#[track_caller]
pub(crate) fn blocked_clients(server: &RedisServer, count: usize) {
    let mut direct = server.client();
    let line = format!("blocked_clients:{count}\r\n");
    wait_until(&format!("the server has {count} blocked clients"), SOON, || {
        let info = direct.ask("INFO clients");
        String::from_utf8_lossy(&info).contains(&line).then_some(())
    });
}

#[test]
fn a_monitor_sees_the_commands_and_nobody_else_gets_its_lines() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut monitor = proxy.client();
        assert_eq!(monitor.ask("MONITOR"), "+OK\r\n");
        undisturbed(&mut others, "beside MONITOR");
        assert_eq!(others[0].ask("SET seen-by-monitor 1"), "+OK\r\n");
        wait_until("the monitor saw it", SOON, || {
            let line = monitor.reply();
            assert!(line.starts_with(b"+"), "{line:?}");
            String::from_utf8_lossy(&line).contains("seen-by-monitor").then_some(())
        });
        undisturbed(&mut others, "after MONITOR");
    });
}

#[test]
fn a_user_is_the_session_s_own() {
    for workers in WORKERS {
        let server = RedisServer::start_with(&["--user", "reader", "on", ">secret", "~*", "+@read", "+@connection"]);
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut others = neighbours(&proxy);
        let mut client = proxy.client();
        let refused = client.ask("AUTH reader wrong");
        assert!(refused.starts_with(b"-WRONGPASS "), "{refused:?}");
        assert_eq!(client.ask("SET still default"), "+OK\r\n", "a failed AUTH keeps the old user");
        assert_eq!(client.ask("AUTH reader secret"), "+OK\r\n");
        let refused = client.ask("SET a 1");
        assert!(refused.starts_with(b"-NOPERM "), "{refused:?}");
        undisturbed(&mut others, "after AUTH");
        assert_eq!(client.ask("GET still"), "$7\r\ndefault\r\n");
        assert_eq!(proxy.client().ask("SET a 1"), "+OK\r\n", "the next connection is not the reader's");
    }
}

#[test]
fn a_server_that_wants_a_password_gets_it_from_each_client() {
    for workers in WORKERS {
        let server = RedisServer::start_with(&["--requirepass", "secret"]);
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut known = proxy.client();
        let mut unknown = proxy.client();
        assert_eq!(known.ask("AUTH secret"), "+OK\r\n");
        assert_eq!(known.ask("SET a 1"), "+OK\r\n");
        assert_eq!(unknown.ask("GET a"), "-NOAUTH Authentication required.\r\n");
        assert_eq!(proxy.client().ask("GET a"), "-NOAUTH Authentication required.\r\n");
        assert_eq!(known.ask("GET a"), "$1\r\n1\r\n");
    }
}

#[test]
fn a_protocol_is_the_session_s_own() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        assert!(client.hello3().starts_with(b"%7\r\n"));
        assert_eq!(client.ask("HSET map a 1"), ":1\r\n");
        assert_eq!(client.ask("HGETALL map"), "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(client.ask("GET nothing"), "_\r\n");
        assert_eq!(others[0].ask("HGETALL map"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        undisturbed(&mut others, "after HELLO 3");
        assert!(client.ask("HELLO 4").starts_with(b"-NOPROTO "));
        assert_eq!(client.ask("GET nothing"), "_\r\n");
    });
}

#[test]
fn client_reply_silences_its_own_session_only() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        client.send(&[inline("CLIENT REPLY SKIP"), inline("SET a 1"), inline("ECHO one")].concat());
        assert_eq!(client.reply(), "$3\r\none\r\n");
        client.send(&[inline("CLIENT REPLY OFF"), inline("INCR a"), inline("ECHO two"), inline("INCR a")].concat());
        assert!(client.silent_for(A_MOMENT));
        undisturbed(&mut others, "beside CLIENT REPLY OFF");
        assert_eq!(client.ask("CLIENT REPLY ON"), "+OK\r\n");
        assert_eq!(client.ask("GET a"), "$1\r\n3\r\n");
        undisturbed(&mut others, "after CLIENT REPLY ON");
    });
}

#[test]
fn an_answer_of_the_proxy_s_own_does_not_make_it_forget_what_was_asked_before() {
    let server = RedisServer::start();
    let chain = "CommandFilter: { deny: [flushall] }";
    let proxy = Topology::new().transform(chain).sink(&server).start();
    for between in ["CLIENT REPLY ON", "FLUSHALL"] {
        let mut client = proxy.client();
        client.send(&[inline("SELECT 1"), inline(between), inline("SET where one")].concat());
        assert_eq!(client.reply(), "+OK\r\n");
        client.reply();
        assert_eq!(client.reply(), "+OK\r\n");
        let mut direct = server.client();
        assert_eq!(direct.ask("EXISTS where"), ":0\r\n", "{between}: in the database that was left");
        assert_eq!(client.ask("GET where"), "$3\r\none\r\n", "{between}");
        assert_eq!(client.ask("DEL where"), ":1\r\n", "{between}");
    }
}

#[test]
fn script_kill_gets_through_to_a_busy_server_from_any_database() {
    let server = RedisServer::start_with(&["--busy-reply-threshold", "50"]);
    let proxy = Topology::new().sink(&server).start();
    let (mut client, mut runner) = (proxy.client(), proxy.client());
    assert_eq!(client.ask("SELECT 5"), "+OK\r\n");
    runner.send_request(&["EVAL", "while true do end", "0"]);
    let mut direct = server.client();
    wait_until("the server is busy", SOON, || direct.ask("PING").starts_with(b"-BUSY").then_some(()));
    client.send(&[inline("SCRIPT KILL"), inline("MULTI"), inline("SET where five"), inline("EXEC")].concat());
    assert_eq!(client.reply(), "+OK\r\n");
    let told = runner.reply();
    assert!(String::from_utf8_lossy(&told).contains("killed by user"), "{told:?}");
    // What stands behind it finds the server busy still, or runs where it belongs.
    let executed = client.replies(3)[2] == "*1\r\n+OK\r\n";
    assert_eq!(direct.ask("EXISTS where"), ":0\r\n", "in database 0");
    assert_eq!(direct.ask("SELECT 5"), "+OK\r\n");
    assert_eq!(direct.ask("EXISTS where"), format!(":{}\r\n", u8::from(executed)));
}

#[test]
fn invalidations_reach_the_session_that_tracks() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        client.hello3();
        assert_eq!(client.ask("CLIENT TRACKING ON"), "+OK\r\n");
        assert_eq!(client.ask("GET tracked"), "_\r\n");
        undisturbed(&mut others, "beside CLIENT TRACKING");
        assert_eq!(others[0].ask("SET tracked 1"), "+OK\r\n");
        let push = client.reply();
        // The server knows the key by its prefix; the client does not.
        assert_eq!(push, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$7\r\ntracked\r\n");
        undisturbed(&mut others, "after an invalidation");
        assert_eq!(client.ask("CLIENT TRACKING OFF"), "+OK\r\n");
        assert_eq!(client.ask("CLIENT TRACKING ON BCAST"), "+OK\r\n");
        assert_eq!(others[0].ask("SET broadcast 1"), "+OK\r\n");
        assert_eq!(client.reply(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$9\r\nbroadcast\r\n");
    });
}

#[test]
fn a_session_stays_what_it_is_when_its_connection_is_lost() {
    story(|server, proxy| {
        let mut admin = server.client();
        assert_eq!(admin.ask("ACL SETUSER ann on >secret ~* &* +@all"), "+OK\r\n");
        let mut client = proxy.client();
        let mut subscriber = proxy.client();
        assert_eq!(client.ask("AUTH ann secret"), "+OK\r\n");
        assert_eq!(client.ask("SELECT 3"), "+OK\r\n");
        assert_eq!(client.ask("SET here 3"), "+OK\r\n");
        assert!(!subscriber.ask("SUBSCRIBE news").starts_with(b"-"));
        assert!(!subscriber.ask("PSUBSCRIBE more*").starts_with(b"-"));
        admin.ask("CLIENT KILL TYPE pubsub SKIPME yes");
        admin.ask("CLIENT KILL TYPE normal SKIPME yes");
        wait_until("the connection is there again", SOON, || (client.ask("GET here") == "$1\r\n3\r\n").then_some(()));
        assert_eq!(client.ask("ACL WHOAMI"), "$3\r\nann\r\n");
        wait_until("both subscriptions are there again", SOON, || {
            (admin.ask("PUBSUB NUMSUB news") == "*2\r\n$4\r\nnews\r\n:1\r\n" && admin.ask("PUBSUB NUMPAT") == ":1\r\n")
                .then_some(())
        });
        admin.ask("PUBLISH news hello");
        assert_eq!(subscriber.reply(), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
        assert!(!subscriber.ask("UNSUBSCRIBE").starts_with(b"-"));
        assert!(!subscriber.ask("PUNSUBSCRIBE").starts_with(b"-"));
        assert_eq!(subscriber.ask("ECHO done"), "$4\r\ndone\r\n");
    });
}

#[test]
fn a_user_s_new_password_protects_at_once() {
    story(|_, proxy| {
        let mut before = proxy.client();
        assert_eq!(before.ask("SET a 1"), "+OK\r\n");
        assert_eq!(before.ask("CONFIG SET requirepass secret"), "+OK\r\n");
        wait_until("nobody is let in without it", SOON, || {
            proxy.client().ask("GET a").starts_with(b"-NOAUTH").then_some(())
        });
        let mut client = proxy.client();
        assert_eq!(client.ask("AUTH secret"), "+OK\r\n");
        assert_eq!(client.ask("GET a"), "$1\r\n1\r\n");
        assert_eq!(client.ask("CONFIG SET requirepass ''"), "+OK\r\n");
    });
}

#[test]
fn what_a_browser_sends_ends_its_own_session_only() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        for request in ["POST / HTTP/1.1", "Host: example", "post x"] {
            let mut client = proxy.client();
            client.send(format!("SET a 1\r\n{request}\r\nSET a 2\r\n").as_bytes());
            assert_eq!(client.rest(), "+OK\r\n", "{request}");
        }
        undisturbed(&mut others, "after HTTP");
    });
}

#[test]
fn going_private_in_the_middle_of_a_pipeline_keeps_the_order() {
    story(|_, proxy| {
        let mut others = neighbours(proxy);
        let mut client = proxy.client();
        let lines = [
            ("SET a 1", "+OK\r\n"),
            ("INCR a", ":2\r\n"),
            ("MULTI", "+OK\r\n"),
            ("INCR a", "+QUEUED\r\n"),
            ("EXEC", "*1\r\n:3\r\n"),
            ("GET a", "$1\r\n3\r\n"),
            ("SELECT 1", "+OK\r\n"),
            ("GET a", "$-1\r\n"),
        ];
        for _ in 0..50 {
            let mut client = proxy.client();
            let requests: Vec<u8> = lines.iter().flat_map(|(request, _)| inline(request)).collect();
            client.send(&requests);
            for (request, reply) in lines {
                assert_eq!(client.reply(), reply, "{request}");
            }
        }
        assert_eq!(client.ask("GET a"), "$1\r\n3\r\n");
        undisturbed(&mut others, "after fifty such pipelines");
    });
}

#[test]
fn what_a_session_leaves_behind_ends_with_it() {
    story(|server, proxy| {
        let mut others = neighbours(proxy);
        for request in
            ["MULTI", "SUBSCRIBE a", "MONITOR", "SELECT 2", "WATCH a", "CLIENT NO-EVICT ON", "CLIENT SETNAME x"]
        {
            let mut clients: Vec<Client> = (0..5).map(|_| proxy.client()).collect();
            for client in &mut clients {
                assert!(!client.ask(request).starts_with(b"-"), "{request}");
            }
        }
        // What is left waits for the next session, and knows nothing of the one before.
        wait_until("no connection to the server has a trace of them", SOON, || {
            let list = server.client().ask("CLIENT LIST");
            let list = String::from_utf8_lossy(&list).into_owned();
            let clean = |line: &&str| {
                let flags = line.split(" flags=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
                !flags.contains(['O', 'P', 'x', 't'])
                    && ["name= ", "sub=0 ", "multi=-1 "].iter().all(|said| line.contains(said))
            };
            list.lines().filter(|line| line.starts_with("id=")).all(|line| clean(&line)).then_some(())
        });
        undisturbed(&mut others, "after private sessions have gone");
    });
}
