"""A server without consensus, of examples/outside, built against an installation: simulated, with a mistake that is found, and as processes."""

import unittest

from installed import COMPILERS, InstalledTest, run


class BankTest(InstalledTest):

    def check_simulations(self, build):
        self.assertIn('5 runs, 0 failed', self.succeed(f'{build}/bank_simulation_main', 'swarm', '--seeds', '1..5'))
        for seed in range(1, 11):
            status, output = run(f'{build}/bank_mistake_main', 'run', '--seed', str(seed))
            if status == 1:
                break
        self.assertEqual(1, status, output)
        self.assertIn('violation: linearizability: ', output)

    def check_processes(self, build):
        """Account A is on node 1 + A % 3: account 3 is on node 1, and account 4 on node 2."""
        address, processes = self.free_address(), []
        try:
            for node in (1, 2, 3):
                processes.append(self.start(build, 'bank_main', address, node))
            for process in processes:
                self.assertEqual('ready\n', process.stdout.readline())
            self.assertEqual('ok', self.ask(address, 'move 3 4 30'))
            self.assertEqual('ok 70 130', self.ask(address, 'show 3 4'))
            self.assertEqual('no', self.ask(address, 'move 3 4 71'))
            self.end(processes[1])
            self.assertTrue(self.reply(address, 1, 'move 3 4 1').startswith('not executed: '))
            processes[1] = self.start(build, 'bank_main', address, 2)
            self.assertEqual('ready\n', processes[1].stdout.readline())
            self.assertEqual('ok 70 130', self.ask(address, 'show 3 4'))
        finally:
            for process in processes:
                self.end(process)

    def test_bank_serves(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                self.check_processes(self.build_with_cmake(compiler, ['bank_main']))

    def test_bank_is_simulated(self):
        self.check_simulations(self.build_with_cmake(COMPILERS[0], ('bank_simulation_main', 'bank_mistake_main')))


if __name__ == '__main__':
    unittest.main()
