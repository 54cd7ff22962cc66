"""Comments and pages are in plain words, outside a list that shrinks; and the check can fail."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import prose  # noqa: E402
import tree  # noqa: E402


def found(text, path='kv/a.h'):
    return [f.message.split('"')[1] for f in prose.check(path, text) if '"' in f.message]


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
        for start in ('Whatever', 'Whichever', 'Whose', 'None of those'):
            self.assertEqual([f'{start} …'], found(f'// The write ends. {start} log follows is cut.\n'))
            self.assertEqual([f'{start.lower()} …'], found(f'// The write ends; {start.lower()} log follows is cut.\n'))
        self.assertEqual([], found('// The leader sends what is due, whatever the term, to a node\n// whose log is short.\n'))
        self.assertEqual([], found('# What the simulator does\n', 'docs/a.md'))
        self.assertEqual([], found('int What = 1;\n'))

    def test_FragmentAndInventedSubject_Planted_AreFound(self):
        self.assertEqual(['Of the …'], found('// Of the last one.\n'))
        self.assertEqual(['Likewise …'], found('  // Likewise for reads.\n'))
        for fragment in ('Of it', 'Same as above', 'As above', 'Ditto', 'See above'):
            self.assertEqual([f'{fragment} …'], found(f'// {fragment}: the bytes.\n'))
            self.assertEqual([f'{fragment} …'], found(f'// The write ends. {fragment}.\n'))
        self.assertEqual([], found('| write | as above |\n', 'docs/a.md'))
        for start in ('Also', 'So is', 'So are', 'Neither'):
            self.assertEqual([f'{start} …'], found(f'// {start} the bytes.\n'))
        self.assertEqual([], found('// Neither keys nor values stay. The number also counts bytes.\n'))
        self.assertEqual(['nobody …'], found('// The entry that nobody needs.\n'))
        self.assertEqual([], found('// Bytes of the last record.\n'))
        self.assertEqual(['Of the …'], found('int size = 0;  // Of the last one.\n'))

    def test_WordsOfOurOwnAndIdioms_Planted_AreFound(self):
        for text in ('The timer is the patience with a peer.', 'After the handover it stops.',
                     'The verdict of the judge.', 'The parser is made anew.', 'The node starts all the same.', 'It waits in vain.',
                     'Tells that entries were applied.', 'The words as they stand.'):
            self.assertEqual(1, len(found(f'// {text}\n')), text)
        self.assertEqual([], found('// The leader found no entry and retries; the profile is finding its form.\n'))

    def test_EveryKindOfText_Planted_IsRead(self):
        for path, text in (('docs/a.md', '- Bytes.\n- See above.\n'), ('docs/a.md', '| a | it is handed over |\n|---|---|\n'),
                           ('docs/a.md', '> Who asks gets it.\n'), ('docs/a.md', '1. What is due leaves.\n'),
                           ('kv/a.h', '// The write ends; what follows is cut.\n'), ('kv/a.h', 'int a; /* Likewise\n for b. */\n'),
                           ('kv/a.cc', 'return Error("the key that "\n             "nobody wrote");\n'),
                           ('kv/a.cc', 'kHelp = "Options:\\n  --json  as it stands, in JSON\\n";\n'),
                           ('tests/a.py', 'def f():\n    """One.\n\n    Somebody asks gets it.\n    """\n'), ('tests/a.py', '# Likewise.\n'),
                           ('.ci/run', '#!/usr/bin/env bash\n# The bench; what follows counts.\n'), ('bazelw', '# Anew at each start.\n'),
                           ('raft/core/testdata/a.txt', '# Nobody answers.\npropose 1 x\n----\nok\n'),
                           ('tests/planted/patches/a.patch', 'Rated: 3\n\nThe rest is sent in vain.\n\n--- a/b.cc\n+++ b/b.cc\n'),
                           ('kv/BUILD.bazel', '# Of the store.\n')):
            self.assertTrue(prose.is_checked(path), path)
            self.assertEqual(1, len(found(text, path)), text)
        for path, text in (('kv/a_test.cc', 'f("the key that nobody wrote");\n'), ('kv/a.cc', 'f("nobody here");\n'),
                           ('docs/a.md', '| size | of the key |\n'), ('docs/a.md', '```\nnobody, of the same.\n```\n'), ('docs/a.md', '`nobody`\n'),
                           ('kv/a.h', '// The key `founded` is stored.\n'),
                           ('tests/planted/patches/a.patch', 'The end.\n\n--- a/b.cc\n+// Nobody.\n'),
                           ('raft/core/testdata/a.txt', '# why\nnobody\n')):
            self.assertEqual([], found(text, path), text)

    def test_LongSentence_Planted_IsFound(self):
        def lengths(text, path='kv/a.h'):
            return [f.message.split()[3] for f in prose.check(path, text)]

        long = 'The leader ' + ' '.join(['sends'] * 24)
        just = 'The leader ' + ' '.join(['sends'] * 23)
        lines = long.replace(' ', '\n// ', 5)
        for path, text in (('kv/a.h', f'// {long}.\n'), ('kv/a.h', f'// {lines}\n'), ('kv/a.h', f'// A: {long[1:]}.\n'), ('docs/a.md', f'One. {long}\n'),
                           ('docs/a.md', f'- {long}.\n'), ('docs/a.md', f'| a | {long} |\n'), ('kv/a.cc', f'f("{long}");\n'),
                           ('kv/a.h', f'// {long[:60]}; {long[60:]}\n')):
            self.assertIn(lengths(text, path), (['26'], ['27']), text)
        for path, text in (('kv/a.h', f'// {just}. {just}? {just}: {just}.\n'), ('docs/a.md', f'| a | {just}; {just} |\n'), ('docs/a.md', f'    {long}\n'),
                           ('docs/a.md', f'- {just}\n- {just}\n\n{just}\n'), ('docs/a.md', f'**{just}.** {just}\n'), ('kv/a.h', f'// {just}.\nint a;\n// {just}.\n'),
                           ('kv/a.h', f'// {just}\n//\n// {just}\n// ---- A b.\n'), ('kv/a.cc', f'f("{just}; {just}");\n')):
            self.assertEqual([], lengths(text, path), text)

    def test_NameOfATest_WithSuchAWord_IsFound(self):
        self.assertEqual(['Nobody'], found('TEST(Stream, Cancelled_CallsNobody) {\n', 'net/a_test.cc'))
        self.assertEqual(['Reaper'], found('TEST_F(TableTest, Reaper_FreesStepByStep) {\n', 'kv/a_test.cc'))
        self.assertEqual(['Tells'], found('class T:\n    def test_Error_TellsTheName(self):\n        pass\n', 'tests/a_test.py'))
        self.assertEqual([], found('TEST(Stream, Cancelled_MakesNoCall) {\n', 'net/a_test.cc'))

    def test_List_OnlyShrinks(self):
        texts = {'kv/clean.h': '// The key.\n', 'kv/old.h': '// What is due.\n', 'kv/new.h': '// What is new.\n'}
        paths = [f.path for f in prose.check_all(texts, ['kv/clean.h', 'kv/gone.h', 'kv/old.h'])]
        self.assertEqual([prose.LIST, 'kv/new.h', prose.LIST], paths)


if __name__ == '__main__':
    unittest.main()
