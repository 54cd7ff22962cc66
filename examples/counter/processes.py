"""Three processes of a replicated server on loopback, and requests to them."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
import unittest

NODES = 3
WITHIN_SECONDS = 60
PR_SET_PDEATHSIG = 1


def own_address():
    """Returns a loopback address that no other test uses, and the socket that locks it."""
    while True:
        number = random.randrange(1 << 16)
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f'\0quorate-example-{number}')
        except OSError:
            lock.close()
            continue
        return f'127.1.{number >> 8}.{number & 255}', lock


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Cluster:

    def __init__(self, program, directory):
        self.program = program
        self.directory = directory
        self.address, self.lock = own_address()
        self.processes = {}

    def start(self, node, *flags, nodes=NODES):
        peers = ','.join(f'{self.address}:{17000 + i}' for i in range(1, nodes + 1))
        log = open(os.path.join(self.directory, f'log-{node}'), 'a', encoding='utf-8')
        with log:
            self.processes[node] = subprocess.Popen([
                self.program, '--node',
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

    def ask_until(self, line, ended):
        """Asks the nodes in turn until ended(reply) holds; returns that reply."""
        limit = time.monotonic() + WITHIN_SECONDS
        replies = []
        while time.monotonic() < limit:
            for node in list(self.processes):
                reply = self.ask(node, line)
                if reply is not None and ended(reply):
                    return reply
                replies.append((node, reply))
            time.sleep(0.05)
        raise AssertionError(f'{line!r}: {replies[-NODES:]}')

    def ask_any(self, line):
        """Returns the reply of a node that executed the request. Sends it again only if it was not executed."""
        return self.ask_until(line, lambda reply: not reply.startswith('not executed: '))

    def ask_until_ok(self, line):
        """Asks again until nothing is left to do."""
        return self.ask_until(line, lambda reply: reply.startswith('ok'))


class ProcessesTest(unittest.TestCase):
    """A test of processes of the program PROGRAM."""

    PROGRAM = ''

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.cluster = Cluster(self.PROGRAM, directory.name)
        self.addCleanup(self.cluster.lock.close)
        self.addCleanup(lambda: [self.cluster.stop(node, signal.SIGKILL) for node in list(self.cluster.processes)])

    def start_all(self, *flags):
        for node in range(1, NODES + 1):
            self.cluster.start(node, *flags)
        for node in range(1, NODES + 1):
            self.cluster.await_ready(node)

    def await_members(self, *nodes):
        self.cluster.ask_until('members', lambda reply: sorted(reply.split()[1:]) == list(nodes))

    def grow_to_four(self):
        """Node 4 joins, and is killed on the way."""
        cluster = self.cluster
        for node in range(1, NODES + 1):
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
        for node in range(1, NODES + 1):
            for wrong in ('member 9 5 5', f'member 4 0 {store}', 'join zz', 'leave 00', 'peer 4 nonsense', 'peer 4 127.0.0.1:99999', 'peer 0 x:1'):
                self.assertRegex(cluster.ask(node, wrong), '^no: ')
        self.assertEqual('ok', cluster.ask_until_ok(f'member 4 {replica} {store}'))
        self.await_members('1', '2', '3', '4')

    def _lets_only_node_4_leave(self, configuration):
        """Whether node 4 left by this configuration. Members stay whatever it is."""
        leave = f'leave {configuration.split()[-1]}'
        for node in range(1, NODES + 1):
            self.assertRegex(self.cluster.ask(node, leave), '^not yet: ')
        return self.cluster.ask(4, leave) == 'ok'

    def shrink_to_three(self):
        self.assertEqual('ok', self.cluster.ask_until_ok('remove 4'))
        self.cluster.ask_until('configuration', self._lets_only_node_4_leave)
        self.assertEqual(0, self.cluster.stop(4, signal.SIGTERM))
