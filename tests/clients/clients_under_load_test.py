"""One client library as a plain and as a cluster client: deep pipelines, values of every size, a large keyspace, and the nodes' memory.

Usage: clients_under_load_test.py LIBRARY; `python3-redis`, or the name of a package in package.json.
"""

import concurrent.futures
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402

quickstart_cluster.with_debian_python()

import case_report  # noqa: E402
import store_clients  # noqa: E402
from store_clients import Refused  # noqa: E402

PYTHON_REDIS = 'python3-redis'
LIBRARY = sys.argv[1] if len(sys.argv) > 1 else PYTHON_REDIS
NPM = store_clients.npm_packages()
MISSING = f"{LIBRARY} was not tested: {NPM['missing']}" if LIBRARY != PYTHON_REDIS and NPM['missing'] else ''
PIPELINE = 10_000
KEYS = 50_000
LARGE_VALUES = 100
KEYS_OF_ONE_WRITE = 10_000
# Each node has a replica of every group: about 20 MiB of values and keys, their log entries, and buffers.
NODE_RSS_MAX = 256 << 20
SETTLES_WITHIN_SECONDS = 60


def is_temporary(refusal):
    """True for errors that a change of leaders causes. node-redis 4 then also abandons requests that it sent to the old leader."""
    return str(refusal).startswith((*quickstart_cluster.TEMPORARY_ERRORS, 'Disconnects client'))


