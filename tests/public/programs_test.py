"""All programs of the workspace examples/outside build with Bazel against this one, and run. A cold build takes a quarter of an hour."""

import os
import tempfile
import unittest

from outside import bazel


class ProgramsTest(unittest.TestCase):

    def test_ProgramsFromOutside_BuildAndRun(self):
        self.addCleanup(bazel, self, 'shutdown')
        bazel(self, 'build', '//...')
        with tempfile.TemporaryDirectory() as folder:
            for expected in (1, 2):
                self.assertEqual(expected, int(bazel(self, 'run', '//:adder_main', '--', os.path.join(folder, 'data'))))
        for simulation in ('simulation_main', 'server_simulation_main', 'bank_simulation_main'):
            self.assertIn('5 runs, 0 failed', bazel(self, 'run', f'//:{simulation}', '--', 'swarm', '--seeds', '1..5'))


if __name__ == '__main__':
    unittest.main()
