"""Common clients, unchanged, against a cluster that quickstart starts."""

import os
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402

quickstart_cluster.with_debian_python()

import redis  # noqa: E402
from redis.cluster import RedisCluster  # noqa: E402


def run(*command, text=None):
    done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


class ClientsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.cluster = quickstart_cluster.QuickstartCluster(more=('--read-replicas', '1')).started()

    @classmethod
    def tearDownClass(cls):
        assert cls.cluster.stop() == 0, cls.cluster.output

    def cli(self, node, *words, text=None, options=()):
        port = self.cluster.cluster_port if '-c' in options else self.cluster.port
        status, out, err = run('redis-cli', *options, '-p', port + node, *words, text=text)
        self.assertEqual(0, status, out + err)
        return out.rstrip('\n')

    # ---- redis-cli

    def test_RedisCli_OnAnyNode_ReadsWhatAnotherWrote(self):
        for i, port in enumerate(self.cluster.ports()):
            self.assertEqual('OK', self.cli(i, 'set', f'cli:{i}', f'from {port}'))
            for other in range(self.cluster.count):
                self.assertEqual(f'from {port}', self.cli(other, 'get', f'cli:{i}'))

    def test_RedisCli_InEveryProtocol_ReceivesTheRepliesOfRedis(self):
        for options in ((), ('-3',), ('-c',), ('-c', '-3')):
            self.assertEqual('1', self.cli(0, 'del', 'n') if self.cli(0, 'exists', 'n') == '1' else '1')
            self.assertEqual('1', self.cli(0, 'incr', 'n', options=options))
            self.assertEqual('41', self.cli(1, 'incrby', 'n', '40', options=options))
            self.assertEqual('2', self.cli(1, 'append', 'text', 'ab', options=options))
            self.assertEqual('1', self.cli(2, 'del', 'text', options=options))
            self.assertEqual('', self.cli(2, 'get', 'text', options=options))
            self.assertIn('ERR unknown command', self.cli(0, 'nonsense', options=options))
            self.assertIn('wrong number of arguments', self.cli(0, 'get', options=options))

    def test_RedisCli_Transactions_AreAtomic(self):
        out = self.cli(0, text='set {t}a 1\nmulti\nincr {t}a\nincr {t}a\nexec\n')
        self.assertEqual(['2', '3'], out.split()[-2:], out)

    def test_RedisCli_ClusterCommands_Agree(self):
        status, out, err = run('redis-cli', '--cluster', 'check', f'127.0.0.1:{self.cluster.cluster_port}')
        self.assertEqual(0, status, out + err)
        self.assertIn('All 16384 slots covered', out)
        self.assertIn('cluster_state:ok', self.cli(0, 'cluster', 'info', options=('-c',)))
        self.assertIn('cluster support disabled', self.cli(0, 'cluster', 'info'))

    # ---- redis-benchmark

    def check_benchmark(self, *options):
        status, out, err = run('redis-benchmark', '-t', 'ping,get,set,incr', '-n', 2000, '-q', *options)
        self.assertEqual(0, status, out + err)
        self.assertNotIn('rror', out + err)
        for test in ('PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR'):
            self.assertRegex(out, rf'{test}: [0-9.]+ requests per second')

    def test_RedisBenchmark_OnEachNode_RunsWithoutErrors(self):
        for port in self.cluster.ports():
            self.check_benchmark('-p', port)

    def test_RedisBenchmark_AsAClusterClient_RunsWithoutErrors(self):
        # redis-benchmark refuses a cluster with one master. It gives up when a node that was no master at its start becomes a leader.
        limit = time.monotonic() + 60
        while self.cli(0, 'cluster', 'nodes', options=('-c',)).count('master') < self.cluster.count:
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.1)
        time.sleep(1)
        self.check_benchmark('-p', self.cluster.cluster_port, '--cluster')

    # ---- python3-redis

    def test_PythonRedis_PlainClient_WorksOnEachNode(self):
        for port in self.cluster.ports():
            client = redis.Redis(port=port, decode_responses=True)
            for i in range(30):
                self.assertTrue(client.set(f'plain:{port}:{i}', i))
            self.assertEqual([str(i) for i in range(30)], [client.get(f'plain:{port}:{i}') for i in range(30)])
            self.assertTrue(client.set('expiring', 'x', px=100_000))
            self.assertGreater(client.pttl('expiring'), 0)
            self.assertIsNone(client.set('expiring', 'y', nx=True))

    def test_PythonRedis_PlainClient_SeesAllKeysOnEachNode(self):
        writer = redis.Redis(port=self.cluster.port, decode_responses=True)
        for i in range(100):
            writer.set(f'all:{i}', i)
        for port in self.cluster.ports():
            client = redis.Redis(port=port, decode_responses=True)
            self.assertEqual(0, client.info()['cluster_enabled'])
            expected = sorted(f'all:{i}' for i in range(100))
            self.assertEqual(expected, sorted(client.keys('all:*')))
            self.assertEqual(expected, sorted(client.scan_iter('all:*')))
            self.assertGreaterEqual(client.dbsize(), 100)
            self.assertGreaterEqual(client.info('keyspace')['db0']['keys'], 100)

    def test_PythonRedis_ClusterClient_FindsEverySlot(self):
        client = RedisCluster(host='127.0.0.1', port=self.cluster.cluster_port, decode_responses=True)
        for i in range(100):
            self.assertTrue(client.set(f'cluster:{i}', i))
        self.assertEqual([str(i) for i in range(100)], [client.get(f'cluster:{i}') for i in range(100)])
        # SCAN covers the groups that each node leads, and a client keeps its first slot map. While leadership still moves to the
        # preferred leaders, only a client that connects later sees all keys. A cursor from before such a move is refused.
        limit = time.monotonic() + 60
        while True:
            try:
                found = set(client.scan_iter('cluster:*'))
            except redis.exceptions.ResponseError as error:
                self.assertIn('invalid cursor', str(error))
                found = set()
            if len(found) == 100 or time.monotonic() > limit:
                break
            time.sleep(0.2)
            client = RedisCluster(host='127.0.0.1', port=self.cluster.cluster_port, decode_responses=True)
        self.assertEqual({f'cluster:{i}' for i in range(100)}, found)
        keys = client.keys('*')
        self.assertEqual(len(set(keys)), len(keys))
        self.assertEqual(len(keys), client.dbsize())
        client.delete('{tag}n')
        with client.pipeline() as pipeline:
            pipeline.incr('{tag}n').incr('{tag}n').get('{tag}n')
            self.assertEqual([1, 2, '2'], pipeline.execute())

    def test_PythonRedis_ManyClients_CountExactly(self):
        client = RedisCluster(host='127.0.0.1', port=self.cluster.cluster_port)
        client.delete('counter')

        def count():
            own = RedisCluster(host='127.0.0.1', port=self.cluster.cluster_port)
            for _ in range(50):
                own.incr('counter')

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(b'400', client.get('counter'))

    def test_ReadReplica_ServesStaleReadsAndRefusesWrites(self):
        client = redis.Redis(port=self.cluster.port + self.cluster.count, decode_responses=True)
        with self.assertRaises(redis.exceptions.ReadOnlyError):
            client.set('k', 'v')
        self.assertTrue(client.ping())

    # ---- curl

    def curl(self, *words):
        status, out, err = run('curl', '-sS', '-w', ' %{http_code}', *words)
        self.assertEqual(0, status, out + err)
        body, code = out.rsplit(' ', 1)
        return int(code), body

    def test_Curl_KeyApi_OnAnyNode(self):
        http = self.cluster.http
        self.assertEqual(200, self.curl('-X', 'PUT', '--data-binary', 'hello', http(0, '/v1/kv/greeting'))[0])
        for node in range(self.cluster.count):
            self.assertEqual((200, 'hello'), self.curl(http(node, '/v1/kv/greeting')))
        self.assertEqual(200, self.curl('-X', 'DELETE', http(1, '/v1/kv/greeting'))[0])
        self.assertEqual(404, self.curl(http(2, '/v1/kv/greeting'))[0])

    def test_Curl_PlainGets_SetAndGetAKey(self):
        http = self.cluster.http
        for node in range(self.cluster.count):
            self.assertEqual(200, self.curl(http(node, f'/set?key=plain&value={node}'))[0])
            self.assertEqual((200, str(node)), (lambda r: (r[0], r[1].strip()))(self.curl(http(node, '/get?key=plain'))))

    def test_Curl_HealthAndMetrics_Answer(self):
        http = self.cluster.http
        self.assertEqual(200, self.curl(http(0, '/livez'))[0])
        limit = time.monotonic() + 60
        while self.curl(http(0, '/readyz'))[0] != 200:  # The node may not know every leader yet.
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.05)
        code, text = self.curl(http(0, '/metrics'))
        self.assertEqual(200, code)
        self.assertIn('# TYPE', text)

    def test_Curl_WriteToAReadReplica_IsForbidden(self):
        code, body = self.curl('-X', 'PUT', '--data-binary', 'x', self.cluster.http(self.cluster.count, '/v1/kv/k'))
        self.assertEqual(403, code, body)


if __name__ == '__main__':
    unittest.main()
