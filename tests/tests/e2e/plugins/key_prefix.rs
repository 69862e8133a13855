//! `KeyPrefix`: a tenant sees only his own keys, and sees them as he named them.

use sluice_tests::{Client, RedisServer, Topology};

use super::sorted;
use crate::WORKERS;

/// Requests and their replies, in order, as a client sees them. All keys on the server begin with the prefix.
const STORY: &[(&str, &str)] = &[
    ("SET a 1", "+OK\r\n"),
    ("MSET b 2 c 3", "+OK\r\n"),
    ("MGET a b c nothing", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n"),
    ("RENAME c d", "+OK\r\n"),
    ("COPY d e", ":1\r\n"),
    ("EXISTS a b c d e", ":4\r\n"),
    ("DEL d e", ":2\r\n"),
    ("OBJECT ENCODING a", "$3\r\nint\r\n"),
    ("BITOP AND bits a b", ":1\r\n"),
    ("PFADD hll x", ":1\r\n"),
    ("PFMERGE hll2 hll", "+OK\r\n"),
    ("SADD s1 x y", ":2\r\n"),
    ("SADD s2 y z", ":2\r\n"),
    ("SINTERSTORE s3 s1 s2", ":1\r\n"),
    ("SINTERCARD 2 s1 s2 LIMIT 5", ":1\r\n"),
    ("ZADD z1 1 x", ":1\r\n"),
    ("ZADD z2 2 y", ":1\r\n"),
    ("ZUNIONSTORE z3 2 z1 z2 WEIGHTS 1 2", ":2\r\n"),
    ("ZMPOP 2 none z1 MIN", "*2\r\n$2\r\nz1\r\n*1\r\n*2\r\n$1\r\nx\r\n$1\r\n1\r\n"),
    ("BZPOPMIN none z2 0", "*3\r\n$2\r\nz2\r\n$1\r\ny\r\n$1\r\n2\r\n"),
    ("RPUSH list 1 2 3 4 5", ":5\r\n"),
    ("BLPOP none list 0", "*2\r\n$4\r\nlist\r\n$1\r\n1\r\n"),
    ("BRPOP list 0", "*2\r\n$4\r\nlist\r\n$1\r\n5\r\n"),
    ("LMPOP 2 none list LEFT", "*2\r\n$4\r\nlist\r\n*1\r\n$1\r\n2\r\n"),
    ("BLMPOP 0 2 none list LEFT", "*2\r\n$4\r\nlist\r\n*1\r\n$1\r\n3\r\n"),
    ("LMOVE list other LEFT RIGHT", "$1\r\n4\r\n"),
    ("XADD stream 1-1 f v", "$3\r\n1-1\r\n"),
    (
        "XREAD COUNT 1 STREAMS stream 0",
        "*1\r\n*2\r\n$6\r\nstream\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
    ),
    ("XGROUP CREATE stream group 0", "+OK\r\n"),
    (
        "XREADGROUP GROUP group me COUNT 1 STREAMS stream >",
        "*1\r\n*2\r\n$6\r\nstream\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
    ),
    ("EVAL return(redis.call('get',KEYS[1])..redis.call('get',KEYS[2])) 2 a b", "$2\r\n12\r\n"),
    ("LCS a b", "$0\r\n\r\n"),
    ("SORT s1 ALPHA STORE sorted", ":2\r\n"),
    ("PUBLISH channel x", ":0\r\n"),
    ("PERSIST a", ":0\r\n"),
    ("TOUCH a b", ":2\r\n"),
    ("UNLINK b bits hll hll2 s1 s2 s3 z3 other stream sorted", ":11\r\n"),
];

#[test]
fn every_key_is_prefixed_on_the_server_and_nowhere_else() {
    for workers in WORKERS {
        let server = RedisServer::start();
        let proxy =
            Topology::new().workers(workers).transform("KeyPrefix: { prefix: 'tenant-a:' }").sink(&server).start();
        let mut client = proxy.client();
        let mut direct = server.client();
        for (request, reply) in STORY {
            assert_eq!(client.ask(request), *reply, "{request}");
            let keys = sorted(&direct.ask("KEYS *"));
            assert!(keys.iter().all(|key| key.starts_with("tenant-a:")), "after {request}: {keys:?}");
        }
        assert_eq!(sorted(&direct.ask("KEYS *")), ["tenant-a:a"]);
    }
}

/// All keys that SCAN gives, over as many calls as it takes.
fn scan(client: &mut Client, options: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.ask(&format!("SCAN {cursor} {options}"));
        let text = String::from_utf8(reply.to_vec()).unwrap();
        let mut lines = text.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty());
        lines.next().unwrap().clone_into(&mut cursor);
        keys.extend(lines.map(str::to_owned));
        if cursor == "0" {
            keys.sort();
            keys.dedup();
            return keys;
        }
    }
}

