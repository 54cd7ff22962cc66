"""The workspace of examples/outside builds with Bazel against this one, and its programs run. It takes minutes."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'structure'))
import tree  # noqa: E402


class WorkspaceTest(unittest.TestCase):

    def bazel(self, *arguments):
        # It shares nothing with the Bazel that runs this test but its results on disk.
        cache = os.path.expanduser('~/.cache')
        command = ['bazel', f'--output_user_root={cache}/quorate-outside', *arguments]
        if arguments[0] != 'shutdown':
            command[3:3] = [f'--disk_cache={cache}/quorate-bazel', '--noshow_progress', '--color=no']
        done = subprocess.run(command, cwd=os.path.join(tree.find_root(), 'examples/outside'), capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_programs_from_outside_build_and_run(self):
        self.addCleanup(self.bazel, 'shutdown')
        self.bazel('build', '//...')
        with tempfile.TemporaryDirectory() as folder:
            for expected in (1, 2):
                self.assertEqual(expected, int(self.bazel('run', '//:adder_main', '--', os.path.join(folder, 'data'))))
        for simulation in ('simulation_main', 'server_simulation_main'):
            self.assertIn('5 runs, 0 failed', self.bazel('run', f'//:{simulation}', '--', 'swarm', '--seeds', '1..5'))


if __name__ == '__main__':
    unittest.main()
