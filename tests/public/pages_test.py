"""The front door is true: code on the pages for people who use the library is compiled, and the names on them exist."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'structure'))
import comments  # noqa: E402
import tree  # noqa: E402

CALLS = 'docs/embed/from-asio.md'
PAGES = ('README.md', 'docs/embed/README.md', 'docs/embed/public.md', CALLS, 'docs/testing/your-own.md')
# The files from which blocks are cut, by the first line of a block that is no C++.
COMPILED = ('examples/embedding/pages.cc', 'examples/outside/adder_model.h', 'examples/outside/server_simulation_main.cc',
            'examples/outside/bank_server.cc', 'examples/outside/bank_simulation.h')
BUILT = {'local_repository(': 'examples/outside/WORKSPACE', 'find_package(': 'examples/outside/CMakeLists.txt'}
SOURCES = ('.h', '.cc', '.py', '.bzl', '.bazel', '.in', 'CMakeLists.txt')
# Words that are text of programs, or names of other projects.
FOREIGN = {'absl::AnyInvocable', 'absl::Span', 'absl::Status'}

_BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r'(?<!`)`([^`\n]+)`(?!`)')
# A::b, a.b, a->b, a(…): what a C++ reader takes for a name.
_NAME = re.compile(r'~?[A-Za-z_]\w*(?:(?:::|\.|->)~?[A-Za-z_]\w*)*(?:\([^()]*\))?(?:(?:\.|->)\w+(?:\([^()]*\))?)*$')
_FILE = re.compile(r'[\w./-]+\.(?:h|cc|py|md|txt|toml|bazelrc)$|[\w./-]+/$')


def lines_of(text):
    return [line.rstrip() for line in text.strip('\n').split('\n')]


def contains(text, block):
    """Whether the lines of a block stand in `text`, one after the other and with the same indents relative to each other."""
    wanted, have = lines_of(block), lines_of(text)
    return any(have[start:start + len(wanted)] == wanted for start in range(len(have) - len(wanted) + 1))


def source_of(language, block):
    """The files of which one must have the block; None for output and commands of a shell."""
    if language == 'cpp':
        return COMPILED
    return next(((path,) for first, path in BUILT.items() if block.startswith(first)), None)


def names_in(page):
    """(line, name) of the names in backquotes outside blocks."""
    text = _BLOCK.sub(lambda match: '\n' * match.group(0).count('\n'), page)
    for number, line in enumerate(text.split('\n'), 1):
        for quoted in _QUOTED.findall(line):
            if _NAME.match(quoted) and not _FILE.match(quoted) and quoted not in FOREIGN:
                yield number, quoted


def own_text(page, text):
    """The table of calls begins with names of other libraries."""
    return re.sub(r'^\| (?:[^|\\]|\\.)*\|', '|', text, flags=re.MULTILINE) if page == CALLS else text


def exists(name, words_by_file):
    """A name exists if one file has all its parts; arguments are examples."""
    parts = set(re.findall(r'[A-Za-z_]\w*', re.sub(r'\([^()]*\)', '', name)))
    # `raft::Host` is declared within the namespace, `env::Env` in env/.
    return any(parts <= words for words in words_by_file.values())


class PagesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        root = tree.find_root()
        cls.read = staticmethod(lambda path: tree.read(root, path))
        files = [path for path in tree.list_files(root) if path.endswith(SOURCES) and not path.startswith(('tests/structure/', 'tests/public/'))]
        cls.words = {path: comments.words_of(path, cls.read(path)) for path in files}
        cls.words['packages'] = set(re.findall(r'[\w-]+', cls.read('third_party/packages.txt')))

    def test_code_blocks_are_cut_from_files_that_are_compiled(self):
        seen = 0
        for page in PAGES:
            for language, block in _BLOCK.findall(self.read(page)):
                sources = source_of(language, block)
                if sources is not None:
                    seen += 1
                    self.assertTrue(any(contains(self.read(path), block) for path in sources), f'{page}: no file of {sources} has\n{block}')
        self.assertGreater(seen, 6)

    def test_names_in_backquotes_exist(self):
        missing = [f'{page}:{number}: {name}' for page in PAGES for number, name in names_in(own_text(page, self.read(page)))
                   if not exists(name, self.words)]
        self.assertEqual([], missing)

    def test_simulation_of_a_server_takes_few_lines(self):
        lines = [len(self.read(f'examples/outside/{name}').splitlines()) for name in ('adder_model.h', 'server_simulation_main.cc')]
        self.assertLessEqual(sum(lines), 120)
        self.assertIn(f'Two files of {sum(lines)} lines', self.read('docs/testing/your-own.md'))

    def test_counts_of_lines_are_those_of_the_files(self):
        seen = 0
        for row in self.read('docs/embed/README.md').splitlines():
            files = re.findall(r'\(\.\./\.\./(examples/outside/\w+\.\w+)\)', row)
            count = re.search(r'\| (\d+) \|', row)
            if not files or not count:
                continue
            seen += 1
            self.assertEqual(int(count.group(1)), sum(len(self.read(name).splitlines()) for name in files), row)
        self.assertGreaterEqual(seen, 2)

    def test_block_that_differs_in_a_line_is_found(self):
        self.assertTrue(contains('a\n  b;\n  c;\n', '  b;\n  c;\n'))
        self.assertFalse(contains('a\n  b;\n  c;\n', '  b;\n  d;\n'))
        self.assertFalse(contains('  b;\n\n  c;\n', '  b;\n  c;\n'))

    def test_name_that_was_renamed_is_found(self):
        words = {'a.h': {'Host', 'leader'}, 'b.h': {'Core', 'log_memory_bytes'}}
        self.assertTrue(exists('Host::leader(group)', words))
        self.assertFalse(exists('Host::log_memory_bytes', words))
        self.assertEqual([(1, 'Host::x'), (5, 'y')], list(names_in('`Host::x` `--flag 1` `a/b.h`\n```cpp\n`no`\n```\n`y`\n')))


if __name__ == '__main__':
    unittest.main()
