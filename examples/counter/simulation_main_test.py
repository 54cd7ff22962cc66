"""The program that simulates the counter: its commands, its exit statuses and its tape."""

import os
import subprocess
import tempfile
import unittest

FOLDER = os.path.join(os.environ['TEST_SRCDIR'], os.environ['TEST_WORKSPACE'], 'examples/counter')
PROGRAM = os.path.join(FOLDER, 'simulation')


class SimulationTest(unittest.TestCase):

    def run_program(self, *words, program=PROGRAM):
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120, check=False, cwd=self.folder)
        return done.returncode, done.stdout, done.stderr

    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=os.environ.get('TEST_TMPDIR'))
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_Run_WithATape_IsRepeatedByReplay(self):
        status, out, _ = self.run_program('run', '--seed', '7', '--duration', '5s', '--tape-out', 'seven.tape')
        self.assertEqual(0, status, out)
        self.assertIn('seed 7: clean', out)
        self.assertIn('commands executed', out)
        self.assertIn('faults: ', out)
        status, again, _ = self.run_program('replay', 'seven.tape')
        self.assertEqual(0, status, again)
        self.assertEqual(out.split('hash ')[1].split()[0], again.split('hash ')[1].split()[0])

    def test_Swarm_PrintsHowManyFailedAndWhatWasReached(self):
        status, out, _ = self.run_program('swarm', '--seeds', '1..3', '--jobs', '2', '--duration', '5s')
        self.assertEqual(0, status, out)
        self.assertIn('3 runs, 0 failed', out)
        self.assertIn('family.loss', out)
        self.assertIn('raft.', out)

    # Some of the runs cannot have these families.
    def test_Only_NamesFamiliesOfDisks(self):
        for program in (PROGRAM, os.path.join(FOLDER, 'server_simulation')):
            with self.subTest(os.path.basename(program)):
                status, out, error = self.run_program('swarm', '--seeds', '1..6', '--duration', '5s', '--only', 'disk_rot,disk_wipe', program=program)
                self.assertEqual(0, status, out + error)
                self.assertRegex(out, r'family\.disk_rot\n')
                self.assertRegex(out, r'family\.disk_wipe\n')

    def test_Diff_ComparesTwoRuns(self):
        status, out, _ = self.run_program('diff', '3', '3', '--duration', '5s')
        self.assertEqual((0, 'equal: '), (status, out[:7]))
        status, out, _ = self.run_program('diff', '3', '4', '--duration', '5s')
        self.assertEqual((1, 'different after'), (status, out[:15]))

    def test_View_HasReplicasEntriesAndCallsOfBothKindsOfTests(self):
        for program, call in ((PROGRAM, r'> at n\d  \S+: add\('), (os.path.join(FOLDER, 'server_simulation'), r'> client \d  \S+: add\(')):
            with self.subTest(os.path.basename(program)):
                status, run, _ = self.run_program('run', '--seed', '7', '--duration', '5s', program=program)
                self.assertEqual(0, status, run)
                status, text, _ = self.run_program('view', '7', '--duration', '5s', '--text', program=program)
                self.assertEqual(0, status, text)
                for line in (r'\* n\d  group 1: leader of term \d+, commit \d+', r'\+ n\d  group 1, index \d+, applied, term \d+: ', call, r'→ -?\d+'):
                    self.assertRegex(text, line)
                # It is the run that is not viewed.
                status, page, _ = self.run_program('view', '7', '--duration', '5s', '--html', 'page.html', program=program)
                self.assertEqual(0, status, page)
                self.assertEqual(run.split('hash ')[1].split()[0], page.split('hash ')[1].split()[0])

    def test_WrongUsage_SaysWhatWasExpected(self):
        for words, error in ((('run', '--seed', 'x'), '--seed: expected a number'), (('run', '--nodes', '3'), 'unknown flag --nodes'),
                             (('replay', 'none.tape'), 'cannot read'), (('walk',), 'expected run, swarm')):
            status, out, err = self.run_program(*words)
            self.assertEqual((2, ''), (status, out))
            self.assertIn(error, err)


if __name__ == '__main__':
    unittest.main()
