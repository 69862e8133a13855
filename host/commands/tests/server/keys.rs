//! `key_positions` finds the keys that `COMMAND GETKEYS` finds, and the ones that the server really uses where it does
//! not.

use sluice_commands::{CommandId, key_positions, lookup, table};

use crate::redis::{Redis, Value};

/// Requests of every shape of key specification, and of every command that finds its keys in a way of its own. The
/// arguments of each differ, so that an argument tells its position. `""` is the empty argument.
const SAMPLES: &str = r#"
    get k
    GeT k
    set k v ex 10
    set k v get
    mget a b c
    mset a 1 b 2 c 3
    msetnx a 1 b 2
    del a
    del a b c
    unlink a b
    exists a b
    touch a b
    rename a b
    renamenx a b
    copy a b db 1 replace
    move k 1
    append k v
    getrange k 0 1
    substr k 0 1
    lcs a b len
    ping
    ping hello
    echo hello
    auth user pass
    hello 3 auth u p
    select 1
    info server
    config set maxmemory 0
    client setname n
    keys *
    scan 0 match x count 10
    randomkey
    flushall async
    dbsize
    swapdb 0 1
    wait 1 2
    multi
    exec
    watch a b
    unwatch
    publish c m
    spublish c m
    subscribe c d
    ssubscribe c d
    psubscribe c*
    pubsub numsub c d
    pubsub shardchannels c
    bitop and d a b
    bitop not d a
    bitfield k get u8 0
    bitfield k set u8 0 1
    bitfield_ro k get u8 0
    bitcount k 0 -1
    bitpos k 1
    setbit k 1 0
    lpush k a b c
    lmove a b left right
    blmove a b left right 0
    rpoplpush a b
    brpoplpush a b 0
    blpop a 0
    blpop a b c 0
    brpop a b 0
    bzpopmin a b 0
    bzpopmax a 0
    lmpop 2 a b left
    lmpop 1 a right count 3
    blmpop 0 2 a b left
    zmpop 2 a b min
    bzmpop 5 2 a b max count 3
    lpos k e rank 2
    linsert k before p e
    hset h f v
    hmget h f g
    hrandfield h 3 withvalues
    hscan h 0 match f*
    sscan s 0
    zscan z 0
    sadd s a b
    smove a b m
    sinter a b c
    sinterstore d a b
    sintercard 2 a b limit 1
    sunion a b
    sunionstore d a b c
    sdiff a
    sdiffstore d a b
    smismember s a b
    zadd z 1 m
    zadd z nx ch 1 m 2 n
    zrange z 0 -1 withscores
    zrangestore d s 0 -1
    zunion 2 a b weights 1 3
    zunionstore d 2 a b aggregate sum
    zunionstore d 1 a
    zinter 2 a b
    zinterstore d 3 a b c
    zintercard 2 a b
    zdiff 2 a b
    zdiffstore d 2 a b
    zrangebyscore z 0 1 limit 2 3
    geoadd g 1 2 m
    geodist g a b km
    geosearch g frommember m byradius 1 km
    geosearchstore d s frommember m byradius 1 km
    georadius g 1 2 3 km
    georadius g 1 2 3 km count 4 asc store d
    georadius g 1 2 3 km STOREDIST d
    georadius g 1 2 3 km store a storedist b
    georadius g 1 2 3 km store
    georadius_ro g 1 2 3 km
    georadiusbymember g m 3 km
    georadiusbymember g m 3 km store d
    georadiusbymember g m 3 km count 1 storedist d
    georadiusbymember_ro g m 3 km
    sort l
    sort l by w_* limit 0 5 get # get o_* desc alpha
    sort l by w_* Store d
    sort l store d by store_*
    sort l get store alpha
    sort l limit store 1
    sort l limit 1 store d
    sort l store
    sort_ro l by w_* get o_*
    xadd s * f v
    xrange s - +
    xlen s
    xread streams a 0
    xread count 2 block 1 streams a b 0 0-1
    xread STREAMS streams 0
    xreadgroup group g c streams a >
    xreadgroup group g c count 1 noack streams a b > 0
    xreadgroup group g c block 0 streams streams >
    xack s g 1-1
    xclaim s g c 0 1-1
    xautoclaim s g c 0 0-0
    xgroup create s g $ mkstream
    xgroup destroy s g
    xinfo stream s full
    xinfo consumers s g
    xinfo help
    xsetid s 1-1
    xtrim s maxlen 5
    pfadd p a b
    pfcount a b
    pfmerge d a b
    object encoding k
    object freq k
    object help
    memory usage k samples 5
    memory doctor
    debug object k
    type k
    dump k
    restore k 0 x replace
    expire k 10 nx
    persist k
    migrate host 6379 k 0 1000
    migrate host 6379 k 0 1000 copy replace auth2 u p
    migrate host 6379 "" 0 1000
    migrate host 6379 "" 2 1000 keys a b c
    migrate host 6379 "" 2 1000 copy replace auth keys KEYS a b
    migrate host 6379 "" 2 1000 auth2 keys p Keys a
    migrate host 6379 "" 2 1000 auth2 u keys Keys a
    migrate host 6379 k 2 1000 keys a b
    eval script 0
    eval script 0 a
    eval script 1 a
    eval script 2 a b arg
    eval script 3 a b
    eval script -1 a
    eval script x a
    eval script "" a
    eval script 99999999999999999999 a
    eval script 9223372036854775807 a
    eval script 2147483648 a
    eval script -9223372036854775808 a
    eval_ro script 1 a b
    evalsha sha 2 a b
    evalsha_ro sha 1 a
    fcall f 2 a b c
    fcall_ro f 1 a
    function list
    script exists sha
    cluster keyslot k
    cluster countkeysinslot 1
    command getkeys get k
    command info get
    latency reset
    slowlog get 10
    replicaof no one
    acl getuser u
    zunionstore d 0 a
    zunionstore d x a
    zunionstore d 5 a
    zunion -1 a
    lmpop 0 a left
    lmpop 9 a left
    mset a 1 b
    unknown a b
