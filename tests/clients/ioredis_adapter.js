// The functions of ioredis that client_driver.js uses.
'use strict';
const Redis = require('ioredis');

// One pipeline of a cluster client serves the slots of one node only, so a program sends its commands one by one without waiting.
const oneByOne = (client, commands, orError) =>
    Promise.all(commands.map(([name, ...words]) => orError(client[name.toLowerCase()](...words))));

async function asPipeline(client, commands) {
  const pipeline = client.pipeline();
  for (const [name, ...words] of commands) pipeline[name.toLowerCase()](...words);
  return (await pipeline.exec()).map(([error, reply]) => (error ? {error: error.message} : reply));
}

async function* scan(node, pattern, count) {
  for await (const keys of node.scanStream({match: pattern, count})) yield* keys;
}

exports.connect = async (library, kind, ports, orError) => {
  const cluster = kind === 'cluster';
  // No retries: the test must notice a connection that the store closes.
  const client = cluster ? new Redis.Cluster(ports.map((port) => ({host: '127.0.0.1', port}))) :
                           new Redis(ports[0], '127.0.0.1', {retryStrategy: null});
  return {
    client,
    nodes: async () => (cluster ? client.nodes('master') : [client]),
    pipeline: (commands) => (cluster ? oneByOne(client, commands, orError) : asPipeline(client, commands)),
    scan,
    size: (node) => node.dbsize(),
    setMany: (pairs) => client.mset(pairs),
    getMany: (keys) => client.mget(keys),
    close: () => client.quit(),
  };
};
