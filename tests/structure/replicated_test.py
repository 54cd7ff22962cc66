"""No replicated decision reads the configuration file; and the checks that say so can fail."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import replicated  # noqa: E402
import tree  # noqa: E402


class ReplicatedTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.root = tree.find_root()
        cls.targets = tree.load_targets(cls.root)

    def test_Replicated_AsItIs_DoesNotKnowTheConfiguration(self):
        findings = list(replicated.check_dependencies(self.targets))
        self.assertFalse(findings, '\n' + '\n'.join(map(str, findings)))

    def test_Replicas_AsTheyAre_AreMadeFromTheBootstrapRecord(self):
        findings = []
        for path in tree.list_files(self.root):
            if path.startswith(('node/', 'net/')) and path.endswith(('.h', '.cc')) and not path.endswith('_test.cc'):
                findings.extend(replicated.check_makers(path, tree.read(self.root, path)))
        self.assertFalse(findings, '\n' + '\n'.join(map(str, findings)))

    def test_DependencyOnTheConfiguration_Planted_IsFound(self):
        planted = tree.parse_build('cc_library(name = "between", deps = ["//node/config"])', 'node')
        for target in self.targets:
            if target.label == '//kv/store:store':
                target.deps.append('//node:between')
                self.addCleanup(target.deps.remove, '//node:between')
        findings = list(replicated.check_dependencies(self.targets + planted))
        self.assertEqual(['//kv/store:store'], [f.path for f in findings])

    def test_OptionsMadeFromTheConfiguration_Planted_AreFound(self):
        for text in ('kv::StoreOptions options;', 'raft::Configuration first;', 'raft::Configuration first{};'):
            with self.subTest(text):
                self.assertEqual(1, len(list(replicated.check_makers('node/server.cc', text))))
        for text in ('auto s = StoreOptionsOf(group, configuration);', 'void F(const raft::Configuration& c);', '// kv::StoreOptions'):
            self.assertEqual(0, len(list(replicated.check_makers('node/server.cc', text))))


if __name__ == '__main__':
    unittest.main()
