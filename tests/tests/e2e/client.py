"""Python's `redis` through the proxy: client.py PORT PROTOCOL prints "ok", or says what went wrong."""

import sys
import threading

import redis

port, protocol = int(sys.argv[1]), int(sys.argv[2])
client = redis.Redis(host="127.0.0.1", port=port, protocol=protocol, socket_timeout=20)
name = f"py{protocol}:".__add__


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


# Every kind of reply.
binary = bytes(range(256)) * 17
same(client.set(name("s"), binary), True)
same(client.get(name("s")), binary)
same(client.get(name("none")), None)
same(client.incr(name("n"), 5), 5)
same(client.incrbyfloat(name("f"), 1.5), 1.5)
same(client.rpush(name("l"), "a", "b", ""), 3)
same(client.lrange(name("l"), 0, -1), [b"a", b"b", b""])
same(client.lrange(name("none"), 0, -1), [])
same(client.hset(name("h"), mapping={"a": 1, "b": 2}), 2)
same(client.hgetall(name("h")), {b"a": b"1", b"b": b"2"})
same(client.sadd(name("set"), "x", "y"), 2)
same(client.smembers(name("set")), {b"x", b"y"})
client.zadd(name("z"), {"one": 1, "two": 2.5})
same(client.zscore(name("z"), "two"), 2.5)
same(sorted(k for k in client.scan_iter(match=name("*"), count=3)), sorted(client.keys(name("*"))))
assert name("s").encode() in client.keys(name("*"))
try:
    client.lpush(name("s"), 1)
    raise AssertionError("no error")
except redis.ResponseError as error:
    assert str(error).startswith("WRONGTYPE"), error

# Pipelines and transactions.
with client.pipeline(transaction=False) as pipe:
    for i in range(2000):
        pipe.set(name(f"p{i}"), i)
        pipe.get(name(f"p{i}"))
    same(pipe.execute(), [x for i in range(2000) for x in (True, str(i).encode())])
with client.pipeline(transaction=True) as pipe:
    pipe.set(name("t"), 1).incr(name("t")).get(name("t"))
    same(pipe.execute(), [True, 2, b"2"])
with client.pipeline() as pipe:
    pipe.watch(name("t"))
    client.set(name("t"), 9)
    pipe.multi()
    pipe.set(name("t"), 10)
    try:
        pipe.execute()
        raise AssertionError("a watched key changed, and the transaction went through")
    except redis.WatchError:
        pass
same(client.get(name("t")), b"9")

# Publish and subscribe, on a connection of its own, while the others go on.
pubsub = client.pubsub()
pubsub.subscribe(name("news"))
same(pubsub.get_message(timeout=20)["type"], "subscribe")
same(client.publish(name("news"), "hello"), 1)
message = pubsub.get_message(timeout=20)
same((message["type"], message["channel"], message["data"]), ("message", name("news").encode(), b"hello"))
pubsub.psubscribe(name("n*"))
same(pubsub.get_message(timeout=20)["type"], "psubscribe")
pubsub.close()

# A blocked client, and the one that wakes it.
woken = []
waiter = threading.Thread(target=lambda: woken.append(client.blpop([name("queue")], timeout=20)))
waiter.start()
while not any(c["cmd"] == "blpop" for c in client.client_list()):
    pass
client.rpush(name("queue"), "item")
waiter.join()
same(tuple(woken[0]), (name("queue").encode(), b"item"))

# A script, and the functions that carry key counts.
same(client.eval("return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}", 1, name("t"), "arg")[1:], [b"arg", b"9"])

print("ok")
