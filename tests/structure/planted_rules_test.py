"""Each rule of a checker has a test that plants its violation; and the check can fail."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import planted_rules  # noqa: E402
import tree  # noqa: E402

HEAD = '| rule | asserts | planted by |\n|---|---|---|\n'


class PlantedRulesTest(unittest.TestCase):

    def test_Page_AsItIs_NamesTestsThatExist(self):
        root = tree.find_root()
        known = planted_rules.cases(tree.read(root, p) for p in tree.list_files(root) if p.endswith('_test.cc'))
        self.assertGreater(len(known), 1000)
        page = tree.read(root, planted_rules.PAGE)
        self.assertGreater(page.count('\n| '), 45)
        findings = list(planted_rules.check(page, known))
        self.assertFalse(findings, '\n' + '\n'.join(map(str, findings)))

    def test_RuleWithoutATest_IsFound(self):
        for row in ('| order | commands are in order |', '| order | commands are in order | |', '| order | in order | yes |'):
            with self.subTest(row):
                self.assertEqual(1, len(list(planted_rules.check(HEAD + row, set()))))

    def test_TestThatDoesNotExist_IsFound(self):
        row = '| order | commands are in order | `Late_Found` |'
        self.assertEqual(0, len(list(planted_rules.check(HEAD + row, {'Late_Found'}))))
        self.assertEqual(1, len(list(planted_rules.check(HEAD + row, {'Early_Found'}))))
        self.assertEqual(1, len(list(planted_rules.check('Planted by `Late_Found`.', set()))))

    def test_OtherTables_AreNoRules(self):
        self.assertEqual(0, len(list(planted_rules.check('| page | for |\n|---|---|\n| a | b |', set()))))

    def test_Cases_OfEachKindAndOverTwoLines_AreFound(self):
        text = 'TEST(A, B_C) {\nTEST_F(D,\n       E_F) {\nTEST_P(G, H_I) {\n'
        self.assertEqual({'B_C', 'E_F', 'H_I'}, planted_rules.cases([text]))


if __name__ == '__main__':
    unittest.main()
