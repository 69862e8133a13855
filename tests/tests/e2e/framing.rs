//! The protocol's edges: what is silent, what is malformed, and how a connection ends.

use std::io::Write;

use bytes::Bytes;
use sluice_tests::{RedisServer, Topology, inline, request};

use crate::WORKERS;

#[test]
fn half_close_finishes_pipelined_replies() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        let requests: Vec<u8> = (0..2000).flat_map(|n| inline(&format!("ECHO {n:04}"))).collect();
        client.send(&requests);
        client.finish_sending();
        for n in 0..2000 {
            assert_eq!(client.reply(), format!("$4\r\n{n:04}\r\n"));
        }
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn half_close_waits_for_a_reply_that_is_late() {
    let mut server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        assert_eq!(client.ask("PING"), "+PONG\r\n");
        server.pause();
        client.send(&inline("ECHO late"));
        client.finish_sending();
        assert!(client.silent_for(std::time::Duration::from_millis(100)));
        server.resume();
        assert_eq!(client.rest(), "$4\r\nlate\r\n");
    }
}

#[test]
fn quit_answers_what_is_pending_first() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        let mut requests: Vec<u8> = (0..500).flat_map(|_| inline("INCR counter")).collect();
        requests.extend(inline("QUIT"));
        // Nobody answers what comes after QUIT, and it is not carried out.
        requests.extend(inline("SET after quit"));
        client.send(&requests);
        for n in 1..=500 {
            assert_eq!(client.reply(), format!(":{n}\r\n"));
        }
        assert_eq!(client.rest(), "+OK\r\n");
        let mut direct = server.client();
        assert_eq!(direct.ask("EXISTS e2e:after"), ":0\r\n");
        direct.ask("FLUSHALL");
    }
}

#[test]
fn empty_requests_are_silent() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        for silence in ["*0\r\n", "*-1\r\n", "\r\n", "\n", "   \r\n"] {
            client.send(silence.as_bytes());
            assert_eq!(client.ask("ECHO next"), "$4\r\nnext\r\n", "after {silence:?}");
        }
        client.send(b"*0\r\n\r\n*-1\r\n*0\r\nPING\r\n*0\r\n");
        client.finish_sending();
        assert_eq!(client.rest(), "+PONG\r\n");
    }
}

#[test]
fn inline_commands_are_answered_as_by_the_server() {
    let server = RedisServer::start();
    let lines: [&[u8]; 8] = [
        b"PING\r\n",
        b"ping\n",
        b"SET e2e:typed \"two words\\n\\x41\\t\"\r\n",
        b"  GET    e2e:typed   \r\n",
        b"ECHO 'it\\'s'\r\n",
        b"ECHO ''\r\n",
        b"ECHO a\"b c\"\r\n",
        b"nosuch 'command here'\r\n",
    ];
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        for line in lines {
            let mut direct = server.client();
            let mut through = proxy.client();
            for client in [&mut direct, &mut through] {
                client.send(line);
                client.finish_sending();
            }
            assert_eq!(through.rest(), direct.rest(), "{}", line.escape_ascii());
        }
    }
}

#[test]
fn a_request_can_come_byte_by_byte() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        let requests =
            [request(&["SET", "a", "b\r\n*"]), b"GET a\r\n".to_vec(), b"*0\r\n".to_vec(), inline("PING")].concat();
        for byte in requests {
            client.send(&[byte]);
        }
        assert_eq!(client.replies(3), ["+OK\r\n", "$4\r\nb\r\n*\r\n", "+PONG\r\n"]);
    }
}

#[test]
fn pipelines_larger_than_every_buffer_are_answered() {
    const COUNT: usize = 64;
    const SIZE: usize = 1 << 20;
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        let mut writer = client.writer();
        let value = |n: usize| vec![b'a' + (n % 26) as u8; SIZE + n];
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for n in 0..COUNT {
                    let key = format!("large:{n}");
                    writer.write_all(&request(&[b"SET".as_slice(), key.as_bytes(), &value(n)])).unwrap();
                }
                let gets: Vec<u8> = (0..COUNT).flat_map(|n| inline(&format!("GET large:{n}"))).collect();
                writer.write_all(&gets).unwrap();
            });
            for _ in 0..COUNT {
                assert_eq!(client.reply(), "+OK\r\n");
            }
            for n in 0..COUNT {
                let expected = [format!("${}\r\n", SIZE + n).as_bytes(), &value(n), b"\r\n"].concat();
                assert!(client.reply() == expected, "the value of large:{n}");
            }
        });
    }
}

