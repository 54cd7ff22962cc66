"""Every patch applies to this tree and describes what it breaks. The set has enough subtle bugs."""

import os
import shutil
import tempfile
import unittest

import patches
import tree_copy

ROOT = tree_copy.source_root()
FOLDER = os.path.join(ROOT, 'tests', 'planted', 'patches')
# A bug is a small mistake.
CHANGED_LINES_MAX = 6
PRODUCT = ('env/', 'raft/core/', 'raft/host/', 'raft/log/', 'raft/transport/', 'kv/', 'node/', 'shardctrl/')
# The simulator replaces these parts, and no run reaches all of the others, so tests find their bugs.
REAL = ('net/disk/', 'net/streams/', 'net/event_loop/')
EXAMPLE = '''Catalogue: B001
Rated: 2
Checker: election safety

Why.

--- a/raft/f.cc
+++ b/raft/f.cc
@@ -1,3 +1,3 @@
 one
-two
+too
 three
'''


def copy_files(patch, root, target):
    for name in patch.files:
        os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
        shutil.copyfile(os.path.join(root, name), os.path.join(target, name))


class PatchesTest(unittest.TestCase):

    def test_every_patch_applies_to_the_tree(self):
        for patch in patches.load(FOLDER):
            with self.subTest(patch.name), tempfile.TemporaryDirectory() as folder:
                copy_files(patch, ROOT, folder)
                patches.apply_to(patch, folder)

    def test_every_patch_is_a_small_mistake_in_the_product(self):
        for patch in patches.load(FOLDER):
            with self.subTest(patch.name):
                self.assertLessEqual(patch.changed_lines, CHANGED_LINES_MAX)
                self.assertGreater(patch.changed_lines, 0)
                for name in patch.files:
                    self.assertTrue(name.startswith(REAL + PRODUCT if patch.test else PRODUCT), name)
                    self.assertNotIn('_test', name)
                    self.assertNotIn('invariants', name)

    def test_set_twelve_or_more_half_of_them_subtle(self):
        known = [patch for patch in patches.load(FOLDER) if not patch.test]
        self.assertGreaterEqual(len(known), 12)
        subtle = [patch for patch in known if patch.rating >= 4]
        self.assertGreaterEqual(2 * len(subtle), len(known), [patch.name for patch in subtle])

    def test_page_names_every_patch_and_its_number(self):
        with open(os.path.join(ROOT, 'docs', 'testing', 'planted-bugs.md'), encoding='utf-8') as file:
            page = file.read()
        for patch in patches.load(FOLDER):
            with self.subTest(patch.name):
                self.assertIn(f'\n| {patch.name} | {patch.catalogue} | {patch.rating} | {patch.finder} |\n', page)
                if patch.catalogue != 'own':
                    self.assertIn(f'\n| {patch.catalogue} | ', page)


class ParseTest(unittest.TestCase):

    def test_example_gives_its_parts(self):
        patch = patches.parse('example', 'p', EXAMPLE)
        self.assertEqual((patch.catalogue, patch.rating, patch.checker, patch.prose), ('B001', 2, 'election safety', 'Why.'))
        self.assertEqual((patch.files, patch.changed_lines), (['raft/f.cc'], 1))

    def test_bug_outside_the_simulation_names_its_test(self):
        patch = patches.parse('example', 'p', EXAMPLE.replace('Checker: election safety', 'Found by: //net:some_test'))
        self.assertEqual((patch.checker, patch.test, patch.finder), ('', '//net:some_test', '//net:some_test'))

    def test_what_is_missing_or_odd_is_refused(self):
        both = 'Checker: election safety\nFound by: //net:some_test'
        for old, new in (('Checker: election safety', both), ('Checker: election safety', 'Found by: some_test'),
                         ('Rated: 2\n', ''), ('Rated: 2', 'Rated: 6'), ('B001', 'bug 1'), ('Why.\n', ''), ('Checker:', 'Check:'),
                         ('--- a/', '--- ')):
            with self.subTest(new), self.assertRaises(patches.BadPatch):
                patches.parse('example', 'p', EXAMPLE.replace(old, new))

    def test_tree_that_moved_on_is_an_error_that_says_so(self):
        patch = patches.parse('example', 'p', EXAMPLE)
        for text in ('one\n2\nthree\n', 'one\ntoo\nthree\n'):
            with self.subTest(text), tempfile.TemporaryDirectory() as folder:
                os.makedirs(os.path.join(folder, 'raft'))
                with open(os.path.join(folder, 'raft', 'f.cc'), 'w', encoding='utf-8') as file:
                    file.write(text)
                with self.assertRaisesRegex(patches.BadPatch, 'example does not apply'):
                    patches.apply_to(patch, folder)


if __name__ == '__main__':
    unittest.main()
