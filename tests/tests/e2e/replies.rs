//! Replies of every shape pass as the server sent them, in both protocols.

use bytes::Bytes;
use sluice_tests::{Client, RedisServer, Topology, UNHURRIED, inline, request};

use crate::WORKERS;

/// What to send, for a reply of each type. `DEBUG PROTOCOL` is there for exactly that.
const SHAPES: &[&[&str]] = &[
    &["DEBUG", "PROTOCOL", "string"],
    &["DEBUG", "PROTOCOL", "integer"],
    &["DEBUG", "PROTOCOL", "double"],
    &["DEBUG", "PROTOCOL", "null"],
    &["DEBUG", "PROTOCOL", "array"],
    &["DEBUG", "PROTOCOL", "set"],
    &["DEBUG", "PROTOCOL", "map"],
    &["DEBUG", "PROTOCOL", "bignum"],
    &["DEBUG", "PROTOCOL", "true"],
    &["DEBUG", "PROTOCOL", "false"],
    &["DEBUG", "PROTOCOL", "verbatim"],
    &["EVAL", "return {1,{},{{},{'a',{false,'b'}}},redis.error_reply('MINE inside')}", "0"],
    &["EVAL", "local t = {} for i = 1, 100 do t = {t} end return t", "0"],
    &["EVAL", "redis.setresp(3) return redis.call('HGETALL', KEYS[1])", "1", "e2e:hash"],
    &["EVAL", "return {double=3.5}", "0"],
    &["EVAL", "return {map={a=1}}", "0"],
    &["EVAL", "return {set={a=true}}", "0"],
    &["EVAL", "return string.rep('x', 3000000)", "0"],
    &["EVAL", "local t = {} for i = 1, 200000 do t[i] = i end return t", "0"],
    &["EVAL", "local t = {} for i = 1, 50000 do t[i] = {i, 'value'} end return t", "0"],
    &["ZRANGE", "e2e:zset", "0", "-1", "WITHSCORES"],
    &["ZSCORE", "e2e:zset", "b"],
    &["HGETALL", "e2e:hash"],
    &["LOLWUT", "VERSION", "1"],
    &["COMMAND", "INFO", "get", "nosuch"],
    &["COMMAND", "DOCS", "get"],
    &["OBJECT", "HELP"],
    &["XINFO", "HELP"],
    &["GEOPOS", "e2e:none", "a"],
    &["LMPOP", "1", "e2e:none", "LEFT"],
    &["SCRIPT", "EXISTS", "ffffffffffffffffffffffffffffffffffffffff"],
    &["ACL", "WHOAMI"],
];

fn prepared() -> RedisServer {
    let server = RedisServer::start_with(&["--enable-debug-command", "yes"]);
    assert_eq!(server.client().ask("HSET e2e:hash field value"), ":1\r\n");
    assert_eq!(server.client().ask("ZADD e2e:zset 1.5 a inf b -inf c"), ":3\r\n");
    server
}

/// The replies to all of them, sent in one pipeline, as one piece: the decoder of the tests does not know all of RESP3.
fn all(mut client: Client, resp3: bool) -> Bytes {
    if resp3 {
        assert!(client.hello3().starts_with(b"%7\r\n"));
    }
    client.send(&SHAPES.iter().flat_map(|args| request(args)).collect::<Vec<_>>());
    client.send(&inline("QUIT"));
    client.rest()
}

#[test]
fn replies_of_every_type_pass_unchanged_in_both_protocols() {
    let server = prepared();
    for workers in WORKERS {
        // No prefix: the same request is sent to both.
        let proxy = Topology::new()
            .workers(workers)
            .plugin("WatchAll", "watch_all.wasm", "limits: { crossing: 5s, memory: 64MiB }")
            .transform("CommandFilter: { deny: [shutdown] }")
            .transform("RequestLogger: { responses: true, level: debug }")
            .transform("WatchAll: {}")
            .sink(&server)
            .start();
        for resp3 in [false, true] {
            let direct = all(server.client(), resp3);
            let through = all(proxy.client(), resp3);
            let same = direct.iter().zip(&through).take_while(|(a, b)| a == b).count();
            let near = |bytes: &Bytes| bytes.slice(same.saturating_sub(100)..bytes.len().min(same + 100));
            assert!(direct == through, "after {same} bytes: {:?} is not {:?}", near(&through), near(&direct));
        }
    }
}

#[test]
fn attributes_and_pushes_do_not_shift_the_replies() {
    let server = prepared();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).workers(workers).start();
        let requests = [
            inline("ECHO before"),
            inline("DEBUG PROTOCOL attrib"),
            inline("ECHO between"),
            inline("DEBUG PROTOCOL push"),
            inline("ECHO after"),
            inline("QUIT"),
        ]
        .concat();
        let everything = |mut client: Client| {
            client.hello3();
            client.send(&requests);
            client.rest()
        };
        assert_eq!(everything(proxy.client()), everything(server.client()));
    }
}

#[test]
fn requests_of_very_many_arguments_pass() {
    const COUNT: usize = 100_000;
    let server = RedisServer::start();
    for workers in WORKERS {
        let proxy = Topology::three_components(&server).declare("KeyPrefix", UNHURRIED).workers(workers).start();
        let mut client = proxy.client();
        let mut mset = vec!["MSET".to_owned()];
        (0..COUNT).for_each(|n| mset.extend([format!("key:{n}"), n.to_string()]));
        assert_eq!(client.call(&mset), "+OK\r\n");
        let mut mget = vec!["MGET".to_owned()];
        mget.extend((0..COUNT).map(|n| format!("key:{n}")));
        let values: String =
            (0..COUNT).map(|n| n.to_string()).map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
        assert!(client.call(&mget) == format!("*{COUNT}\r\n{values}"), "{workers} workers");
        assert_eq!(server.client().ask("DBSIZE"), format!(":{COUNT}\r\n"));
        assert_eq!(client.ask("GET key:99999"), "$5\r\n99999\r\n");
        server.client().ask("FLUSHALL");
    }
}