/// What breaks the protocol, as bytes that a server answers before it closes.
fn malformed() -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = [
        "*x\r\n",
        "*1x\r\n",
        "*2147483648\r\n",
        "*99999999999999999999\r\n",
        "* 1\r\n",
        "*1\r\n+PING\r\n",
        "*1\r\nPING\r\n",
        "*1\r\n\r\n",
        "*1\r\n*1\r\n",
        "*1\r\n\x01\r\n",
        "*1\r\n\t\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n$x\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$-5\r\n",
        "*1\r\n$536870913\r\n",
        "*1\r\n$99999999999999999999\r\n",
        "*2\r\n$4\r\nECHO\r\n$1 \r\n",
        "*2\r\n$4\r\nECHO\r\n4\r\n",
        "SET \"unbalanced\r\n",
        "SET 'unbalanced\r\n",
        "SET \"closed\"tail\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    // An inline request of more than 64 KiB.
    inputs.push(vec![b'a'; 70_000]);
    inputs
}

#[test]
fn a_malformed_frame_is_answered_as_the_server_would_and_closed() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut neighbour = proxy.client();
        for input in malformed() {
            // The requests before it, some of which are answered by the server, are in the same packet.
            let sent = [inline("SET e2e:earlier reply"), inline("ECHO earlier"), inline("GET nothing"), input].concat();
            let answer = |mut client: sluice_tests::Client| -> Bytes {
                client.send(&sent);
                client.rest()
            };
            let shown = sent[..sent.len().min(160)].escape_ascii().to_string();
            let direct = answer(server.client());
            assert!(direct.starts_with(b"+OK\r\n$7\r\nearlier\r\n$-1\r\n-ERR Protocol error"), "{shown}: {direct:?}");
            assert_eq!(answer(proxy.client()), direct, "{shown}");
            assert_eq!(neighbour.ask("PING"), "+PONG\r\n");
        }
    }
}

#[test]
fn what_a_server_would_read_on_in_vain_or_read_otherwise_is_refused() {
    let server = RedisServer::start();
    let endless = |first: &str| [first.as_bytes(), &[b'1'; 70_000]].concat();
    let inputs = [
        // The server waits for 64 KiB before it says that the number is too long.
        endless("*"),
        endless("*1\r\n$"),
        // The server takes any two bytes for the end of a bulk string; another one behind the same proxy may not.
        b"*2\r\n$4\r\nECHO\r\n$4\r\nabcdXX".to_vec(),
        b"*2\r\n$4\r\nECHO\r\n$4\r\nabcdefgh\r\n*1\r\n$8\r\nFLUSHALL\r\n".to_vec(),
    ];
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        for input in &inputs {
            let mut client = proxy.client();
            assert_eq!(client.ask("SET earlier reply"), "+OK\r\n");
            client.send(&[inline("ECHO earlier").as_slice(), input].concat());
            assert_eq!(client.reply(), "$7\r\nearlier\r\n");
            let reply = client.reply();
            assert!(reply.starts_with(b"-ERR Protocol error: "), "{reply:?}");
            assert!(!matches!(client.try_reply(), Ok(Some(_))), "nothing follows");
        }
        assert_eq!(server.client().ask("EXISTS e2e:earlier"), ":1\r\n");
    }
}

#[test]
fn nothing_after_a_malformed_frame_is_carried_out() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut client = proxy.client();
        client.send(&[b"*1\r\n$x\r\n".as_slice(), &inline("SET after malformed")].concat());
        // The server's wording; then the end, in good order or not: the rest of what was sent was never read.
        assert_eq!(client.reply(), "-ERR Protocol error: invalid bulk length\r\n");
        assert_eq!(server.client().ask("EXISTS e2e:after"), ":0\r\n");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_request_disturbs_nobody() {
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let mut neighbour = proxy.client();
        for n in 0..50 {
            let mut leaver = proxy.client();
            let mut sent: Vec<u8> = (0..20).flat_map(|_| inline("ECHO left-behind")).collect();
            sent.extend_from_slice(b"*2\r\n$4\r\nECHO\r\n$100\r\npart");
            leaver.send(&sent);
            drop(leaver);
            assert_eq!(neighbour.ask(&format!("ECHO n{n:02}")), format!("$3\r\nn{n:02}\r\n"));
        }
    }
}
