// ioredis as a plain and as a cluster client: node ioredis_client.js FIRST_PORT COUNT. Exit status 0 if all is as with Redis.
'use strict';
const assert = require('assert');
const Redis = require('ioredis');

async function plain(port) {
  const client = new Redis(port, '127.0.0.1');
  for (let i = 0; i < 30; i++) {
    assert.strictEqual(await client.set(`plain:${port}:${i}`, i), 'OK');
    assert.strictEqual(await client.get(`plain:${port}:${i}`), String(i));
  }
  await client.del('{n}counter');
  const replies = await client.multi().incr('{n}counter').incr('{n}counter').exec();
  assert.deepStrictEqual(replies, [[null, 1], [null, 2]]);
  await assert.rejects(client.call('nonsense'), /unknown command/);
  await client.quit();
}

async function cluster(ports) {
  const client = new Redis.Cluster(ports.map((port) => ({host: '127.0.0.1', port})));
  await Promise.all([...Array(200).keys()].map((i) => client.set(`cluster:${i}`, i)));
  const values = await Promise.all([...Array(200).keys()].map((i) => client.get(`cluster:${i}`)));
  assert.deepStrictEqual(values, [...Array(200).keys()].map(String));
  const pipeline = client.pipeline();
  for (let i = 0; i < 10; i++) pipeline.incr('{p}n');
  const counts = (await pipeline.exec()).map(([error, value]) => (assert.ifError(error), value));
  assert.strictEqual(counts[9] - counts[0], 9);
  assert.strictEqual(client.nodes('all').length >= 1, true);
  await client.quit();
}

async function main() {
  const first = Number(process.argv[2]);
  const ports = [...Array(Number(process.argv[3])).keys()].map((i) => first + i);
  for (const port of ports) await plain(port);
  await cluster(ports);
  console.log('ioredis: as expected');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
