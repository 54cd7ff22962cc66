"""Comments and pages are in plain words, outside a list that shrinks; and the check can fail."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import prose  # noqa: E402
import tree  # noqa: E402


def found(text, path='kv/a.h'):
    return [f.message.split('"')[1] for f in prose.check(path, text)]


class ProseTest(unittest.TestCase):

    def test_CommentsAndPages_AsTheyAre_NameTheirSubjects(self):
        root = tree.find_root()
        texts = {p: tree.read(root, p) for p in tree.list_files(root) if prose.is_checked(p)}
        self.assertGreater(len(texts), 400)
        listed = [line for line in tree.read(root, prose.LIST).splitlines() if line and not line.startswith('#')]
        self.assertEqual(sorted(set(listed)), listed)
        findings = list(prose.check_all(texts, listed))
        self.assertFalse(findings, '\n' + '\n'.join(map(str, findings)))

    def test_SentenceWithoutSubject_Planted_IsFound(self):
        self.assertEqual(['What …'], found('// What is due leaves first.\n'))
        self.assertEqual(['What …'], found('// The write ends. What\n// follows is cut.\n'))
        self.assertEqual(['Who …'], found('Who asks gets it.\n', 'docs/a.md'))
        self.assertEqual([], found('// The leader sends what is due.\n'))
        self.assertEqual([], found('# What the simulator does\n', 'docs/a.md'))
        self.assertEqual([], found('int What = 1;\n'))

    def test_FragmentAndInventedSubject_Planted_AreFound(self):
        self.assertEqual(['Of the …'], found('// Of the last one.\n'))
        self.assertEqual(['Likewise …'], found('  // Likewise for reads.\n'))
        self.assertEqual(['nobody …'], found('// The entry that nobody needs.\n'))
        self.assertEqual([], found('// Bytes of the last record.\n'))
        self.assertEqual(['Of the …'], found('int size = 0;  // Of the last one.\n'))

    def test_WordsOfOurOwnAndIdioms_Planted_AreFound(self):
        for text in ('The timer is the patience with a peer.', 'After the handover it stops.', 'The call that founded the cluster.',
                     'The verdict of the judge.', 'The parser is made anew.', 'The node starts all the same.', 'It waits in vain.',
                     'Tells that entries were applied.', 'The words as they stand.'):
            self.assertEqual(1, len(found(f'// {text}\n')), text)
        self.assertEqual([], found('// The leader found no entry and retries; the profile is finding its form.\n'))

    def test_NameOfATest_WithSuchAWord_IsFound(self):
        self.assertEqual(['Nobody'], found('TEST(Stream, Cancelled_CallsNobody) {\n', 'net/a_test.cc'))
        self.assertEqual(['Tells'], found('    def test_Error_TellsTheName(self):\n', 'tests/a_test.py'))
        self.assertEqual([], found('TEST(Stream, Cancelled_MakesNoCall) {\n', 'net/a_test.cc'))

    def test_List_OnlyShrinks(self):
        texts = {'kv/clean.h': '// The key.\n', 'kv/old.h': '// What is due.\n', 'kv/new.h': '// What is new.\n'}
        paths = [f.path for f in prose.check_all(texts, ['kv/clean.h', 'kv/gone.h', 'kv/old.h'])]
        self.assertEqual([prose.LIST, 'kv/new.h', prose.LIST], paths)


if __name__ == '__main__':
    unittest.main()
