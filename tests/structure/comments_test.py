"""Comments have one width, stand above declarations and name what exists; and the checks can fail."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import comments  # noqa: E402
import tree  # noqa: E402

_CODE = ('.h', '.cc', '.proto', '.py', '.js', '.sh', '.bazel', '.bzl')


def rules(findings):
    return [f.rule for f in findings]


class CommentsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        root = tree.find_root()
        cls.texts = {p: tree.read(root, p) for p in tree.list_files(root) if p.endswith(_CODE)}

    def check_all(self, check, applies=comments.applies):
        checked = {p: text for p, text in self.texts.items() if applies(p)}
        self.assertGreater(len(checked), 400)
        findings = [f for path, text in checked.items() for f in check(path, text)]
        self.assertFalse(findings, '\n' + '\n'.join(map(str, findings)))

    def test_Comments_AsTheyAre_HaveOneWidth(self):
        self.check_all(comments.check_width)

    def test_Declarations_AsTheyAre_AreNotBrokenByTheirComments(self):
        self.check_all(comments.check_broken_declarations)

    def test_Names_InComments_ExistInTheCode(self):
        words = {path: comments.words_of(path, text) for path, text in self.texts.items()}
        self.check_all(lambda path, text: comments.check_names(path, text, words), comments.names_apply)

    def test_WideComment_Planted_IsFound(self):
        for line in ('// ' + 'x' * 78, '  int a;  // ' + 'x' * 70):
            self.assertEqual(['comment-width'], rules(comments.check_width('kv/a.h', line)))
        for line in ('// ' + 'x' * 77, 'f("//' + 'x' * 90 + '");', 'int a = ' + '1' * 90 + ';'):
            self.assertEqual([], rules(comments.check_width('kv/a.h', line)))

    def test_DeclarationBrokenByItsComment_Planted_IsFound(self):
        for text in ('  kAppend =\n      2,  // Hard state.\n', '  std::vector<int>\n      a_;  // Ascending.\n',
                     'void F(int a,\n       int b);  // Twice.\n', '  if (a)\n    return;  // One at a time.\n'):
            self.assertEqual(['comment-place'], rules(comments.check_broken_declarations('kv/a.h', text)), text)
        for text in ('  kA,\n  kB,  // The second.\n', '  int a;\n  int b;  // The second.\n', '// The first.\nint a;  // One.\n',
                     f'void F(int {"a" * 40},\n       int {"b" * 40});  // Twice.\n', 'class A {\n  int b;  // One.\n'):
            self.assertEqual([], rules(comments.check_broken_declarations('kv/a.h', text)), text)

    def test_NameThatDoesNotExist_Planted_IsFound(self):
        words = {'kv/b.h': comments.words_of('kv/b.h', 'class Router {\n  void Add(int value_bytes);\n};  // Gone\n'),
                 'kv/c.h': comments.words_of('kv/c.h', 'void Execute();\n')}
        for comment in ('Router::Add does it.', '`value_bytes` at most.', 'Add() and Router::Add() do it.', 'Who is `a b`?'):
            self.assertEqual([], rules(comments.check_names('kv/a.h', f'// {comment}\n', words)), comment)
        for comment in ('Router::Execute does it.', 'calls Gone() later', 'at most `key_bytes`', 'Queue::Add', 'see `Gone()`', '`Router::Gone`',
                        'at kGoneMax', 'the key_bytes of it', 'a RouterQueue', 'The key_bytes.', 'A RouterQueue.'):
            self.assertEqual(['comment-name'], rules(comments.check_names('kv/a.h', f'int a;  // {comment}\n', words)), comment)

    def test_NameInPython_ThatDoesNotExist_Planted_IsFound(self):
        code = 'class Router:\n    """Gone since OldRouter."""\n    def add(self, value_bytes):\n        return value_bytes  # gone_member_ of OldRouter\n'
        words = {'tests/b.py': comments.words_of('tests/b.py', code), 'kv/c.h': comments.words_of('kv/c.h', 'void Execute();\n')}
        for text in ('# Sends value_bytes to `Router`.\n', 'a = 1  # calls Execute()\n', '"""Calls `Router`."""\n', 'a = "OldRouter"\n',
                     'a = [\n    # The `Router`.\n    1]\n'):
            self.assertTrue(comments.names_apply('tests/a.py'))
            self.assertEqual([], rules(comments.check_names('tests/a.py', text, words)), text)
        for text in ('# The gone_member_ of it.\n', 'a = 1  # an OldRouter\n', '# at `Gone`\n', '#calls Gone()\n', '"""A page.\n\nAn OldRouter.\n"""\n',
                     'def f():\n    """`Gone` is called."""\n'):
            self.assertEqual(['comment-name'], rules(comments.check_names('tests/a.py', text, words)), text)


if __name__ == '__main__':
    unittest.main()
