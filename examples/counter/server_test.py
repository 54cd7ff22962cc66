"""Three counter_server processes on loopback: they count, lose a leader, and keep the sum through a restart of all."""

import os
import signal
import time
import unittest

from examples.counter.processes import NODES, WITHIN_SECONDS, ProcessesTest


class CounterServerTest(ProcessesTest):

    PROGRAM = 'examples/counter/counter_server'

    def ask(self, line):
        reply = self.cluster.ask_any(line)
        self.assertRegex(reply, r'^ok -?\d+$')
        return int(reply[3:])

    def leader(self):
        """Returns the node that executes an addition of zero."""
        limit = time.monotonic() + WITHIN_SECONDS
        while time.monotonic() < limit:
            for node in list(self.cluster.processes):
                if (self.cluster.ask(node, 'add 0') or '').startswith('ok '):
                    return node
            time.sleep(0.05)
        raise AssertionError('no leader')

    def test_leader_killed_and_all_restarted_the_sum_stays(self):
        cluster = self.cluster
        self.start_all('--bootstrap')
        for expected in range(1, 21):
            self.assertEqual(expected, self.ask('add 1'))

        killed = self.leader()
        cluster.stop(killed, signal.SIGKILL)
        self.assertEqual(25, self.ask('add 5'))
        cluster.start(killed)
        cluster.await_ready(killed)
        self.assertEqual('not executed: a number is expected', cluster.ask(killed, 'add one'))
        self.assertEqual('not executed: the sum would not fit 64 bits', cluster.ask(self.leader(), f'add {2**63 - 1}'))

        for node in range(1, NODES + 1):
            self.assertEqual(0, cluster.stop(node, signal.SIGTERM))
        self.start_all()
        self.assertEqual(25, self.ask('sum'))
        # Every node serves linearizable reads, whichever node leads.
        limit = time.monotonic() + WITHIN_SECONDS
        for node in range(1, NODES + 1):
            while cluster.ask(node, 'sum') != 'ok 25':
                self.assertLess(time.monotonic(), limit)
                time.sleep(0.05)

    def test_grows_to_four_and_back(self):
        cluster = self.cluster
        self.start_all('--bootstrap')
        self.assertEqual(7, self.ask('add 7'))
        self.grow_to_four()

        # A majority of four is three: the group needs the new member now.
        leads = self.leader()
        killed = next(node for node in (1, 2, 3) if node != leads)
        cluster.stop(killed, signal.SIGKILL)
        self.assertEqual(8, self.ask('add 1'))
        cluster.start(killed, nodes=4)
        cluster.await_ready(killed)

        self.shrink_to_three()
        self.assertEqual(9, self.ask('add 1'))

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
