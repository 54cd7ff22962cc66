"""The score counts marks, says why a bug was not found, and measures those that were."""

import argparse
import contextlib
import io
import json
import os
import subprocess
import tempfile
import unittest
from unittest import mock

import patches
import score
import tree_copy

DIFF = '''--- a/raft/f.cc
+++ b/raft/f.cc
@@ -1,3 +1,4 @@
 int main() {
-  return 1;
+  PLANTED_REACHED(), PLANTED_DIVERGED(1 > 0);
+  return 0;
 }
'''
PATCH = patches.Patch('a-bug', 'p', 'B001', 4, 'digest', 'Why.', DIFF)
LUCK = 'raft/core/core.cc:9: CHECK failed: a <= b (2 vs 1)'


def simulator(folder, name, runs):
    """Writes a program with the output of `simulate run` and `shrink`. `runs` has the marks and the violation of seeds."""
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='utf-8') as file:
        file.write('#!/bin/sh\nif [ $1 = shrink ]; then echo "digest: shrunk from 900 choices to 7 (1 fault, 2 operations) in 3.0 s"; exit 1; fi\n')
        for seed, (letters, violation) in runs.items():
            report = json.dumps({'violations': [violation] if violation else []})
            file.write(f"if [ $3 = {seed} ]; then printf '%s' '{letters}' >&9; echo '{report}'; exit {int(bool(violation))}; fi\n")
        file.write('echo \'{"violations": []}\'\n')
    os.chmod(path, 0o755)
    return path


class ScoreTest(unittest.TestCase):

    def score(self, planted, clean=None, seeds=(1, 40), patch=PATCH):
        with tempfile.TemporaryDirectory() as folder:
            return score.score(patch, simulator(folder, 'planted', planted), simulator(folder, 'clean', clean or {}), seeds, 2,
                               lambda detail: None)

    def test_found_has_the_seeds_and_marks_until_then(self):
        found = self.score({2: ('r', ''), 5: ('rd', 'digest: other'), 6: ('rd', '')})
        self.assertEqual((found.verdict, found.seed, found.seeds, found.reached, found.diverged), ('found', 5, 5, 2, 1))
        self.assertGreater(found.core_seconds, 0)

    def test_violation_without_the_patch_does_not_count(self):
        found = self.score({3: ('rd', 'digest: other'), 9: ('rd', 'log: x')}, {3: ('', 'digest: other')})
        self.assertEqual((found.seed, found.message), (9, 'log: x'))

    def test_what_is_not_found_has_a_verdict(self):
        every = {seed: ('rd', '') for seed in range(1, 41)}
        for runs, verdict in (({}, 'unreached'), ({1: ('r', '')}, 'rare'), (every, 'no checker'), ({**every, 7: ('rd', LUCK)}, 'masked')):
            with self.subTest(verdict):
                self.assertEqual(self.score(runs).verdict, verdict)
        bare = patches.Patch('bare', 'p', 'B001', 4, 'digest', 'Why.', '')
        self.assertEqual(self.score({}, patch=bare).verdict, 'unmarked')

    def test_program_that_dies_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'dying')
            with open(path, 'w', encoding='utf-8') as file:
                file.write('#!/bin/sh\nexit 7\n')
            os.chmod(path, 0o755)
            with self.assertRaisesRegex(RuntimeError, 'ended with status 7'):
                score.run_seed(path, 1, ())

    def test_shrinking_gives_both_numbers(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(score.shrink(simulator(folder, 'planted', {}), 5, (), 2, '1s'), '900 to 7')

    def test_table_has_verdicts_and_medians(self):
        found = score.Score(PATCH, seeds=5, reached=2, diverged=1, core_seconds=6.25, seed=5, message='group 1: digest: x', size='900 to 7')
        table = score.format_table([found, score.Score(PATCH, seeds=40)])
        self.assertIn('| a-bug | 4 | 2 | 1 | found | digest | 5 | 6.2 | 900 to 7 |', table)
        self.assertIn('| a-bug | 4 | 0 | 0 | unreached |  | 40 | 0.0 |  |', table)
        self.assertIn('\n1 of 2 found\nunreached: a-bug\n', table)
        self.assertIn('a median of 6.2 core-seconds', table)
        self.assertIn('a median of 7 choices', table)


class MainTest(unittest.TestCase):

    def test_patch_that_does_not_build_leaves_the_others(self):
        tests = [patches.Patch(name, 'p', 'own', 1, '', 'Why.', '', '//x:y') for name in ('broken', 'found')]
        tree = mock.Mock(run_test=lambda target: '')
        tree.run_test_patched.side_effect = [tree_copy.BuildFailed('no member x'), '[ RUN      ] A.B\nf.cc:1: Failure\n']
        with mock.patch.object(tree_copy, 'TreeCopy', return_value=tree), \
                contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            status = score.run(tests, argparse.Namespace(jobs=1, seeds=(1, 20), budget='1s'))
        self.assertEqual(status, 2)
        self.assertIn('| broken | 1 |  |  | not built |', out.getvalue())
        self.assertIn('| found | 1 |  |  | found | A.B |', out.getvalue())


class MarksTest(unittest.TestCase):

    def applied(self, marks):
        """The marks that the patched program writes."""
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, 'raft', 'f.cc')
            os.makedirs(os.path.dirname(source))
            with open(source, 'w', encoding='utf-8') as file:
                file.write('int main() {\n  return 1;\n}\n')
            patches.apply_to(PATCH, folder, marks)
            subprocess.run(['g++', '-std=c++20', '-Wall', '-Wextra', '-Werror', source, '-o', 'program'], cwd=folder, check=True)
            subprocess.run(['sh', '-c', './program 9>marks'], cwd=folder, check=True)
            with open(os.path.join(folder, 'marks'), encoding='utf-8') as file:
                return file.read()

    def test_marks_are_written_if_they_are_wanted(self):
        self.assertEqual(self.applied(True), 'rd')
        self.assertEqual(self.applied(False), '')

    def test_lines_of_marks_change_nothing(self):
        self.assertEqual((PATCH.marks, PATCH.changed_lines), (True, 1))


if __name__ == '__main__':
    unittest.main()