"#;

/// A pseudo-random sequence: the same in every run, so that a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

type Request = Vec<Vec<u8>>;

fn request(line: &str) -> Request {
    line.split_whitespace().map(|word| if word == "\"\"" { Vec::new() } else { word.as_bytes().to_vec() }).collect()
}

fn command(request: &Request) -> CommandId {
    lookup(&request[0], || request.get(1).map(Vec::as_slice))
}

/// The arguments that `key_positions` points at, in its order.
fn ours(request: &Request) -> Vec<Vec<u8>> {
    // What a caller's list held before must not matter.
    let mut positions = vec![7, 7, 7];
    key_positions(command(request), request, &mut positions);
    assert!(positions.is_sorted_by(|a, b| a < b), "{}: not rising: {positions:?}", show(request));
    positions.iter().map(|&position| request[position as usize].clone()).collect()
}

fn send_getkeys(redis: &mut Redis, request: &Request) {
    let head = ["COMMAND", "GETKEYS"].map(|word| word.as_bytes().to_vec());
    redis.send(&head.into_iter().chain(request.iter().cloned()).collect::<Vec<_>>());
}

/// The keys in the server's words, or its error.
fn getkeys_reply(redis: &mut Redis) -> Result<Vec<Vec<u8>>, String> {
    match redis.receive() {
        Value::Error(error) => Err(error),
        Value::Array(keys) => Ok(keys.iter().map(|key| key.text().as_bytes().to_vec()).collect()),
        other => panic!("{other:?}"),
    }
}

fn show(request: &Request) -> String {
    request.iter().map(|argument| format!("'{}'", argument.escape_ascii())).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_keys_of_the_samples_are_those_of_command_getkeys() {
    let mut redis = Redis::start();
    let (mut with_keys, mut without) = (0, 0);
    for line in SAMPLES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let request = request(line);
        send_getkeys(&mut redis, &request);
        let (found, reply) = (ours(&request), getkeys_reply(&mut redis));
        match reply {
            Ok(keys) => assert_eq!(found, keys, "{line}"),
            // The table describes the request; that it is too short or too long is the server's business.
            Err(error) if error.contains("number of arguments specified") => {
                panic!("{line}: a useless sample: {error}")
            }
            Err(error) => assert!(found.is_empty(), "{line}: the server says {error}, we find {found:?}"),
        }
        *(if found.is_empty() { &mut without } else { &mut with_keys }) += 1;
    }
    assert!(with_keys > 100 && without > 40, "{with_keys} samples with keys, {without} without");
}

#[test]
fn the_keys_of_random_requests_are_those_of_command_getkeys() {
    compare_random_requests(Redis::start());
}

#[test]
fn the_keys_of_random_requests_are_those_of_valkeys_command_getkeys() {
    compare_random_requests(Redis::valkey());
}

