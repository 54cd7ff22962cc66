"""The names, lines and outputs of the program that finds lines which no run executes."""

import json
import unittest

import swarm_coverage


class Sources(unittest.TestCase):

    def test_SignatureOfAFunction_LosesNamespacesAndArguments(self):
        self.assertEqual('Log::Append', swarm_coverage.name_of('quorate::raft::Log::Append(std::vector<int>, bool)'))
        self.assertEqual('Names', swarm_coverage.name_of('quorate::kv::(anonymous namespace)::Names(int)'))

    def test_LineOfTheCompilerAlone_HasNoCode(self):
        for text in ('};', '  }', 'class Log final {', '  Log() = default;'):
            self.assertFalse(swarm_coverage.has_code(text), text)
        self.assertTrue(swarm_coverage.has_code('  return last_;'))

    def test_LineOutsideFunctions_DoesNotCount(self):
        counts = {('a.cc', 2): 0, ('a.cc', 9): 0, ('a.cc', 3): 4}
        self.assertEqual({('a.cc', 'F'): {2: 0, 3: 4}}, swarm_coverage.lines_of_functions(counts, {'a.cc': {(1, 4): 'F'}}))


class Outputs(unittest.TestCase):

    def test_FunctionsOfAnOutput_AreReadAgain(self):
        missing = {('a.cc', 'F'): [2, 3], ('b.cc', 'G'): [7]}
        text = swarm_coverage.encoded(missing, 50)
        self.assertEqual(set(missing), swarm_coverage.known_functions(text))
        self.assertEqual((50, 3), (json.loads(text)['lines'], json.loads(text)['never_ran']))


if __name__ == '__main__':
    unittest.main()
