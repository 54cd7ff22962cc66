""".ci/count_tests.py counts the tests that ran, and uses the worse of two reports."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = '.ci/count_tests.py'


def case(name, inner='', **attributes):
    extra = ''.join(f' {k}="{v}"' for k, v in attributes.items())
    return f'<testcase name="{name}" classname="S"{extra}>{inner}</testcase>'


class CountTestsTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.events = []

    def result(self, label, status, cases=None, attempt=1):
        outputs = []
        if cases is not None:
            path = os.path.join(self.folder.name, f'{len(self.events)}.xml')
            with open(path, 'w', encoding='utf-8') as file:
                file.write('<testsuites><testsuite>' + ''.join(cases) + '</testsuite></testsuites>')
            outputs = [{'name': 'test.xml', 'uri': 'file://' + path}]
        self.events.append({'id': {'testResult': {'label': label, 'run': 1, 'shard': 1, 'attempt': attempt}},
                            'testResult': {'status': status, 'testActionOutput': outputs}})

    def lines(self, bazel_status=0):
        path = os.path.join(self.folder.name, 'events.json')
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(json.dumps(event) + '\n' for event in self.events)
        run = subprocess.run([sys.executable, PROGRAM, path, str(bazel_status)], capture_output=True, text=True, check=False)
        return run.stdout.splitlines(), run.returncode

    def count(self, bazel_status=0):
        lines, status = self.lines(bazel_status)
        return lines[-1], status

    def test_PassedCases_AreCountedOneByOne(self):
        self.result('//a:a', 'PASSED', [case('x'), case('y')])
        self.result('//b:b', 'PASSED', [case('z')])
        self.assertEqual(('3 passed, 0 failed', 0), self.count())

    def test_FailedCase_FailsTheRun(self):
        self.result('//a:a', 'FAILED', [case('x'), case('y', '<failure/>')])
        self.assertEqual(('1 passed, 1 failed', 1), self.count(3))

    def test_TargetWithoutReport_CountsAsOne(self):
        self.result('//a:a', 'TIMEOUT')
        self.result('//b:b', 'PASSED')
        self.assertEqual(('1 passed, 1 failed', 1), self.count(3))

    def test_Crash_AfterGoodCases_IsAFailure(self):
        self.result('//a:a', 'FAILED', [case('x')])
        self.assertEqual(('1 passed, 1 failed', 1), self.count(3))

    def test_FailedCase_InATargetSaidToHavePassed_IsBelieved(self):
        self.result('//a:a', 'PASSED', [case('x', '<failure/>')])
        self.assertEqual(('0 passed, 1 failed', 1), self.count())

    def test_LastAttempt_Counts(self):
        self.result('//a:a', 'FAILED', [case('x', '<failure/>')])
        self.result('//a:a', 'FLAKY', [case('x')], attempt=2)
        self.assertEqual(('1 passed, 0 failed', 0), self.count())

    def test_SkippedCases_AreNeither(self):
        self.result('//a:a', 'PASSED', [case('x'), case('y', status='notrun'), case('z', result='skipped')])
        self.assertEqual(('1 passed, 0 failed', 0), self.count())

    def test_SkippedCases_AreNamedWithTheirReason(self):
        self.result('//a:a', 'PASSED', [case('x'), *(case(name, '<skipped message="no npm"/>') for name in 'yz')])
        self.assertEqual(['SKIPPED //a:a: 2 case(s): no npm', '2 skipped', '1 passed, 0 failed'], self.lines()[0])

    def test_TargetThatDidNotBuild_IsAFailure(self):
        self.result('//a:a', 'PASSED', [case('x')])
        self.events.append({'id': {'targetCompleted': {'label': '//b:b'}}, 'completed': {}})
        self.assertEqual(('1 passed, 1 failed', 1), self.count(1))

    def test_NothingRan_IsAFailure(self):
        self.assertEqual(('0 passed, 0 failed', 1), self.count(0))

    def test_BazelFailedOtherwise_IsAFailure(self):
        self.assertEqual(('0 passed, 1 failed', 1), self.count(2))
        run = subprocess.run([sys.executable, PROGRAM, '/nowhere', '2'], capture_output=True, text=True, check=False)
        self.assertEqual('0 passed, 1 failed', run.stdout.splitlines()[-1])


if __name__ == '__main__':
    unittest.main()
