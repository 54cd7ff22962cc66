""".ci/check_commits.py finds messages that break the rules of CONTRIBUTING.md."""

import importlib.util
import unittest

_SPEC = importlib.util.spec_from_file_location('check_commits', '.ci/check_commits.py')
check_commits = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check_commits)


def log_of(subject, body='', files=(('5', '1', 'raft/core/election.cc'),)):
    lines = '\n'.join('\t'.join(file) for file in files)
    return f'\x1eabc123\x1f{subject}\x1f{body}\x1f\n\n{lines}\n'


def faults_of(*arguments, **named):
    commits = check_commits.parse(log_of(*arguments, **named))
    return [check_commits.faults(commit) for commit in commits][0]


class CheckCommitsTest(unittest.TestCase):

    def test_GoodSubject_HasNoFault(self):
        self.assertEqual([], faults_of('raft/core: let a candidate wait'))
        self.assertEqual([], faults_of('raft, kv: count once', files=(('1', '1', 'raft/a.cc'), ('2', '0', 'kv/b.cc'))))

    def test_LongSubject_IsFound(self):
        self.assertEqual(1, len(faults_of('raft/core: let a candidate wait for ' + 'x' * 40)))

    def test_SubjectWithoutArea_IsFound(self):
        self.assertEqual(1, len(faults_of('Let a candidate wait')))
        self.assertEqual(1, len(faults_of('raft/core: Candidates wait')))

    def test_AreaWithoutAChange_IsFound(self):
        self.assertEqual(['no changed file is in "kv"'], faults_of('raft/core, kv: let a candidate wait'))

    def test_ManyLinesWithoutABody_AreFound(self):
        files = (('59', '0', 'raft/a.cc'), ('-', '-', 'raft/b.png'))
        self.assertEqual([], faults_of('raft: add a', files=files))
        files += (('1', '0', 'raft/c.cc'),)
        self.assertEqual(1, len(faults_of('raft: add a', files=files)))
        self.assertEqual([], faults_of('raft: add a', 'It was missing.', files=files))

    def test_Log_OfSeveralCommits_IsRead(self):
        commits = check_commits.parse(log_of('raft: add a') + log_of('kv: add b', 'Why.\n\nMore.'))
        self.assertEqual(['raft: add a', 'kv: add b'], [commit.subject for commit in commits])
        self.assertEqual('Why.\n\nMore.', commits[1].body)
        self.assertEqual(['raft/core/election.cc'], commits[1].files)
        self.assertEqual(5, commits[1].new_lines)


if __name__ == '__main__':
    unittest.main()
