"""Three lock_server processes on loopback: leases end, tokens rise, and members come and go."""

import re
import signal
import time
import unittest

from examples.counter.processes import WITHIN_SECONDS, ProcessesTest


class LockServerTest(ProcessesTest):

    PROGRAM = 'examples/locks/lock_server'

    def ask(self, line, expected):
        reply = self.cluster.ask_any(line)
        match = re.fullmatch(expected, reply)
        self.assertTrue(match, f'{line!r}: {reply!r}')
        return [int(number) for number in match.groups()]

    def test_lock_is_held_renewed_released_and_ends(self):
        self.start_all('--bootstrap')
        first, until, now = self.ask('acquire jobs ada 60000', r'ok held (\d+) ada (\d+) (\d+)')
        self.assertEqual(60000, until - now)
        self.ask('acquire jobs bob 60000', f'no held {first} ada {until} (\\d+)')
        self.ask('acquire jobs ada 60000', f'no held {first} ada {until} (\\d+)')
        renewed, now = self.ask(f'renew jobs {first} 90000', f'ok held {first} ada (\\d+) (\\d+)')
        self.assertEqual(90000, renewed - now)
        for node in (1, 2, 3):
            # Every node serves reads, whichever node leads.
            limit = time.monotonic() + WITHIN_SECONDS
            while not (self.cluster.ask(node, 'get jobs') or '').startswith(f'ok held {first} ada {renewed} '):
                self.assertLess(time.monotonic(), limit)
                time.sleep(0.05)
        self.ask(f'release jobs {first}', r'ok free (\d+)')
        second, *_ = self.ask('acquire jobs bob 200', r'ok held (\d+) bob (\d+) (\d+)')
        self.assertGreater(second, first)
        self.cluster.ask_until('get jobs', lambda reply: reply.startswith('ok free '))
        self.ask(f'renew jobs {second} 200', r'no free (\d+)')
        self.assertEqual('not executed: no such request', self.cluster.ask(1, 'steal jobs'))

    def test_lease_outlives_kills_and_members_come_and_go(self):
        self.start_all('--bootstrap')
        token, until, _ = self.ask('acquire jobs ada 3600000', r'ok held (\d+) ada (\d+) (\d+)')
        self.grow_to_four()
        for node in (1, 2, 3, 4):
            self.cluster.stop(node, signal.SIGKILL)
        for node in (1, 2, 3, 4):
            self.cluster.start(node, nodes=4)
        for node in (1, 2, 3, 4):
            self.cluster.await_ready(node)
        self.ask('acquire jobs bob 1000', f'no held {token} ada {until} (\\d+)')
        self.shrink_to_three()
        self.ask('get jobs', f'ok held {token} ada {until} (\\d+)')


if __name__ == '__main__':
    unittest.main()
