// Node's `redis` through the proxy: node_redis.js PORT PROTOCOL prints "ok", or says what went wrong.
'use strict';
const { createClient, createClientPool, defineScript, WatchError, RESP_TYPES } = require('redis');
const { assert, until, tell } = require('./check.js');

const [port, RESP] = process.argv.slice(2).map(Number);
const name = (key) => `node${RESP}:${key}`;
const options = (more = {}) => ({ socket: { host: '127.0.0.1', port, reconnectStrategy: false }, RESP, ...more });

async function connect(more) {
  const client = createClient(options(more));
  client.on('error', (error) => console.error(error));
  return client.connect();
}

tell({
  async values() {
    const client = await connect();
    const binary = Buffer.from(Array.from({ length: 5000 }, (_, n) => n % 256));
    const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    assert.equal(await client.ping(), 'PONG');
    assert.equal(await client.set(name('s'), binary), 'OK');
    assert.deepEqual(await buffers.get(name('s')), binary);
    assert.equal(await client.get(name('none')), null);
    assert.equal(await client.set(name('s'), 'x', { condition: 'NX' }), null);
    assert.equal(await client.set(name('e'), 'x', { expiration: { type: 'EX', value: 100 } }), 'OK');
    assert.ok((await client.ttl(name('e'))) > 90);
    assert.equal(await client.incrBy(name('n'), 5), 5);
    assert.deepEqual(await client.mGet([name('n'), name('none')]), ['5', null]);
    assert.equal(await client.hSet(name('h'), { a: '1', b: '2' }), 2);
    assert.deepEqual({ ...(await client.hGetAll(name('h'))) }, { a: '1', b: '2' });
    assert.deepEqual({ ...(await client.hGetAll(name('none'))) }, {});
    assert.equal(await client.rPush(name('l'), ['a', '', 'c']), 3);
    assert.deepEqual(await client.lRange(name('l'), 0, -1), ['a', '', 'c']);
    assert.equal(await client.sAdd(name('set'), ['x', 'y']), 2);
    assert.deepEqual((await client.sMembers(name('set'))).sort(), ['x', 'y']);
    await client.zAdd(name('z'), [{ score: 1, value: 'one' }, { score: 2.5, value: 'two' }, { score: Infinity, value: 'inf' }]);
    assert.deepEqual(await client.zRangeWithScores(name('z'), 0, -1), [
      { value: 'one', score: 1 }, { value: 'two', score: 2.5 }, { value: 'inf', score: Infinity },
    ]);
    assert.equal(await client.zScore(name('z'), 'none'), null);
    const id = await client.xAdd(name('x'), '*', { field: 'value' });
    assert.equal((await client.xRange(name('x'), '-', '+'))[0].id, id);
    assert.equal((await client.geoAdd(name('geo'), { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' })), 1);
    assert.equal(await client.pfAdd(name('hll'), ['a', 'b']), 1);
    assert.equal(await client.setBit(name('bits'), 7, 1), 0);
    assert.equal((await client.configGet('maxmemory')).maxmemory, '0');
    assert.ok((await client.info('server')).includes('redis_version:7.'));
    await assert.rejects(client.lPush(name('s'), 'x'), /^\[?.*WRONGTYPE/);
    await assert.rejects(client.sendCommand(['NOSUCH']), /unknown command/);
    await client.close();
  },

  async pipelines() {
    const client = await connect();
    const replies = await Promise.all(
      Array.from({ length: 5000 }, (_, n) => [client.set(name(`p${n}`), n), client.get(name(`p${n}`))]).flat(),
    );
    assert.deepEqual(replies, Array.from({ length: 5000 }, (_, n) => ['OK', String(n)]).flat());
    const piped = await client.multi().set(name('a'), 1).get(name('a')).incr(name('a')).execAsPipeline();
    assert.deepEqual(piped, ['OK', '1', 2]);
    await client.close();
  },

  async transactions() {
    const client = await connect();
    const other = await connect();
    assert.deepEqual(await client.multi().set(name('t'), 1).incr(name('t')).hGetAll(name('none')).exec().then((replies) =>
      replies.map((reply) => (typeof reply === 'object' ? { ...reply } : reply))), ['OK', 2, {}]);
    await client.watch(name('t'));
    await other.set(name('t'), 9);
    await assert.rejects(client.multi().set(name('t'), 10).exec(), WatchError);
    assert.equal(await client.get(name('t')), '9');
    await assert.rejects(client.multi().incr(name('t')).addCommand(['LPUSH', name('t'), 'x']).exec());
    // What is not in the transaction goes on beside it.
    const both = await Promise.all([client.multi().incr(name('t')).incr(name('t')).exec(), client.get(name('n'))]);
    assert.deepEqual(both, [[11, 12], '5']);
    await Promise.all([client.close(), other.close()]);
  },

  async publishing() {
    const client = await connect();
    const subscriber = await client.duplicate().connect();
    const seen = [];
    const listener = (message, channel) => seen.push([channel, message]);
    await subscriber.subscribe([name('news'), name('sport')], listener);
    await subscriber.pSubscribe(`${name('n')}*`, listener);
    await subscriber.sSubscribe(name('shard'), listener);
    assert.equal(await client.publish(name('news'), 'one'), 2);
    assert.equal(await client.publish(name('sport'), 'two'), 1);
    assert.equal(await client.sPublish(name('shard'), 'three'), 1);
    await until('all four came', () => seen.length === 4);
    assert.deepEqual(seen.sort(), [
      [name('news'), 'one'], [name('news'), 'one'], [name('shard'), 'three'], [name('sport'), 'two'],
    ]);
    assert.deepEqual({ ...(await client.pubSubNumSub([name('news')])) }, { [name('news')]: 1 });
    assert.match(await subscriber.ping(), /^pong$/i);
    if (RESP === 3) assert.equal(await subscriber.get(name('none')), null);
    await subscriber.unsubscribe([name('news'), name('sport')]);
    await subscriber.pUnsubscribe(`${name('n')}*`);
    await subscriber.sUnsubscribe(name('shard'));
    assert.equal(await subscriber.get(name('none')), null);
    for (let n = 0; n < 1000; n++) client.publish(name('many'), String(n));
    assert.equal(await client.publish(name('news'), 'nobody'), 0);
    await Promise.all([client.close(), subscriber.close()]);
  },

  async blocking() {
    const client = await connect();
    const blocked = await client.duplicate().connect();
    const item = blocked.blPop([name('queue'), name('queue2')], 0);
    await until('it waits', async () => (await client.info('clients')).includes('blocked_clients:1\r\n'));
    await client.rPush(name('queue2'), 'item');
    assert.deepEqual({ ...(await item) }, { key: name('queue2'), element: 'item' });
    assert.equal(await blocked.blPop(name('queue'), 0.05), null);
    assert.equal(await blocked.sendCommand(['XREAD', 'BLOCK', '50', 'STREAMS', name('x2'), '$']), null);
    const pool = createClientPool(options());
    await pool.connect();
    const popped = pool.execute((one) => one.brPop(name('queue'), 0));
    await until('it waits', async () => (await client.info('clients')).includes('blocked_clients:1\r\n'));
    await pool.execute((one) => one.rPush(name('queue'), 'pooled'));
    assert.equal((await popped).element, 'pooled');
    await pool.close();
    await Promise.all([client.close(), blocked.close()]);
  },

  async streams() {
    // The client has not settled yet what it makes of these replies in RESP3.
    if (RESP === 3) return;
    const client = await connect();
    await client.xGroupCreate(name('jobs'), 'workers', '0', { MKSTREAM: true });
    for (let n = 0; n < 20; n++) await client.xAdd(name('jobs'), '*', { n: String(n) });
    const [{ messages }] = await client.xReadGroup('workers', 'me', { key: name('jobs'), id: '>' }, { COUNT: 15 });
    assert.equal(messages.length, 15);
    assert.equal(await client.xAck(name('jobs'), 'workers', messages.map(({ id }) => id).slice(0, 10)), 10);
    assert.equal((await client.xPending(name('jobs'), 'workers')).pending, 5);
    assert.equal((await client.xAutoClaim(name('jobs'), 'workers', 'you', 0, '0')).messages.length, 5);
    assert.equal((await client.xInfoStream(name('jobs'))).length, 20);
    await client.close();
  },

  async scans() {
    const client = await connect();
    await client.mSet(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [name(`scan:${n}`), String(n)])));
    const found = new Set();
    for await (const keys of client.scanIterator({ MATCH: name('scan:*'), COUNT: 50 })) keys.forEach((key) => found.add(key));
    assert.equal(found.size, 300);
    await client.hSet(name('fields'), Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`f${n}`, String(n)])));
    let fields = 0;
    for await (const entries of client.hScanIterator(name('fields'))) fields += entries.length;
    assert.equal(fields, 300);
    await client.close();
  },

  async scripts() {
    const client = await connect({
      scripts: {
        double: defineScript({
          SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)",
          NUMBER_OF_KEYS: 1,
          parseCommand: (parser, key, by) => { parser.pushKey(key); parser.push(String(by)); },
          transformReply: undefined,
        }),
      },
    });
    await client.scriptFlush();
    assert.equal(await client.double(name('d'), 4), 8);
    assert.equal(await client.double(name('d'), 1), 10);
    assert.deepEqual(await client.eval('return {#KEYS, ARGV[1], 3}', { keys: ['k'], arguments: ['a'] }), [1, 'a', 3]);
    const code = "#!lua name=nodelib\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)";
    await client.functionLoad(code, { REPLACE: true });
    assert.equal(await client.fCall('twice', { keys: [], arguments: ['21'] }), 42);
    await client.functionDelete('nodelib');
    await client.close();
  },

  async caching() {
    if (RESP !== 3) return;
    const client = await connect({ clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } });
    const other = await connect();
    await other.set(name('cached'), 'first');
    assert.equal(await client.get(name('cached')), 'first');
    assert.equal(await client.get(name('cached')), 'first');
    await other.set(name('cached'), 'second');
    await until('the invalidation came', async () => (await client.get(name('cached'))) === 'second');
    await Promise.all([client.close(), other.close()]);
  },

  async sessions() {
    const admin = await connect();
    await admin.aclSetUser(name('reader'), ['on', '>secret', '~*', '+@read', '+@connection']);
    const reader = await connect({ username: name('reader'), password: 'secret', database: 3, name: 'reader' });
    assert.equal(await reader.clientGetName(), 'reader');
    await assert.rejects(reader.set('a', '1'), /NOPERM/);
    const chosen = await connect({ database: 3 });
    await chosen.set(name('where'), 'three');
    assert.equal(await reader.get(name('where')), 'three');
    assert.equal(await admin.get(name('where')), null);
    await admin.select(3);
    assert.equal(await admin.get(name('where')), 'three');
    const wrong = createClient(options({ username: name('reader'), password: 'wrong' }));
    wrong.on('error', () => {});
    await assert.rejects(wrong.connect(), /WRONGPASS/);
    await Promise.all([reader.close(), chosen.close()]);
    await admin.aclDelUser(name('reader'));
    await admin.close();
  },

  async monitoring() {
    const client = await connect();
    const monitor = await connect();
    const lines = [];
    await monitor.monitor((line) => lines.push(line));
    await client.set(name('watched'), 'by a monitor');
    await until('the monitor saw it', () => lines.some((line) => line.includes('by a monitor')));
    await monitor.reset();
    assert.equal(await monitor.get(name('none')), null);
    await Promise.all([client.close(), monitor.close()]);
  },
});
