//! Requests that were thought of: each family in turn, with what may go wrong.

/// A line of words; `""` is the empty one, and `\x` bytes can be written as in a Rust string.
pub(crate) fn words(line: &str) -> Vec<Vec<u8>> {
    line.split_whitespace().map(|word| if word == "\"\"" { Vec::new() } else { word.into() }).collect()
}

/// All of them, in order.
pub(crate) fn lines() -> impl Iterator<Item = Vec<Vec<u8>>> {
    let script = SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(words);
    script.chain(odd())
}

/// What cannot be written as words.
fn odd() -> Vec<Vec<Vec<u8>>> {
    let long = vec![b'x'; 300];
    let lines: &[&[&[u8]]] = &[
        &[b""],
        &[b"nosuch\r\ncommand", b"a b", b"c\0d"],
        &[b"nosuch", &long, b"rest"],
        &[b"nosuch", &long[..120], &long[..50], b"more"],
        &[&long, b"a"],
        &[b"no\0such"],
        &[b"CLIENT", &long],
        &[b"SET", b"binary", b"\0\r\n\xff"],
        &[b"GET", b"binary"],
        &[b"APPEND", b"binary", b"\0"],
        &[b"GETRANGE", b"binary", b"0", b"2"],
        &[b"SADD", b"s\r\n", b"\0", b"\r\n"],
        &[b"SMEMBERS", b"s\r\n"],
        &[b"KEYS", b"s\r?"],
        &[b"CLIENT", b"SETNAME", b"with space"],
        &[b"CLIENT", b"SETNAME", b"\x7f"],
        &[b"PING", b""],
        &[b"ECHO", b"\0"],
        &[b"EXPIRE", b"a", b"10", b"\xff\r"],
        &[b"HELLO", b"2", b"bad option"],
    ];
    lines.iter().map(|line| line.iter().map(|arg| arg.to_vec()).collect()).collect()
}

