// The functions of node-redis, versions 4 and 5, that client_driver.js uses.
'use strict';

// Version 5 yields the keys of one reply at a time, version 4 one key at a time.
async function* scan(node, pattern, count) {
  for await (const keys of node.scanIterator({MATCH: pattern, COUNT: count})) yield* Array.isArray(keys) ? keys : [keys];
}

exports.connect = async (library, kind, ports, orError) => {
  const {createClient, createCluster} = require(library);
  const cluster = kind === 'cluster';
  const urls = ports.map((port) => ({url: `redis://127.0.0.1:${port}`}));
  // No retries: the test must notice a connection that the store closes.
  const client = cluster ? createCluster({rootNodes: urls}) : createClient({...urls[0], socket: {reconnectStrategy: false}});
  client.on('error', (error) => console.error(error.message));
  await client.connect();
  return {
    client,
    nodes: () => (cluster ? Promise.all(client.masters.map((master) => client.nodeClient(master))) : [client]),
    // Commands that are sent without waiting leave as one pipeline.
    pipeline: (commands) => Promise.all(commands.map(([name, ...words]) => orError(client[name](...words)))),
    scan,
    size: (node) => node.dbSize(),
    setMany: (pairs) => client.mSet(pairs),
    getMany: (keys) => client.mGet(keys),
    close: () => client.quit(),
  };
};