class UnderLoad:
    """The cases, for each kind of client: `KIND` is plain or cluster."""

    KIND = None

    @classmethod
    def setUpClass(cls):
        cls.store = quickstart_cluster.QuickstartCluster().started()
        cls.addClassCleanup(cls.store.stop)
        cls.store.wait_until_leaders_stay()
        cls.ports = list(cls.store.cluster_ports() if cls.KIND == 'cluster' else cls.store.plain_ports())
        cls.value_bytes_max = cls.store.value_bytes_max()

    def setUp(self):
        self.client = self.connect()

    def connect(self):
        if LIBRARY == PYTHON_REDIS:
            return store_clients.PythonClient(self.KIND, self.ports)
        return store_clients.JavascriptClient(LIBRARY, self.KIND, self.ports, NPM)

    def tearDown(self):
        self.client.close()
        self.store.check_peak_rss(self, NODE_RSS_MAX)

    def pipeline(self, commands, before=lambda: None):
        """Returns the replies to commands. Calls `before` and sends them again if a change of leaders left some without an answer."""
        limit = time.monotonic() + SETTLES_WITHIN_SECONDS
        while True:
            before()
            replies = self.client.pipeline(commands)
            temporary = [reply for reply in replies if isinstance(reply, Refused) and is_temporary(reply)]
            if not temporary or time.monotonic() > limit:
                return replies

    def fill(self, count):
        self.store.flush()
        for first in range(0, count, PIPELINE):
            replies = self.pipeline([['SET', f'key:{i}', f'{i}'] for i in range(first, min(first + PIPELINE, count))])
            self.assertEqual({'OK'}, set(replies))
        return {f'key:{i}' for i in range(count)}

    def check_whole(self, expected, ask):
        """Asserts that `ask` returns `expected` for a client.

        A cluster client asks each node about the groups that the node leads, by its first slot map. On a busy machine leadership
        may move. Then an answer is incomplete or a cursor is refused, and a client that connects later sees all keys.
        """
        def found_now():
            try:
                return ask(self.client)
            except Refused as refusal:
                return refusal

        limit = time.monotonic() + SETTLES_WITHIN_SECONDS
        found = found_now()
        while self.KIND == 'cluster' and found != expected and time.monotonic() < limit:
            self.store.wait_until_leaders_stay()
            self.client.close()
            self.client = self.connect()
            found = found_now()
        self.assertEqual(expected, found)

    # ---- pipelines

    def test_Pipeline_OfTenThousandCommands_IsAnsweredInOrder(self):
        values = [f'{i}'.ljust(1_100, '.') for i in range(PIPELINE)]
        sets = self.pipeline([['SET', f'deep:{i}', value] for i, value in enumerate(values)])
        self.assertEqual(['OK'] * PIPELINE, sets)
        self.assertEqual(values, self.pipeline([['GET', f'deep:{i}'] for i in range(PIPELINE)]))
        self.assertEqual(values[7], self.client.get('deep:7'))

    def test_Pipeline_OfTenThousandIncrements_CountsEachOnce(self):
        self.assertEqual(list(range(1, PIPELINE + 1)), self.pipeline([['INCR', 'counter']] * PIPELINE, before=self.store.flush))

    def test_Pipeline_OfErrorsAndResults_KeepsTheirOrder(self):
        self.client.set('text', 'no number')
        replies = self.pipeline([['INCR', 'text'], ['GET', 'text']] * (PIPELINE // 2))
        refused, text = replies[:2]
        self.assertIsInstance(refused, Refused)
        self.assertIn('not an integer', str(refused))
        self.assertEqual([refused, text] * (PIPELINE // 2), replies)

    def test_Pipeline_OfTheLargestValues_IsAnswered(self):
        value = 'L' * self.value_bytes_max
        self.assertEqual('OK', self.client.set('large', value))
        replies = self.pipeline([['GET', 'large']] * LARGE_VALUES)
        self.assertEqual([len(value)] * LARGE_VALUES, [len(reply) for reply in replies])

    # ---- slots that move

    def move_slots(self):
        """Moves a third of the slots to another group and back, three times. A move waits until the source of the last one has cleaned up."""
        program = [quickstart_cluster.program('quoratectl'), '--address', f'127.0.0.1:{self.store.cluster_port}', 'slots', 'move', '--slots', '0-5460', '--to']
        for group in (2, 1) * 3:
            limit = time.monotonic() + SETTLES_WITHIN_SECONDS
            while True:
                move = subprocess.run([*program, str(group)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SETTLES_WITHIN_SECONDS,
                                      check=False, preexec_fn=quickstart_cluster.die_with_parent)
                if move.returncode == 0:
                    break
                assert 'wait for its end' in move.stdout and time.monotonic() < limit, move.stdout
                time.sleep(0.1)

    def test_SlotsThatMove_ClientReadsWhatItWrote(self):
        keys = [f'moving:{i}' for i in range(500)]
        self.store.flush()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            moves = pool.submit(self.move_slots)
            written = 0
            while not moves.done() or written == 0:
                written += 1
                self.assertEqual({'OK'}, set(self.pipeline([['SET', key, f'{written}'] for key in keys])))
                self.assertEqual({f'{written}'}, set(self.pipeline([['GET', key] for key in keys])))
            moves.result()
        self.assertGreater(written, 6)

    # ---- values

    def test_Value_OfEverySize_IsReadAsWritten(self):
        largest = self.value_bytes_max
        for size in (0, 1, 2, 63, 64, 65, 1_023, 1_024, 16_383, 16_384, 65_535, 65_536, 262_144, largest - 1, largest):
            value = (f'{size}.' * size)[:size]
            self.assertEqual('OK', self.client.set(f'size:{size}', value), size)
            self.assertEqual(value, self.client.get(f'size:{size}'), size)

    def test_Value_BeyondTheLimit_IsRefusedByTheStoresOwnLimit(self):
        self.client.set('edge', 'kept')
        with self.assertRaises(Refused) as refusal:
            self.client.set('edge', 'x' * (self.value_bytes_max + 1))
        self.assertIn(f'{self.value_bytes_max}', str(refusal.exception))
        self.assertEqual('kept', self.client.get('edge'))

    # ---- the keyspace

    def test_Keyspace_OfFiftyThousandKeys_IsListedCompletely(self):
        keys = self.fill(KEYS)
        self.check_whole(KEYS, lambda client: client.size())
        self.check_whole(sorted(keys), lambda client: sorted(client.keys('*')))
        self.check_whole({'key:4999', *(f'key:4999{i}' for i in range(10))}, lambda client: set(client.keys('key:4999*')))
        for count in (10, 1_000):
            self.check_whole(keys, lambda client, count=count: set(client.scan('*', count, at_most=2 * KEYS)))
        self.assertEqual('49999', self.client.get('key:49999'))


@unittest.skipIf(MISSING, MISSING)
class PlainClientTest(UnderLoad, unittest.TestCase):
    KIND = 'plain'

    def when_leaders_stay(self, ask):
        """Returns the result of `ask`, which may be repeated."""
        limit = time.monotonic() + SETTLES_WITHIN_SECONDS
        while True:
            try:
                return ask()
            except Refused as refusal:
                if not is_temporary(refusal) or time.monotonic() > limit:
                    raise
                self.store.wait_until_leaders_stay()

    # Caches, session stores and connectors send such commands to a Redis without cluster mode.
    def test_Keys_OfManySlots_AreSetReadAndRemovedByOneCommand(self):
        def deleted():
            self.assertEqual('OK', self.client.set_many(pairs))
            return self.client.delete_many(keys)

        for count in (2, 10, 1_000, KEYS_OF_ONE_WRITE):
            pairs = {f'session:{i}': f'value {i}' for i in range(count)}
            keys = list(pairs)
            self.assertEqual('OK', self.when_leaders_stay(lambda: self.client.set_many(pairs)), count)
            read = self.when_leaders_stay(lambda: self.client.get_many(['none', *keys[::-1], keys[0]]))
            self.assertEqual([None, *list(pairs.values())[::-1], 'value 0'], read, count)
            self.assertEqual(count + 1, self.when_leaders_stay(lambda: self.client.exist_many([*keys, 'none', keys[0]])), count)
            self.assertEqual(count, self.when_leaders_stay(deleted), count)
            self.assertEqual([None] * count, self.when_leaders_stay(lambda: self.client.get_many(keys)), count)

    def test_Keys_OfManySlotsInAPipeline_AreInItsOrder(self):
        commands = []
        for i in range(1_000):
            pairs, removed, read = {f'a{i}': f'{i}', f'b{i}': f'{i}'}, [f'a{i}', f'c{i}'], [f'a{i}', f'b{i}']
            if LIBRARY == PYTHON_REDIS:
                commands += [['MSET', pairs], ['DELETE', *removed], ['MGET', read]]
            else:
                commands += [['MSET', sum(map(list, pairs.items()), [])], ['DEL', removed], ['MGET', read]]
        replies = self.pipeline(commands, before=self.store.flush)
        self.assertEqual(sum((['OK', 1, [None, f'{i}']] for i in range(1_000)), []), replies)


@unittest.skipIf(MISSING, MISSING)
class ClusterClientTest(UnderLoad, unittest.TestCase):
    KIND = 'cluster'


if __name__ == '__main__':
    if MISSING:
        print(f'\n{"=" * 100}\nSKIPPED: {MISSING}\n{"=" * 100}\n', flush=True)
    case_report.main()
