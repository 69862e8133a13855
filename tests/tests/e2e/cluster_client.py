"""Python's cluster client through the proxies of a cluster's nodes.

cluster_client.py work PROTOCOL ENTRY... -- ADDRESS...   does what applications do and prints "ok", or says what went wrong
cluster_client.py count PROTOCOL ENTRY... -- ADDRESS...  counts until the key "stop" is there, and prints how far
cluster_client.py stay PROTOCOL ENTRY... -- ADDRESS...   writes and reads until the key "stop" is there, whatever becomes of a node

ENTRY is where it begins, ADDRESS all that it may find: host:port.
"""

import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, LoadBalancingStrategy, RedisCluster
from redis.retry import Retry

story, protocol = sys.argv[1], int(sys.argv[2])
end = sys.argv.index("--")
entries, addresses = sys.argv[3:end], set(sys.argv[end + 1 :])
LIMIT = 30


def connect(**options):
    nodes = [ClusterNode(host, int(port)) for host, port in (entry.split(":") for entry in entries)]
    return RedisCluster(startup_nodes=nodes, protocol=protocol, socket_timeout=LIMIT, **options)


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def until(condition, what):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < LIMIT, what
        time.sleep(0.01)


def found_by(client):
    return {f"{node.host}:{node.port}" for node in client.get_nodes()}


def work():
    client = connect()
    same(found_by(client), addresses)
    same(set(client.cluster_nodes()), addresses)
    name = f"py{protocol}:".__add__
    keys = [name(f"key:{n}") for n in range(300)]
    for n, key in enumerate(keys):
        same(client.set(key, n), True)
    for n, key in enumerate(keys):
        same(client.get(key), str(n).encode())
    same(client.mget_nonatomic(*keys), [str(n).encode() for n in range(300)])
    same(client.incr(keys[7], 3), 10)
    assert client.mset({name("{tag}:a"): "1", name("{tag}:b"): "2"})
    same(client.mget(name("{tag}:a"), name("{tag}:b")), [b"1", b"2"])
    same(sorted(client.scan_iter(match=name("key:*"), count=20)), sorted(key.encode() for key in keys))
    try:
        client.lpush(keys[0], 1)
        raise AssertionError("no error")
    except redis.ResponseError as error:
        assert str(error).startswith("WRONGTYPE"), error

    # Pipelines to all nodes at once, and a transaction on one.
    with client.pipeline() as pipe:
        for n in range(500):
            pipe.set(name(f"p:{n}"), n)
            pipe.get(name(f"p:{n}"))
        same(pipe.execute(), [x for n in range(500) for x in (True, str(n).encode())])
    with client.pipeline(transaction=True) as pipe:
        pipe.set(name("{t}:n"), 1)
        pipe.incr(name("{t}:n"))
        pipe.get(name("{t}:n"))
        same(pipe.execute()[1:], [2, b"2"])

    # Scripts, sent once and then known by their names.
    same(client.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", 1, name("{t}:n"), 5), 7)
    script = client.register_script("return redis.call('GET', KEYS[1])")
    for n in range(20):
        same(script(keys=[keys[n]]), client.get(keys[n]))

    # A blocked client, and the one that wakes it.
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(client.blpop([name("queue")], timeout=LIMIT)))
    waiter.start()
    client.rpush(name("queue"), "item")
    waiter.join()
    same(tuple(woken[0]), (name("queue").encode(), b"item"))

    # Publish and subscribe, through the whole cluster and within a shard.
    pubsub = client.pubsub()
    pubsub.subscribe(name("news"))
    same(pubsub.get_message(timeout=LIMIT)["type"], "subscribe")
    client.publish(name("news"), "hello")
    message = pubsub.get_message(timeout=LIMIT)
    same((message["type"], message["data"]), ("message", b"hello"))
    pubsub.close()
    for n in range(5):
        channel = name(f"shard:{n}")
        pubsub = client.pubsub()
        pubsub.ssubscribe(channel)
        got = []

        def heard(kind):
            message = pubsub.get_sharded_message(timeout=0.1)
            if message:
                got.append(message)
            return any(message["type"] == kind for message in got)

        until(lambda: heard("ssubscribe"), f"no subscription of {channel}")
        client.spublish(channel, "hello")
        until(lambda: heard("smessage"), f"no message of {channel}")
        pubsub.close()

    # Reads that replicas may answer: each connection has said READONLY.
    replicas = connect(load_balancing_strategy=LoadBalancingStrategy.ROUND_ROBIN)
    until(lambda: replicas.mget_nonatomic(*keys[:50]) == client.mget_nonatomic(*keys[:50]), "the replicas lag behind")
    for n, key in enumerate(keys[10:]):
        same(replicas.get(key), str(n + 10).encode())
    same(found_by(replicas) | found_by(client), addresses)
    print("ok")


def count():
    # Whatever is repeated would be counted twice: redirections are followed, nothing else.
    client = connect(retry=Retry(NoBackoff(), 0))
    keys = ["{moving}:py:%d" % n for n in range(4)] + ["py:%d" % n for n in range(4)]
    counts = dict.fromkeys(keys, 0)
    while not client.exists("stop"):
        for key in keys:
            counts[key] += 1
            same(client.incr(key), counts[key])
            same(client.get(key), str(counts[key]).encode())
        with client.pipeline() as pipe:
            for key in keys:
                pipe.incr(key)
            for key, found in zip(keys, pipe.execute()):
                counts[key] += 1
                same(found, counts[key])
        for key in keys:
            counts[key] += 1
            same(client.eval("return redis.call('INCR', KEYS[1])", 1, key), counts[key])
    same(found_by(client), addresses)
    for key, reached in counts.items():
        print(key, reached)


def stay():
    client = connect()
    keys = [f"py:{n}" for n in range(50)]
    rounds = 0
    while not client.exists("stop"):
        rounds += 1
        for key in keys:
            same(client.set(key, rounds), True)
            same(client.get(key), str(rounds).encode())
        client.set("rounds", rounds)
    assert found_by(client) <= addresses, found_by(client)
    print("ok")


{"work": work, "count": count, "stay": stay}[story]()
