// Node's `ioredis` through the proxy: ioredis.js PORT prints "ok", or says what went wrong. It speaks RESP2 alone.
'use strict';
const Redis = require('ioredis');
const { assert, until, tell } = require('./check.js');

const port = Number(process.argv[2]);
const name = (key) => `io:${key}`;
const connect = (more = {}) => new Redis({ host: '127.0.0.1', port, retryStrategy: null, ...more });

tell({
  async values() {
    const client = connect();
    const binary = Buffer.from(Array.from({ length: 5000 }, (_, n) => n % 256));
    assert.equal(await client.set(name('s'), binary), 'OK');
    assert.deepEqual(await client.getBuffer(name('s')), binary);
    assert.equal(await client.get(name('none')), null);
    assert.equal(await client.hset(name('h'), { a: 1, b: 2 }), 2);
    assert.deepEqual(await client.hgetall(name('h')), { a: '1', b: '2' });
    assert.equal(await client.rpush(name('l'), 'a', '', 'c'), 3);
    assert.deepEqual(await client.lrange(name('l'), 0, -1), ['a', '', 'c']);
    await client.zadd(name('z'), 1, 'one', 2.5, 'two');
    assert.deepEqual(await client.zrange(name('z'), 0, -1, 'WITHSCORES'), ['one', '1', 'two', '2.5']);
    assert.deepEqual(await client.geopos(name('none'), 'x'), [null]);
    await assert.rejects(client.lpush(name('s'), 'x'), /WRONGTYPE/);
    await assert.rejects(client.call('NOSUCH'), /unknown command/);
    client.disconnect();
  },

  async pipelines() {
    const client = connect();
    const pipeline = client.pipeline();
    for (let n = 0; n < 3000; n++) pipeline.set(name(`p${n}`), n).get(name(`p${n}`));
    const replies = await pipeline.lpush(name('p1'), 'x').exec();
    assert.match(replies.pop()[0].message, /WRONGTYPE/);
    assert.deepEqual(replies, Array.from({ length: 3000 }, (_, n) => [[null, 'OK'], [null, String(n)]]).flat());
    const automatic = connect({ enableAutoPipelining: true });
    const values = await Promise.all(Array.from({ length: 500 }, (_, n) => automatic.get(name(`p${n}`))));
    assert.deepEqual(values, Array.from({ length: 500 }, (_, n) => String(n)));
    client.disconnect();
    automatic.disconnect();
  },

  async transactions() {
    const client = connect();
    const other = connect();
    assert.deepEqual(await client.multi().set(name('t'), 1).incr(name('t')).exec(), [[null, 'OK'], [null, 2]]);
    await client.watch(name('t'));
    await other.set(name('t'), 9);
    assert.equal(await client.multi().set(name('t'), 10).exec(), null);
    assert.equal(await client.get(name('t')), '9');
    // Step by step, each command waiting for its QUEUED.
    await client.multi({ pipeline: false });
    assert.equal(await client.incr(name('t')), 'QUEUED');
    assert.equal(await other.get(name('t')), '9');
    assert.deepEqual(await client.exec(), [[null, 10]]);
    await assert.rejects(client.multi().call('NOSUCH').exec(), /EXECABORT/);
    client.disconnect();
    other.disconnect();
  },

  async publishing() {
    const client = connect();
    const subscriber = connect();
    const seen = [];
    subscriber.on('message', (channel, message) => seen.push([channel, message]));
    subscriber.on('pmessage', (pattern, channel, message) => seen.push([pattern, channel, message]));
    assert.equal(await subscriber.subscribe(name('news'), name('sport')), 2);
    assert.equal(await subscriber.psubscribe(`${name('n')}*`), 3);
    assert.equal(await client.publish(name('news'), 'one'), 2);
    await until('both came', () => seen.length === 2);
    assert.deepEqual(seen.sort(), [[`${name('n')}*`, name('news'), 'one'], [name('news'), 'one']]);
    await assert.rejects(subscriber.get('x'), /subscriber mode/);
    await subscriber.unsubscribe(name('news'), name('sport'));
    await subscriber.punsubscribe(`${name('n')}*`);
    assert.equal(await subscriber.get(name('none')), null);
    client.disconnect();
    subscriber.disconnect();
  },

  async blocking() {
    const client = connect();
    const blocked = connect();
    const item = blocked.blpop(name('queue'), 0);
    await until('it waits', async () => (await client.info('clients')).includes('blocked_clients:1\r\n'));
    await client.rpush(name('queue'), 'item');
    assert.deepEqual(await item, [name('queue'), 'item']);
    assert.equal(await blocked.brpop(name('queue'), 0.05), null);
    client.disconnect();
    blocked.disconnect();
  },

  async scans() {
    const client = connect();
    await client.mset(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [name(`scan:${n}`), n])));
    const found = new Set();
    for await (const keys of client.scanStream({ match: name('scan:*'), count: 50 })) keys.forEach((key) => found.add(key));
    assert.equal(found.size, 300);
    client.disconnect();
  },

  async scripts() {
    const client = connect({ keyPrefix: 'own:' });
    await client.script('FLUSH');
    client.defineCommand('double', { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)" });
    assert.equal(await client.double(name('d'), 4), 8);
    assert.equal(await client.double(name('d'), 1), 10);
    assert.deepEqual(await client.pipeline().double(name('d'), 1).get(name('d')).exec(), [[null, 12], [null, '12']]);
    client.disconnect();
  },

  async sessions() {
    const client = connect({ db: 4, connectionName: 'me' });
    await client.set(name('where'), 'four');
    assert.equal(await client.client('GETNAME'), 'me');
    const other = connect();
    assert.equal(await other.get(name('where')), null);
    await other.select(4);
    assert.equal(await other.get(name('where')), 'four');
    const monitor = await other.duplicate().monitor();
    const lines = [];
    monitor.on('monitor', (time, args) => lines.push(args.join(' ')));
    await client.set(name('watched'), 'by a monitor');
    await until('the monitor saw it', () => lines.some((line) => line.includes('by a monitor')));
    monitor.disconnect();
    client.disconnect();
    other.disconnect();
  },
});
