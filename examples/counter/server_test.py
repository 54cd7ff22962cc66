"""Three counter_server processes on loopback: they count, lose a leader, and keep the sum through a restart of all."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PROGRAM = 'examples/counter/counter_server'
NODES = 3
WITHIN_SECONDS = 60
PR_SET_PDEATHSIG = 1


def own_address():
    """Returns a loopback address that no other test uses, and the socket that locks it."""
    while True:
        number = random.randrange(1 << 16)
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f'\0quorate-counter-test-{number}')
        except OSError:
            lock.close()
            continue
        return f'127.1.{number >> 8}.{number & 255}', lock


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Cluster:

    def __init__(self, directory):
        self.directory = directory
        self.address, self.lock = own_address()
        self.processes = {}

    def start(self, node, *flags, nodes=NODES):
        peers = ','.join(f'{self.address}:{17000 + i}' for i in range(1, nodes + 1))
        log = open(os.path.join(self.directory, f'log-{node}'), 'a', encoding='utf-8')
        with log:
            self.processes[node] = subprocess.Popen([
                PROGRAM, '--node',
                str(node), '--peers', peers, '--clients', f'{self.address}:{7000 + node}', '--data-dir',
                os.path.join(self.directory, str(node)), '--exit-with-parent', *flags
            ],
                                                    stdout=subprocess.PIPE,
                                                    stderr=log,
                                                    text=True,
                                                    preexec_fn=end_with_parent)

    def await_ready(self, node):
        line = self.processes[node].stdout.readline()
        with open(os.path.join(self.directory, f'log-{node}'), encoding='utf-8') as log:
            assert line == 'ready\n', f'node {node}: {line!r}\n{log.read()}'

    def stop(self, node, how):
        process = self.processes.pop(node)
        process.send_signal(how)
        with process.stdout:
            return process.wait(WITHIN_SECONDS)

    def ask(self, node, line):
        """Returns the reply of one node, or None if it does not answer."""
        try:
            with socket.create_connection((self.address, 7000 + node), WITHIN_SECONDS) as connection:
                connection.sendall(line.encode() + b'\n')
                return connection.makefile().readline().strip() or None
        except ConnectionError:
            return None

    def ask_any(self, line):
        """Asks the nodes in turn until one executes the request. Sends it again only if it was not executed."""
        limit = time.monotonic() + WITHIN_SECONDS
        replies = []
        while time.monotonic() < limit:
            for node in list(self.processes):
                reply = self.ask(node, line)
                if reply is not None and reply.startswith('ok '):
                    return int(reply[3:])
                assert reply is None or reply.startswith('not executed: '), reply
                replies.append((node, reply))
            time.sleep(0.05)
        raise AssertionError(f'{line!r} was not executed: {replies[-NODES:]}')

    def leader(self):
        """Returns the node that executes an addition of zero."""
        limit = time.monotonic() + WITHIN_SECONDS
        while time.monotonic() < limit:
            for node in list(self.processes):
                if (self.ask(node, 'add 0') or '').startswith('ok '):
                    return node
            time.sleep(0.05)
        raise AssertionError('no leader')


class CounterServerTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.cluster = Cluster(directory.name)
        self.addCleanup(self.cluster.lock.close)
        self.addCleanup(lambda: [self.cluster.stop(node, signal.SIGKILL) for node in list(self.cluster.processes)])

    def start_all(self, *flags):
        for node in range(1, NODES + 1):
            self.cluster.start(node, *flags)
        for node in range(1, NODES + 1):
            self.cluster.await_ready(node)

    def test_leader_killed_and_all_restarted_the_sum_stays(self):
        cluster = self.cluster
        self.start_all('--bootstrap')
        for expected in range(1, 21):
            self.assertEqual(expected, cluster.ask_any('add 1'))

        killed = cluster.leader()
        cluster.stop(killed, signal.SIGKILL)
        self.assertEqual(25, cluster.ask_any('add 5'))
        cluster.start(killed)
        cluster.await_ready(killed)
        self.assertEqual('not executed: a number is expected', cluster.ask(killed, 'add one'))
        self.assertEqual('not executed: the sum would not fit 64 bits', cluster.ask(cluster.leader(), f'add {2**63 - 1}'))

        for node in range(1, NODES + 1):
            self.assertEqual(0, cluster.stop(node, signal.SIGTERM))
        self.start_all()
        self.assertEqual(25, cluster.ask_any('sum'))
        # Every node serves linearizable reads, whichever node leads.
        limit = time.monotonic() + WITHIN_SECONDS
        for node in range(1, NODES + 1):
            while cluster.ask(node, 'sum') != 'ok 25':
                self.assertLess(time.monotonic(), limit)
                time.sleep(0.05)

    def ask_leader(self, line):
        """Asks again until nothing is left to do."""
        limit = time.monotonic() + WITHIN_SECONDS
        reply = None
        while reply is None or not reply.startswith('ok'):
            self.assertLess(time.monotonic(), limit, reply)
            reply = self.cluster.ask(self.cluster.leader(), line)
            time.sleep(0.05)
        return reply

    def test_grows_to_four_and_back(self):
        cluster = self.cluster
        self.start_all('--bootstrap')
        self.assertEqual(7, cluster.ask_any('add 7'))

        for node in range(1, 4):
            self.assertEqual('ok', cluster.ask(node, f'peer 4 {cluster.address}:17004'))
        cluster.start(4, '--join', nodes=4)
        cluster.await_ready(4)
        known = cluster.ask(1, 'configuration').split()[1]
        joined = cluster.ask(4, f'join {known}')
        self.assertRegex(joined, r'^ok \d+ \d+$')
        cluster.stop(4, signal.SIGKILL)
        cluster.start(4, '--join', nodes=4)
        cluster.await_ready(4)
        self.assertEqual(joined, cluster.ask(4, f'join {known}'))
        _, replica, store = joined.split()
        self.assertEqual('ok', self.ask_leader(f'member 4 {replica} {store}'))
        self.assertEqual(['1', '2', '3', '4'], sorted(self.ask_leader('members').split()[1:]))

        # A majority of four is three: the group needs the new member now.
        killed = next(node for node in (1, 2, 3) if node != cluster.leader())
        cluster.stop(killed, signal.SIGKILL)
        self.assertEqual(8, cluster.ask_any('add 1'))
        cluster.start(killed, nodes=4)
        cluster.await_ready(killed)

        self.assertEqual('ok', self.ask_leader('remove 4'))
        self.assertEqual(['1', '2', '3'], sorted(self.ask_leader('members').split()[1:]))
        self.assertEqual('ok', cluster.ask(4, 'leave'))
        self.assertEqual(0, cluster.stop(4, signal.SIGTERM))
        self.assertEqual(9, cluster.ask_any('add 1'))

    def test_node_that_is_named_nowhere_is_refused(self):
        self.start_all('--bootstrap')
        self.cluster.start(4, '--join', nodes=4)
        process = self.cluster.processes.pop(4)
        with process.stdout:
            self.assertEqual(1, process.wait(WITHIN_SECONDS))
        with open(os.path.join(self.cluster.directory, 'log-4'), encoding='utf-8') as log:
            self.assertIn('node 4 is no peer here', log.read())

    def test_empty_directory_without_bootstrap_is_refused(self):
        self.cluster.start(1)
        process = self.cluster.processes.pop(1)
        with process.stdout:
            self.assertEqual(1, process.wait(WITHIN_SECONDS))
        with open(os.path.join(self.cluster.directory, 'log-1'), encoding='utf-8') as log:
            self.assertIn('the data directory is empty', log.read())


if __name__ == '__main__':
    unittest.main()
