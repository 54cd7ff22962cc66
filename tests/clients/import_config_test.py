"""quoratectl import-config as users start it, and a cluster that is founded with the files that it writes."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from quickstart_cluster import ANSWERS_WITHIN_SECONDS, STARTS_WITHIN_SECONDS, die_with_parent, program, with_debian_python  # noqa: E402

SHARDS = """\
[[shards]]
name = "Moscow"
idx = 0
address = "{net}.2:8080"
replicas = ["{net}.22:8080"]

[[shards]]
name = "Minsk"
idx = 1
address = "{net}.3:8080"

[[shards]]
name = "Kiev"
idx = 2
address = "{net}.4:8080"
"""


def scratch_file(text):
    path = os.path.join(tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR')), 'sharding.toml')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    return path


def import_config(*words):
    done = subprocess.run([program('quoratectl'), 'import-config', *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


class FoundedNode:
    """A quorated process with one of the files."""

    def __init__(self, config):
        with open(config + '.log', 'wb') as log:
            self.process = subprocess.Popen([program('quorated'), '--config', config, '--bootstrap', '--alone'], stdout=subprocess.PIPE, stderr=log,
                                            preexec_fn=die_with_parent, text=True)

    def await_ready(self):
        """The addresses in the line of a node that listens. The test's time is the bound."""
        line = self.process.stdout.readline()
        assert line.startswith('ready: '), line
        words = line.split()
        return dict(zip(words[1::2], words[2::2]))

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def until_it_works(call, seconds=STARTS_WITHIN_SECONDS):
    """The result of the first call without an error of the server or the connection."""
    import redis
    limit = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (redis.RedisError, OSError):
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)


class ImportConfigTest(unittest.TestCase):

    def test_WrongFile_HasStatus2AndNamesThePlace(self):
        path = scratch_file('[[shards]]\nname = "a"\nidx = 1\naddress = "127.0.0.2:8080"\n')
        status, out, err = import_config(path)
        self.assertEqual((2, ''), (status, out))
        self.assertEqual(f"quoratectl: {path}:3:7: key 'shards[0].idx': expected each number from 0 to 0, found 1 and no 0; number the shards "
                         'without a gap\n', err)
        self.assertEqual(1, import_config(path + '.none')[0])
        self.assertEqual(2, import_config()[0])

    def test_Files_FoundAClusterThatOutlivesANode(self):
        import redis
        # Addresses of loopback that no other test uses.
        net = f'127.{random.randint(1, 250)}.{random.randint(0, 250)}'
        path = scratch_file(SHARDS.format(net=net))
        folder = os.path.dirname(path)
        status, out, notes = import_config(path, '--out-dir', os.path.join(folder, 'conf'), '--data-dir', os.path.join(folder, 'stores'))
        self.assertEqual((0, ''), (status, out), notes)
        self.assertIn('4 nodes, one for each address, and 3 groups, one for each shard.', notes)
        files = sorted(os.listdir(os.path.join(folder, 'conf')))
        self.assertEqual([f'node-{i}.toml' for i in (1, 2, 3, 4)], files)
        nodes = [FoundedNode(os.path.join(folder, 'conf', name)) for name in files]
        try:
            ready = [node.await_ready() for node in nodes]
            self.assertEqual([f'{net}.{i}:8080' for i in (2, 22, 3, 4)], [one['http'] for one in ready])
            self.assertEqual([f'{net}.{i}:7080' for i in (2, 22, 3, 4)], [one['resp'] for one in ready])
            clients = [redis.Redis(host=one['resp'].split(':')[0], port=7080, socket_timeout=ANSWERS_WITHIN_SECONDS) for one in ready]
            for i in range(30):
                until_it_works(lambda: clients[i % 4].set(f'key-{i}', i))
            for i in range(30):
                self.assertEqual(b'%d' % i, clients[(i + 1) % 4].get(f'key-{i}'))
            with urllib.request.urlopen(f'http://{net}.3:8080/get?key=key-7', timeout=ANSWERS_WITHIN_SECONDS) as reply:
                self.assertEqual(b'7', reply.read())
            ranges = redis.Redis(host=f'{net}.2', port=7180).execute_command('CLUSTER', 'SLOTS')
            # Neighbours with the same nodes in the same order are one row.
            ranges = sorted((first, last) for first, last, *_ in ranges)
            self.assertEqual([0] + [last + 1 for _, last in ranges[:-1]], [first for first, _ in ranges])
            self.assertLessEqual({last for _, last in ranges}, {5460, 10921, 16383})
            self.assertEqual(16383, ranges[-1][1])
            # Shard 1 had one server. Now its group goes on without it.
            nodes[2].end()
            for i in range(30):
                until_it_works(lambda: clients[0].set(f'key-{i}', i + 100))
                self.assertEqual(b'%d' % (i + 100), until_it_works(lambda: clients[3].get(f'key-{i}')))
        finally:
            for node in nodes:
                node.end()


if __name__ == '__main__':
    with_debian_python()
    unittest.main()
