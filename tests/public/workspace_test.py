"""The workspace of examples/outside is analyzed by Bazel, against this one, and two small libraries compile there.

The analysis finds what is missing outside: repositories, packages, visibility, rules. programs_test compiles everything.
"""

import unittest

from outside import bazel


class WorkspaceTest(unittest.TestCase):

    def test_AllTargets_AreAnalyzed_AndLibrariesCompile(self):
        self.addCleanup(bazel, self, 'shutdown')
        bazel(self, 'build', '--nobuild', '//...')
        bazel(self, 'build', '@quorate//env', '@quorate//lincheck:model')


if __name__ == '__main__':
    unittest.main()