#[test]
fn two_tenants_of_one_server_never_see_each_other_s_keys() {
    let server = RedisServer::start();
    // Special characters of patterns are ordinary ones in a prefix.
    let prefixes = ["tenant-a:", "tenant-b:", "?:", "[a-z]?\\"];
    for workers in WORKERS {
        server.client().ask("FLUSHALL");
        let proxies: Vec<_> = prefixes
            .iter()
            .map(|prefix| {
                Topology::new()
                    .workers(workers)
                    .transform(&format!("KeyPrefix: {{ prefix: '{prefix}' }}"))
                    .sink(&server)
                    .start()
            })
            .collect();
        let mut tenants: Vec<Client> = proxies.iter().map(sluice_tests::Sluice::client).collect();
        for (n, tenant) in tenants.iter_mut().enumerate() {
            for key in 0..20 {
                assert_eq!(tenant.ask(&format!("SET key:{n}:{key:02} {n}")), "+OK\r\n");
            }
        }
        for (n, tenant) in tenants.iter_mut().enumerate() {
            let own: Vec<String> = (0..20).map(|key| format!("key:{n}:{key:02}")).collect();
            assert_eq!(sorted(&tenant.ask("KEYS *")), own);
            assert_eq!(sorted(&tenant.ask(&format!("KEYS key:{n}:0?"))), own[..10]);
            assert_eq!(scan(tenant, ""), own);
            assert_eq!(scan(tenant, "COUNT 3"), own);
            assert_eq!(scan(tenant, &format!("MATCH key:{n}:1* COUNT 7")), own[10..]);
            assert_eq!(scan(tenant, "TYPE list"), [""; 0]);
            let other = (n + 1) % prefixes.len();
            assert_eq!(tenant.ask(&format!("GET key:{other}:00")), "$-1\r\n");
            assert_eq!(tenant.ask(&format!("DEL key:{other}:00 {}key:{other}:00", prefixes[other])), ":0\r\n");
        }
        assert_eq!(server.client().ask("DBSIZE"), ":80\r\n");
    }
}

#[test]
fn randomkey_gives_a_key_as_the_tenant_named_it() {
    let server = RedisServer::start();
    let proxy = Topology::new().transform("KeyPrefix: { prefix: 'tenant-a:' }").sink(&server).start();
    let mut client = proxy.client();
    assert_eq!(client.ask("RANDOMKEY"), "$-1\r\n");
    assert_eq!(client.ask("SET mine 1"), "+OK\r\n");
    assert_eq!(client.ask("RANDOMKEY"), "$4\r\nmine\r\n");
}

#[test]
fn keys_are_stripped_in_resp3_too() {
    let server = RedisServer::start();
    let proxy = Topology::new().transform("KeyPrefix: { prefix: 'tenant-a:' }").sink(&server).start();
    let mut client = proxy.client();
    client.hello3();
    assert_eq!(client.ask("RPUSH list 1 2"), ":2\r\n");
    assert_eq!(client.ask("KEYS *"), "*1\r\n$4\r\nlist\r\n");
    assert_eq!(client.ask("BLPOP list 0"), "*2\r\n$4\r\nlist\r\n$1\r\n1\r\n");
    assert_eq!(client.ask("XADD stream 1-1 f v"), "$3\r\n1-1\r\n");
    let stream = "%1\r\n$6\r\nstream\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
    assert_eq!(client.ask("XREAD STREAMS stream 0"), stream);
}
