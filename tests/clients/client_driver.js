// Drives one JavaScript client for a test: node client_driver.js PACKAGE plain|cluster PORT...
//
// Each line of standard input is a request, {"do": NAME, ...}; each gets one line of output, {"result": ...} or {"error": MESSAGE}.
// The client's own functions do the work, as a program that uses it would call them.
'use strict';
const readline = require('readline');

const ADAPTERS = {
  ioredis: './ioredis_adapter.js',
  redis4: './node_redis_adapter.js',
  redis5: './node_redis_adapter.js',
};

// An error is a reply of its own, so that one refused command does not hide the others' replies.
const orError = (promise) => promise.catch((error) => ({error: error.message}));

async function scan(adapter, {pattern, count, atMost}) {
  const keys = [];
  for (const node of await adapter.nodes()) {
    for await (const key of adapter.scan(node, pattern, count)) {
      keys.push(key);
      if (keys.length > atMost) throw new Error(`SCAN does not end: more than ${atMost} keys`);
    }
  }
  return keys;
}

const onEachNode = async (adapter, ask) => Promise.all((await adapter.nodes()).map(ask));

const ACTIONS = {
  set: (adapter, {key, value}) => adapter.client.set(key, value),
  get: (adapter, {key}) => adapter.client.get(key),
  setMany: (adapter, {pairs}) => adapter.setMany(pairs),
  getMany: (adapter, {keys}) => adapter.getMany(keys),
  deleteMany: (adapter, {keys}) => adapter.client.del(keys),
  existMany: (adapter, {keys}) => adapter.client.exists(keys),
  pipeline: (adapter, {commands}) => adapter.pipeline(commands),
  keys: async (adapter, {pattern}) => (await onEachNode(adapter, (node) => node.keys(pattern))).flat(),
  size: async (adapter) => (await onEachNode(adapter, adapter.size)).reduce((sum, keys) => sum + keys, 0),
  scan,
};

async function main([library, kind, ...ports]) {
  const adapter = await require(ADAPTERS[library]).connect(library, kind, ports.map(Number), orError);
  for await (const line of readline.createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    let answer;
    try {
      answer = {result: await ACTIONS[request.do](adapter, request)};
    } catch (error) {
      answer = {error: error.message};
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
  await adapter.close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