const SCRIPT: &str = r#"
# Strings
SET a 1
get a
GeT A
SET a 2 NX
SET a 2 XX GET
SET a 3 NX GET
SET none 3 XX GET
SET none 3 XX
SET a 3 NX XX
SET a 3 EX 100 PX 100
SET a 3 EX 100 KEEPTTL
SET a 3 EX
SET a 3 EX 0
SET a 3 EX -1
SET a 3 EX x
SET a 3 PX 9223372036854775807
SET a 3 EX 9223372036854775807
SET a 3 EXAT 4000000000
EXPIRETIME a
PEXPIRETIME a
SET a 4 KEEPTTL
EXPIRETIME a
SET a 4
TTL a
SET a 5 PXAT 1
GET a
EXISTS a
SET a 5 EXAT 1
EXISTS a
DBSIZE
SET a 5 FOO
SET a 5 PERSIST
SETEX a 100 x
TTL a
SETEX a 0 x
SETEX a x x
PSETEX a -1 x
PSETEX a 1000000 y
GETEX a
GETEX a PERSIST
TTL a
GETEX a EX 1000
TTL a
GETEX a EX 0
GETEX a EX x
GETEX none EX x
GETEX a KEEPTTL
GETEX a PERSIST EX 10
GETEX a EXAT 1
GETEX a
GETDEL a
SET a hello
GETDEL a
GETDEL a
GETSET a 1
GETSET a 2
SETNX a 3
SETNX n 3
APPEND n 456
APPEND new x
STRLEN n
STRLEN none
SETRANGE a 5 xyz
GET a
SETRANGE a -1 x
SETRANGE a 536870912 x
SETRANGE a 9223372036854775807 x
SETRANGE a 0 ""
SETRANGE none 10 ""
EXISTS none
SET r 0123456789
GETRANGE r 0 -1
GETRANGE r 2 4
GETRANGE r -3 -1
GETRANGE r -3 -5
GETRANGE r -100 2
GETRANGE r -100 -50
GETRANGE r -50 -100
GETRANGE r 5 -100
GETRANGE r 0 -100
GETRANGE r 5 100
GETRANGE r 20 30
GETRANGE r x 1
GETRANGE none 0 -1
GETRANGE none x 1
SUBSTR r 1 2
# Counters
SET c 10
INCR c
DECR c
INCRBY c 5
DECRBY c 50
INCRBY c x
INCRBY c +1
INCRBY c 01
INCRBY c -0
INCRBY c 9223372036854775808
DECRBY c -9223372036854775808
SET c 9223372036854775807
INCR c
INCRBY c 0
SET c -9223372036854775808
DECR c
SET c abc
INCR c
SET c ""
INCR c
INCRBYFLOAT c 1
SET c 10.50
INCRBYFLOAT c 0.1
INCRBYFLOAT c -5
SET c 5.0e3
INCRBYFLOAT c 2.0e2
INCRBYFLOAT c abc
INCRBYFLOAT c nan
INCRBYFLOAT c inf
SET c 0.1
INCRBYFLOAT c 0.2
SET c 3
EXPIRE c 1000
INCR c
INCRBYFLOAT c 1.5
TTL c
INCRBYFLOAT f .5
INCRBYFLOAT f -.5
# Several keys
MSET m1 1 m2 2 m1 3
MGET m1 m2 none r
MSET m1
MSET m1 1 m2
MSETNX m1 1 m9 9
EXISTS m9
MSETNX m8 8 m9 9
MGET m8 m9
# Expiry
SET e x
EXPIRE e 100 NX
EXPIRE e 200 NX
EXPIRE e 200 XX
EXPIREAT e 4000000000 GT
EXPIREAT e 4000000000 GT
EXPIREAT e 3999999999 GT
EXPIREAT e 3999999999 LT
EXPIREAT e 3999999999 LT
EXPIRE e 100 NX XX
EXPIRE e 100 NX GT
EXPIRE e 100 GT LT
EXPIRE e 100 XX GT
EXPIRE e 100 FOO
EXPIRE e x FOO
EXPIRE e x
EXPIRE e 9223372036854775807
EXPIRE e -9223372036854775808
PEXPIRE e 9223372036854775807
PEXPIREAT e 9223372036854775807
PEXPIRETIME e
PERSIST e
PERSIST e
PERSIST none
EXPIREAT e 4000000000 GT
EXPIREAT e 4000000000 LT
PEXPIREAT e 4000000000500
EXPIRETIME e
PEXPIRETIME e
EXPIRE e 0
EXISTS e
SET e x
PEXPIRE e -1
EXISTS e
EXPIRE none 100
TTL none
PTTL none
EXPIRETIME none
TTL m1
# Keys
DEL m1 m1 none
EXISTS m2 m2 none
TOUCH m2 none
UNLINK m2
TYPE r
TYPE none
RENAME none x
RENAME r r
RENAME none none
RENAME r r2
RENAMENX r2 c
RENAMENX r2 r
RENAMENX none c
RENAMENX r r
EXPIRE r 1000
RENAME r r3
TTL r3
COPY r3 r4
TTL r4
COPY r3 r4
COPY r3 r4 REPLACE
COPY r3 r3
COPY none r3
COPY none none
COPY r3 r5 DB 0
COPY r3 r3 DB 0
COPY r3 r5 DB 1
COPY r3 r5 DB x
COPY r3 r5 DB
COPY r3 r5 FOO
KEYS *
KEYS r?
KEYS none*
SCAN 0 COUNT 1000
SCAN 0 COUNT 1000 MATCH r*
SCAN 0 COUNT 1000 TYPE string
SCAN 0 COUNT 1000 TYPE foo
SCAN 0 COUNT 0
SCAN 0 COUNT x
SCAN 0 COUNT
SCAN 0 FOO 1
SCAN x
SCAN 1.5
DBSIZE
# Hashes
HSET h f 1 g 2
HSET h f 3 i 4
HSET h f
HSET h f 1 g
HMSET h j 5
HMSET h j
HSET h z 1 z 2 z 3
HGET h z
HSETNX h f 9
HSETNX h k 9
HGET h f
HGET h none
HGET none f
HMGET h f none g
HMGET none a b
HGETALL h
HGETALL none
HKEYS h
HVALS h
HKEYS none
HLEN h
HLEN none
HEXISTS h f
HEXISTS h none
HSTRLEN h f
HSTRLEN h none
HSTRLEN none f
HDEL h f none f
HDEL none f
HINCRBY h g 10
HINCRBY h new -1
HINCRBY h g x
HINCRBY h g 9223372036854775807
HSET h s text
HINCRBY h s 1
HINCRBYFLOAT h s 1
HINCRBYFLOAT h g 0.5
HINCRBYFLOAT h g x
HINCRBYFLOAT h g inf
HINCRBYFLOAT h g nan
HINCRBY h g 1
HINCRBYFLOAT h fresh 3.0e3
HSCAN h 0
HSCAN h 0 MATCH g* COUNT 5
HSCAN h x
HSCAN none 0 FOO
HSCAN none x
HSCAN h 0 FOO 1
HSCAN h 0 TYPE hash
EXPIRE h 1000
HSET h t 1
TTL h
HDEL h g i j z k new s fresh t
EXISTS h
HSET h f 1
HDEL h f
EXISTS h
# Lists
RPUSH l a b c
LPUSH l z y
LRANGE l 0 -1
LRANGE l 1 2
LRANGE l -2 -1
LRANGE l -100 100
LRANGE l 3 1
LRANGE l 10 20
LRANGE l 0 -100
LRANGE l x 1
LRANGE none 0 -1
LRANGE none x 1
LPUSHX l x
RPUSHX none x
EXISTS none
LLEN l
LLEN none
LINDEX l 0
LINDEX l -1
LINDEX l 100
LINDEX l -100
LINDEX l x
LINDEX none x
LSET l 0 first
LSET l -1 last
LSET l 100 x
LSET l -100 x
LSET l x x
LSET none 0 x
LPOP l
RPOP l
LPOP l 2
RPOP l 0
LPOP l -1
LPOP l x
LPOP l 1 1
RPOP l 100
EXISTS l
LPOP none
LPOP none 2
LPOP none 0
RPUSH l a b a c a d a
LREM l 2 a
LRANGE l 0 -1
LREM l -1 a
LRANGE l 0 -1
LREM l 0 a
LREM l 0 a
LREM l x a
LREM none x a
LREM none 0 a
LRANGE l 0 -1
LTRIM l 0 -1
LTRIM l 1 1
LRANGE l 0 -1
LTRIM l x 1
LTRIM none x 1
LTRIM none 0 1
LTRIM l 5 1
EXISTS l
RPUSH l a b c a b c a
LINSERT l BEFORE b 1
LINSERT l after c 2
LINSERT l after none 2
LINSERT l beside c 2
LINSERT none BEFORE c 2
LINSERT none beside c 2
LRANGE l 0 -1
LPOS l a
LPOS l none
LPOS l a RANK 2
LPOS l a RANK -1
LPOS l a RANK -2
LPOS l a RANK 9
LPOS l a RANK 0
LPOS l a RANK x
LPOS l a COUNT 0
LPOS l a COUNT 2
LPOS l a COUNT 2 RANK -1
LPOS l a COUNT -1
LPOS l a COUNT x
LPOS l a MAXLEN 1
LPOS l c MAXLEN 2
LPOS l c MAXLEN 2 COUNT 0
LPOS l c MAXLEN 3 RANK -1
LPOS l a MAXLEN -1
LPOS l a FOO 1
LPOS l a RANK
LPOS none a
LPOS none a COUNT 1
LPOS none a RANK 0
RPOPLPUSH l l
RPOPLPUSH l l2
RPOPLPUSH none l2
LMOVE l l2 LEFT RIGHT
LMOVE l l2 RIGHT LEFT
LMOVE l l LEFT RIGHT
LMOVE l l LEFT LEFT
LMOVE l l2 UP LEFT
LMOVE none l2 LEFT UP
LMOVE none l2 LEFT LEFT
LRANGE l 0 -1
LRANGE l2 0 -1
RPUSH one x
LMOVE one one LEFT RIGHT
LRANGE one 0 -1
RPOPLPUSH one two
EXISTS one two
RPOPLPUSH two r3
LRANGE two 0 -1
# Sets
SADD s a b c a
SADD s a
SADD s 1 2
SREM s a none a
SREM none a
SMEMBERS s
SMEMBERS none
SISMEMBER s b
SISMEMBER s a
SISMEMBER none a
SMISMEMBER s a b c b
SMISMEMBER none a b
SCARD s
SCARD none
SADD t c d 1
SINTER s t
SUNION s t
SDIFF s t
SDIFF t s
SINTER s none
SINTER none s
SUNION s none
SDIFF none s
SINTER s
SINTERSTORE i s t
SMEMBERS i
SUNIONSTORE u s t
SCARD u
SDIFFSTORE d s t
SMEMBERS d
SINTERSTORE i s none
EXISTS i
SUNIONSTORE s s t
SMEMBERS s
SET str x
SUNIONSTORE str s t
TYPE str
SMOVE s t b
SMOVE s t none
SMOVE none t b
SMOVE s s c
SMOVE s s none
SMOVE s fresh d
SMEMBERS fresh
SMEMBERS s
SMEMBERS t
SPOP none
SPOP none 1
SPOP none x
SPOP s 0
SPOP s -1
SPOP s x
SPOP s 1 1
SADD single x
SPOP single
EXISTS single
SPOP s 100
EXISTS s
SRANDMEMBER t
SRANDMEMBER t 0
SRANDMEMBER t 2
SRANDMEMBER t 100
SRANDMEMBER t -5
SRANDMEMBER t x
SRANDMEMBER t -9223372036854775808
SRANDMEMBER t 1 1
SRANDMEMBER none
SRANDMEMBER none 2
SSCAN t 0
SSCAN t 0 MATCH [a-d]
SSCAN t 0 COUNT 100
SSCAN none 0
SSCAN t 0 COUNT 0
# The wrong kind
SET str x
INCR l2
INCR str
APPEND l2 x
GET l2
GET t
GETSET t 1
GETDEL t
GETEX t
SET t 1 GET
STRLEN t
GETRANGE t 0 1
SETRANGE t 0 x
INCRBYFLOAT t 1
INCRBYFLOAT t x
MGET t str l2
HSET str f 1
HGET l2 f
HGETALL t
HINCRBY str f 1
HINCRBY str f x
HINCRBYFLOAT str f 1
HINCRBYFLOAT str f x
HSCAN str 0
HDEL str f
LPUSH str a
LPOP str
LPOP str 0
LRANGE str 0 -1
LLEN t
LINDEX t 0
LINDEX t x
LSET t 0 x
LSET t x x
LREM t 0 x
LTRIM t 0 1
LINSERT t BEFORE a b
LPOS t a
RPOPLPUSH t l2
RPOPLPUSH l2 t
RPOPLPUSH none t
SADD str a
SREM str a
SMEMBERS l2
SISMEMBER str a
SMISMEMBER str a
SCARD str
SPOP str
SPOP str 0
SRANDMEMBER str
SINTER t str
SINTER none str
SUNION none str
SDIFF none str
SUNIONSTORE x t str
SMOVE t str c
SMOVE str t c
SMOVE none str c
SSCAN str 0
SET t 1
TYPE t
# The server and its clients
PING
PING hello
PING a b
ECHO hi
ECHO
SELECT 0
SELECT 1
SELECT -1
SELECT x
SELECT 99999999999
AUTH secret
AUTH default secret
AUTH someone secret
AUTH a b c
HELLO 4
HELLO 1
HELLO x
HELLO 2 FOO
HELLO 2 AUTH someone secret
HELLO 2 AUTH someone
HELLO 2 SETNAME
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT NO-EVICT on
CLIENT NO-EVICT maybe
CLIENT REPLY ON
CLIENT REPLY maybe
CLIENT
CLIENT FOO
CLIENT ID x
CLIENT LIST TYPE pubsub
CLIENT LIST TYPE foo
CLIENT LIST ID
CLIENT LIST ID x
CLIENT LIST ID 0
CLIENT LIST ID 99999999
CLIENT LIST FOO
CONFIG GET save
CONFIG GET appendonly
CONFIG GET none*
CONFIG GET MAXMEMORY-POLICY
CONFIG GET
CONFIG
CONFIG FOO
COMMAND INFO none
COMMAND DOCS none
COMMAND FOO
COMMAND COUNT x
TIME x
DBSIZE x
# Neither known
FOO
foo bar baz
FOO ""
GET
GET a b
SET a
set
INCR
HGET h
LPUSH l
SADD s
MGET
SETEX a 1
RANDOMKEY x
FLUSHALL FOO
FLUSHALL ASYNC SYNC
FLUSHDB ASYNC
DBSIZE
RANDOMKEY
FLUSHALL SYNC
KEYS *
SCAN 0
"#;
