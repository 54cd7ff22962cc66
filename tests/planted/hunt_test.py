"""The hunt counts the right outcomes of a seed as found."""

import argparse
import contextlib
import io
import os
import tempfile
import unittest
from unittest import mock

import hunt
import patches
import tree_copy

PATCH = patches.Patch('a-bug', 'p', 'B001', 4, 'digest', 'Why.', '')


def simulator(folder, name, failing):
    """Writes a program with the output of `simulate swarm`. `failing` has the messages of failing seeds."""
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='utf-8') as file:
        file.write('#!/bin/sh\nfirst=${3%..*}; last=${3#*..}; status=0\n')
        for seed, message in failing.items():
            file.write(f'if [ {seed} -ge $first ] && [ {seed} -le $last ]; then echo "seed {seed} FAILED: {message}"; '
                       'echo "  replay: line"; status=1; fi\n')
        file.write('echo "20 runs"; exit $status\n')
    os.chmod(path, 0o755)
    return path


class HuntTest(unittest.TestCase):

    def hunt(self, planted, clean, seeds=(1, 100)):
        with tempfile.TemporaryDirectory() as folder:
            return hunt.hunt(PATCH, simulator(folder, 'planted', planted), simulator(folder, 'clean', clean), seeds, 2,
                             lambda detail: None)

    def test_checker_reports_it_found_with_the_seeds_it_took(self):
        result = self.hunt({47: 'group 2: durability: node 1 restarts', 48: 'digest: other'}, {})
        self.assertEqual((result.seed, result.seeds_tried, result.checker), (47, 47, 'durability'))

    def test_other_first_seed_counts_from_there(self):
        result = self.hunt({510: 'digest: other'}, {}, (501, 600))
        self.assertEqual((result.seed, result.seeds_tried), (510, 10))

    def test_nothing_reported_not_found(self):
        result = self.hunt({}, {})
        self.assertEqual((result.found, result.seeds_tried), (False, 100))

    def test_failed_check_or_crash_is_luck_and_does_not_count(self):
        result = self.hunt({3: 'raft/core/core.cc:9: CHECK failed: a <= b (2 vs 1)', 5: 'the run died of signal 11 (x)',
                            6: './node/a.cc:7: CHECK failed: a', 30: 'liveness: agreeing took more'}, {})
        self.assertEqual((result.seed, result.lucky, result.checker), (30, 3, 'liveness'))

    def test_seed_that_fails_without_the_patch_does_not_count(self):
        result = self.hunt({7: 'digest: other', 25: 'digest: other'}, {7: 'digest: other'})
        self.assertEqual(result.seed, 25)


class ScenarioTest(unittest.TestCase):

    def hunt(self, planted, clean=''):
        patch = patches.Patch('a-bug', 'p', 'B048', 4, 'leader completeness', 'Why.', '', scenario='two-removals')
        with tempfile.TemporaryDirectory() as folder:
            programs = []
            for name, violation in (('planted', planted), ('clean', clean)):
                programs.append(os.path.join(folder, name))
                with open(programs[-1], 'w', encoding='utf-8') as file:
                    file.write('#!/bin/sh\n[ "$1 $2 $3" = "explore --scenario two-removals" ] || exit 2\n'
                               f"""echo '{{"executions":741,"violation":"{violation}"}}'; exit {int(violation != "")}\n""")
                os.chmod(programs[-1], 0o755)
            return hunt.hunt_with_scenario(patch, *programs, 2)

    def test_violation_with_the_patch_alone_found(self):
        result = self.hunt('group 1: leader completeness: replica 2 leads')
        self.assertEqual((result.found, result.checker, result.seeds_tried), (True, 'leader completeness', 741))
        self.assertIn('| 741 executions of two-removals | leader completeness |', hunt.format_table([result]))

    def test_no_violation_luck_or_violation_without_the_patch_not_found(self):
        for planted, clean in (('', ''), ('raft/a.cc:9: CHECK failed: a', ''), ('digest: x', 'digest: x')):
            self.assertFalse(self.hunt(planted, clean).found)