fn compare_random_requests(mut redis: Redis) {
    const WORDS: &[&str] =
        &["STORE", "storedist", "Keys", "limit", "GET", "by", "count", "auth", "", "-1", "0", "1", "2", "3"];
    const BATCH: usize = 200;
    /// Where more than what `COMMAND GETKEYS` finds is used, so the answer may be larger.
    const MORE: &[&str] = &["sort", "georadius", "georadiusbymember", "pfmerge"];
    /// Read as the command does it, and compared in a test of its own.
    const OTHERWISE: &[&str] = &["xread", "xreadgroup"];
    let last_of_several_keys = |request: &Request| {
        let is_keys = |word: &[u8]| word == b"Keys";
        request.last().is_some_and(|word| is_keys(word)) && request.iter().filter(|word| is_keys(word)).count() > 1
    };

    let known: Vec<String> =
        redis.call(&["COMMAND", "LIST"]).array().iter().map(|name| name.text().to_owned()).collect();
    let mut dice = Dice(0x5eed);
    let mut compared = 0;
    for command in table().commands() {
        let name = command.name();
        let top = name.split('|').next().unwrap();
        if !command.is_keyed() || OTHERWISE.contains(&name) || !known.iter().any(|known| known == top) {
            continue;
        }
        let requests: Vec<Request> =
            (0..BATCH)
                .map(|_| {
                    let mut request: Request = name.split('|').map(|word| word.as_bytes().to_vec()).collect();
                    let most = usize::from(command.arity().unsigned_abs()) + 6;
                    for position in request.len()..1 + dice.below(most) {
                        let word = WORDS.get(dice.below(2 * WORDS.len()));
                        request.push(word.map_or_else(
                            || format!("argument {position}").into_bytes(),
                            |word| word.as_bytes().to_vec(),
                        ));
                    }
                    request
                })
                .collect();
        for request in &requests {
            send_getkeys(&mut redis, request);
        }
        for request in &requests {
            let found = ours(request);
            match getkeys_reply(&mut redis) {
                Ok(keys) if MORE.contains(&name) => {
                    assert!(keys.iter().all(|key| found.contains(key)), "{}: {keys:?} ⊈ {found:?}", show(request));
                }
                Ok(mut keys) => {
                    // The server lists some destinations last.
                    keys.sort();
                    let mut found = found;
                    found.sort();
                    assert_eq!(found, keys, "{}", show(request));
                }
                Err(error) if error.contains("number of arguments specified") => continue,
                Err(_) if MORE.contains(&name) => {}
                // `KEYS` at the end says nothing, so the key in its usual place counts, but where another goes before it.
                Err(_) if name == "migrate" && last_of_several_keys(request) => {}
                Err(error) => {
                    assert!(found.is_empty(), "{}: the server says {error}, we find {found:?}", show(request))
                }
            }
            compared += 1;
        }
    }
    assert!(compared > 10_000, "only {compared} requests were comparable");
}

#[test]
fn the_keys_of_stream_reads_are_those_of_command_getkeys() {
    const OPTIONS: &[&str] = &["count 2", "BLOCK 10", "noack"];
    let mut redis = Redis::start();
    let mut dice = Dice(0x5eed);
    for _ in 0..500 {
        let mut line = ["xread", "xreadgroup group g c"][dice.below(2)].to_owned();
        for _ in 0..dice.below(4) {
            line += &format!(" {}", OPTIONS[dice.below(OPTIONS.len())]);
        }
        let streams = 1 + dice.below(4);
        line += " streams";
        (0..streams).for_each(|stream| line += &format!(" stream{stream}"));
        (0..streams).for_each(|stream| line += &format!(" {stream}-0"));
        let request = request(&line);
        send_getkeys(&mut redis, &request);
        assert_eq!(Ok(ours(&request)), getkeys_reply(&mut redis), "{line}");
    }
}

/// Ways to write to or read from a key that `COMMAND GETKEYS` does not name. A transform that confines tenants to
/// their keys must see it.
#[test]
fn keys_that_command_getkeys_misses_are_found() {
    let mut redis = Redis::start();
    let mut run = |line: &str| redis.call(&request(line));
    run("rpush list 2 1");
    run("geoadd geo 1 1 member");
    run("xadd stream 1-1 field value");
    run("xgroup create stream group 0");

    let cases = [
        ("sort list store get store hidden1", "hidden1"),
        ("georadius geo 1 1 10 km store seen store hidden2", "hidden2"),
        ("georadiusbymember geo member 10 km storedist seen storedist hidden3", "hidden3"),
    ];
    for (line, hidden) in cases {
        let reply = run(line);
        assert!(matches!(reply, Value::Integer(1..)), "{line}: {reply:?}");
        assert_eq!(run(&format!("exists {hidden}")).integer(), 1, "{line} writes to {hidden}");
        let named = run(&format!("command getkeys {line}"));
        assert!(named.array().iter().all(|key| key.text() != hidden), "{line}: the server names it now: {named:?}");
        let found = ours(&request(line));
        assert!(found.contains(&hidden.into()), "{line}: {found:?}");
        assert!(named.array().iter().all(|key| found.contains(&key.text().into())), "{line}: {found:?}, not {named:?}");
    }

    let line = "pfmerge hidden4";
    assert_eq!(run(line).text(), "OK");
    assert_eq!(run("exists hidden4").integer(), 1);
    assert!(matches!(run(&format!("command getkeys {line}")), Value::Error(_)), "the server names it now");
    assert_eq!(ours(&request(line)), [b"hidden4"]);

    let line = "xreadgroup count 1 group group streams streams stream >";
    let reply = run(line);
    assert_eq!(reply.array()[0].array()[0].text(), "stream");
    assert_eq!(run(&format!("command getkeys {line}")).array()[0].text(), "streams");
    assert_eq!(ours(&request(line)), [b"stream"]);
}