class FakeTree:
    """A tree copy whose test has these outputs, without and with the patch."""

    def __init__(self, clean, patched):
        self.run_test = lambda target: clean
        self.run_test_patched = lambda patch: patched


class TestThatFindsTest(unittest.TestCase):

    def hunt(self, clean, patched):
        return hunt.hunt_with_test(patches.Patch('a-bug', 'p', 'own', 3, '', 'Why.', '', '//net:some_test'), FakeTree(clean, patched))

    def test_failed_case_found(self):
        output = '[ RUN      ] A.B\n[       OK ] A.B (0 ms)\n[ RUN      ] R/A.C/0\nnet/a_test.cc:7: Failure\nnet/a_test.cc:9: Failure\n'
        result = self.hunt('', output)
        self.assertEqual((result.found, result.message, result.lucky), (True, 'R/A.C/0', 0))
        self.assertEqual(hunt.failed_cases(output + '[  FAILED  ] R/A.C/0 (1 ms)\n[ RUN      ] A.D\nb.cc:1: Failure\n'), ['R/A.C/0', 'A.D'])
        self.assertIn('| a-bug | own | 3 | | R/A.C/0 |', hunt.format_table([result]))

    def test_passing_or_dying_test_did_not_find_it(self):
        for output, lucky in (('', 0), ('[ RUN      ] A.B\nCHECK failed\n', 1)):
            with self.subTest(output):
                result = self.hunt('', output)
                self.assertEqual((result.found, result.lucky), (False, lucky))

    def test_that_fails_without_the_patch_ends_the_hunt(self):
        with self.assertRaises(tree_copy.BuildFailed):
            self.hunt('[ RUN      ] A.B\na.cc:1: Failure\n', '[ RUN      ] A.B\na.cc:1: Failure\n')


class MainTest(unittest.TestCase):

    def test_patch_that_does_not_build_leaves_the_others_to_be_hunted(self):
        broken, found = (patches.Patch(name, 'p', 'own', 1, '', 'Why.', '', '//x:y') for name in ('broken', 'found'))
        tree = mock.Mock(run_test=lambda target: '')
        tree.run_test_patched.side_effect = [tree_copy.BuildFailed('no member x'), '[ RUN      ] A.B\nf.cc:1: Failure\n']
        with mock.patch.object(tree_copy, 'TreeCopy', return_value=tree), \
                contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            status = hunt.run([broken, found], argparse.Namespace(jobs=1, seeds=(1, 20)))
        self.assertEqual(status, 2)
        self.assertIn('broken: NOT HUNTED: no member x', out.getvalue())
        self.assertIn('found (own, rated 1): //x:y: A.B', out.getvalue())
        self.assertIn('1 of 2 found', out.getvalue())

    def test_table_says_what_was_not_found(self):
        table = hunt.format_table([hunt.Result(PATCH, 7, 'digest: other', 7, 0, 3.0), hunt.Result(PATCH, seeds_tried=500)])
        self.assertIn('| a-bug | B001 | 4 | 7 | digest | 3 |', table)
        self.assertIn('| not in 500 |', table)

    def test_unknown_name_bad_usage(self):
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(hunt.main(['no-such-bug']), 2)
        self.assertIn("no patch 'no-such-bug'", errors.getvalue())

    def test_seeds_that_make_no_range_are_refused(self):
        for text in ('5', '9..3', '0..4', 'a..b'):
            with self.subTest(text), contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as exit_:
                hunt.main(['--seeds', text])
            self.assertEqual(exit_.exception.code, 2)

    def test_output_of_a_terminal_is_read_too(self):
        self.assertEqual(hunt.failures('\rseed 9 FAILED: x: y\n  replay: z\nseed 4 FAILED: v\n'), [(4, 'v'), (9, 'x: y')])


if __name__ == '__main__':
    unittest.main()
