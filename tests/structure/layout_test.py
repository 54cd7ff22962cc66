"""Files have the required layout; and the checks can fail."""

import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import bans  # noqa: E402
import cpp_text  # noqa: E402
import layout  # noqa: E402
import tree  # noqa: E402

GOOD_HEADER = '''// kv/a.h: what it is.
// Where it sits.
#ifndef QUORATE_KV_A_H_
#define QUORATE_KV_A_H_
#endif  // QUORATE_KV_A_H_
'''


def rules(findings):
    return [f.rule for f in findings]


class LayoutTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.root = tree.find_root()
        cls.files = tree.list_files(cls.root)
        layout.TEST_FILES = {
            os.path.join(target.package, source) for target in tree.load_targets(cls.root) if target.is_test_code
            for source in target.srcs + target.hdrs
        }

    def test_AllFiles_AsTheyAre_LookAsTheStyleAsks(self):
        self.assertGreater(len(self.files), 30)
        findings, known = list(layout.check_folder_sizes(self.files)), set(self.files)
        programs = layout.program_words(self.files, lambda path: tree.read(self.root, path))
        for path in self.files:
            try:
                text = tree.read(self.root, path)
            except UnicodeDecodeError:
                continue
            for check in (layout.check_file_size, layout.check_function_sizes, layout.check_banner, layout.check_guard,
                          layout.check_leftovers, layout.check_whitespace):
                findings.extend(check(path, text))
            findings.extend(layout.check_own_header_first(path, text, known))
            findings.extend(layout.check_advice(path, text, programs))
            if path.endswith('.md'):
                findings.extend(layout.check_links(path, text, known, lambda page: tree.read(self.root, page)))
                findings.extend(layout.check_labels(path, text, known, lambda page: tree.read(self.root, page)))
        left = bans.apply_exceptions(findings, layout.EXCEPTIONS)
        self.assertFalse(left, '\n' + '\n'.join(map(str, left)))

    def test_AllFiles_AsTheyAre_AreTextOutsideTestdataAndImages(self):
        findings = []
        for path in self.files:
            with open(os.path.join(self.root, path), 'rb') as file:
                findings.extend(layout.check_binary(path, file.read()))
        self.assertFalse(findings, '\n' + '\n'.join(map(str, findings)))

    def test_AdviceThatCannotBeFollowed_Planted_IsFound(self):
        files = {'net/cmd/quoratectl.cc': 'add_option("--address", a); add_flag("--json"); add_subcommand("status", "Nodes");',
                 'net/cmd/quorated.cc': 'add_flag("--bootstrap", b);', 'sim/tools/arguments.cc': 'flag == "--seed"; command == "run"',
                 layout.COMMAND_TABLE: '{"quorate.do", 3}'}
        programs = layout.program_words(files, files.get)

        def found(path, text):
            return rules(layout.check_advice(path, text, programs))

        for text in ('`quoratectl remove 3`', '    quoratectl --address h:1 drain', '```\n$ quoratectl --gone status\n```', 'quorated --address x',
                     '`bazel run //:simulate -- walk --seed 1`', '`QUORATE.GONE`'):
            self.assertEqual(['advice'], found('docs/a.md', text), text)
        for text in ('return Error("start quorated --force");', 'const char* kHint = "use QUORATE.REPAIR";'):
            self.assertEqual(['advice'], found('node/a.cc', text), text)
            self.assertEqual([], found('node/a_test.cc', text), text)
        for text in ('`quoratectl --address h:1 status`', '`quoratectl --json status`', 'quoratectl asks each node', '`quorated --bootstrap --help`',
                     '`simulate -- run --seed 1`', '`//net/cmd:quorated` --config', '`QUORATE.DO`'):
            self.assertEqual([], found('docs/a.md', text), text)

    def test_Binary_Planted_IsFound(self):
        for content in (b'\x7fELF\0\0', b'\x89PNG\r\n', b'text\0'):
            with self.subTest(content):
                self.assertEqual(['binary'], rules(layout.check_binary('old_server', content)))
                self.assertEqual(['binary'], rules(layout.check_binary('kv/testdata', content)))
                self.assertEqual([], rules(layout.check_binary('kv/testdata/a.bin', content)))
                self.assertEqual([], rules(layout.check_binary('docs/images/a.png', content)))
        self.assertEqual([], rules(layout.check_binary('docs/a.md', 'Grüße\n'.encode())))

    def test_Sources_AsTheyAre_AreFormatted(self):
        tool = shutil.which('clang-format-14')
        self.assertIsNotNone(tool, 'clang-format-14 is not installed: it is in third_party/packages.txt')
        sources = [p for p in self.files if p.endswith(('.h', '.cc'))]
        run = subprocess.run([tool, '--dry-run', '-Werror', '--ferror-limit=1', *sources], cwd=self.root, capture_output=True, text=True,
                             check=False)
        wrong = sorted({line.split(':', 1)[0] for line in run.stderr.splitlines() if 'clang-formatted' in line})
        self.assertEqual([], wrong, 'run: clang-format-14 -i ' + ' '.join(wrong))

    def test_Root_AsItIs_HoldsTheListedFiles(self):
        for path in self.files:
            self.assertEqual([], rules(layout.check_root(path)), path)
        self.assertEqual(['root'], rules(layout.check_root('old_server')))

    def test_IgnoredFiles_AreNoneOfTheRepository(self):
        patterns = ['/bazel-*', '/out.json', '*.o', '.idea/']
        for path in ('bazel-bin/', 'out.json', 'a.o', 'kv/b.o', '.idea/', 'kv/.idea/'):
            self.assertTrue(tree.is_ignored(path, patterns), path)
        for path in ('kv/bazel-bin/', 'kv/out.json', 'o', 'kv/a.oo', '.idea', 'kv/'):
            self.assertFalse(tree.is_ignored(path, patterns), path)

    def test_CommentsAsTheyAre_NameFilesThatExist(self):
        named = layout.named_things(self.files)
        checked = [path for path in self.files if layout.has_commentary(path)]
        self.assertGreater(len([path for path in checked if path.endswith('.py')]), 20)
        found = [f for path in checked for f in layout.check_named_paths(path, tree.read(self.root, path), named)]
        self.assertFalse(found, '\n' + '\n'.join(map(str, found)))

    def test_NameOfAFileThatIsGone_Planted_IsFound(self):
        named = layout.named_things(['kv/a.h', 'kv/store/b_test.cc', 'docs/decisions/0003-why.md'])
        for comment in ('see kv/gone.h', 'see kv/gone', 'kv/store/testdata', 'as in gone.cc', 'docs/decisions/0004'):
            for path, text in (('kv/a.h', f'int a;  // {comment}.\n'), ('kv/a.py', f'# {comment}.\n'), ('kv/BUILD.bazel', f'# {comment}.\n'),
                               ('kv/a.py', f'def f():\n    """One.\n\n    {comment}.\n    """\n')):
                self.assertEqual(['named-path'], rules(layout.check_named_paths(path, text, named)), text)
        for comment in ('see kv/a.h', 'kv/store/b_test', 'the folder kv/store/', 'b_test.cc', 'docs/decisions/0003', '//kv/gone', 'a/kv/gone',
                        'foo.cc includes foo.h', 'kv/store/NAME', 'and/or', 'HTTP/1.1'):
            self.assertEqual([], rules(layout.check_named_paths('kv/a.h', f'// {comment}\n', named)), comment)
        self.assertEqual([], rules(layout.check_named_paths('kv/a.py', 'f("kv/gone.h")\n', named)))

    def test_LongFile_Planted_IsFound(self):
        self.assertEqual(['file-size'], rules(layout.check_file_size('kv/a.cc', 'int x;\n' * 801)))
        self.assertEqual([], rules(layout.check_file_size('kv/a_test.cc', 'int x;\n' * 801)))

    def test_FullFolder_Planted_IsFound(self):
        full = [f'kv/store/a{n}.cc' for n in range(40)]
        beside = ['kv/store/a_test.cc', 'kv/store/BUILD.bazel', 'kv/store/testdata/a.golden', 'kv/store/testing/a.h', 'kv/a.cc', 'kv/store/b/a.cc']
        self.assertEqual([], rules(layout.check_folder_sizes(full + beside + [f'tests/a{n}.py' for n in range(41)])))
        self.assertEqual(['folder-size'], rules(layout.check_folder_sizes(full + ['kv/store/b.cc'])))

    def test_LongFunction_Planted_IsFound(self):
        body = '  x();\n' * 70
        for text in (f'namespace a {{\nint B::F(int x) const {{\n{body}}}\n}}\n', f'B::B(int x)\n    : x_(x), y_{{x}} {{\n{body}}}\n',
                     f'class A {{\n public:\n  void F() {{\n{body}  }}\n}};\n'):
            with self.subTest(text[:30]):
                self.assertEqual(['function-size'], rules(layout.check_function_sizes('kv/a.cc', text)))
        self.assertEqual(['function-size'], rules(layout.check_function_sizes('bench/a.py', 'def f():\n' + '  x()\n' * 71)))

    def test_FunctionsInSample_AreCutRight(self):
        sample = '''
#include <map>
namespace q {
enum class E { kA, kB };
struct S {
  int a = 3;
  S() : a{4}, b(5) {}
  bool operator<(const S& o) const { return a < o.a; }
  std::vector<int> v{1, 2};
};
template <typename T>
auto Make(T x) -> std::vector<T> {
  auto f = [&](int y) { return x + y; };
  if (x) { return {f(1)}; }
  return {};
}
constexpr int kTable[] = {1, 2, 3};
}  // namespace q
'''
        names = [(f.name, f.lines) for f in cpp_text.functions(cpp_text.code_only(sample))]
        self.assertEqual([('S', 1), ('operator<', 1), ('Make', 6)], names)

    def test_CodeOnly_CommentsAndLiterals_AreBlankedInPlace(self):
        text = 'a /* x\n y */ b("rand()"); // rand()\nconst int n = 1\'000; char c = \'"\';\nR"(rand()\n)" c;\n'
        code = cpp_text.code_only(text)
        self.assertNotIn('rand', code)
        self.assertEqual(text.count('\n'), code.count('\n'))
        self.assertIn("1'000", code)

    def test_Header_WithoutBannerOrGuard_IsFound(self):
        self.assertEqual([], rules(list(layout.check_banner('kv/a.h', GOOD_HEADER)) + list(layout.check_guard('kv/a.h', GOOD_HEADER))))
        self.assertEqual(['banner'], rules(layout.check_banner('kv/a.h', GOOD_HEADER.replace('kv/a.h', 'kv/b.h'))))
        self.assertEqual(['banner'], rules(layout.check_banner('kv/a.h', GOOD_HEADER.replace('// Where it sits.\n', ''))))
        self.assertEqual(['guard'], rules(layout.check_guard('kv/a.h', GOOD_HEADER.replace('_KV_A_H_', '_A_H_'))))
        self.assertEqual(['guard'], rules(layout.check_guard('kv/a.h', GOOD_HEADER + 'using namespace std;\n')))

    def test_OwnHeader_NotFirst_IsFound(self):
        good, bad = '#include "kv/a.h"\n#include <map>\n', '#include <map>\n#include "kv/a.h"\n'
        self.assertEqual([], rules(layout.check_own_header_first('kv/a.cc', good, {'kv/a.h'})))
        self.assertEqual(['own-header'], rules(layout.check_own_header_first('kv/a.cc', bad, {'kv/a.h'})))
        other = 'examples/outside/a.cc', '#include "a.h"\n'
        self.assertEqual([], rules(layout.check_own_header_first(*other, {'examples/outside/a.h'})))

    def test_LeftoversAndWhitespace_Planted_AreFound(self):
        self.assertEqual(['leftover'], rules(layout.check_leftovers('kv/a.cc', '// TO' 'DO: later\n')))
        self.assertEqual(['whitespace', 'whitespace'], rules(layout.check_whitespace('kv/a.cc', 'int x; \nint y;')))

    def test_LabelOfNoTarget_Planted_IsFound(self):
        files = {'sim/world/BUILD.bazel', 'sim/world/world.h'}

        def found(text):
            return rules(layout.check_labels('docs/a.md', text, files, lambda page: 'cc_library(name = "world")'))

        for text in ('`//sim:world`', '`//sim/world:gone`', '`//sim`', '`//gone/...`'):
            self.assertEqual(['label'], found(text), text)
        for text in ('`//sim/world`', '`//sim/world:world`', '`//sim/...`', '`//...`', 'http://a/b', 'a // b'):
            self.assertEqual([], found(text), text)

    def test_DeadLinks_Planted_AreFound(self):
        files = {'docs/a.md', 'docs/b.md', 'kv/a.h'}

        def check(text):
            return rules(layout.check_links('docs/a.md', text, files, lambda page: '# One heading, of `two`\n'))

        self.assertEqual([], check('[b](b.md) [top](../kv) [h](b.md#one-heading-of-two) [w](https://x.org) `kv/a.h` `x/y.h`\n'))
        self.assertEqual(['link'], check('[b](c.md)\n'))
        self.assertEqual(['link'], check('[b](b.md#other)\n'))
        self.assertEqual(['link'], check('see `kv/gone.h`\n'))
        self.assertEqual([], check('```\n[b](c.md)\n```\n'))

    def test_Scenarios_AsTheyAre_AreOnTheMapOfRaftsRules(self):
        scenarios = [os.path.basename(path)[:-4] for path in self.files if path.startswith('raft/core/testdata/') and path.endswith('.txt')]
        self.assertGreater(len(scenarios), 40)
        page = set(re.findall(r'\w+', tree.read(self.root, 'docs/raft-map.md')))
        self.assertEqual([], [name for name in scenarios if name not in page])

    def test_DecisionRecords_AreContinuousAndOfOneForm(self):
        self.assertEqual([], list(layout.check_decisions(tree.list_files(self.root), lambda page: tree.read(self.root, page))))

    def test_DecisionRecords_PlantedGapsAndMissingParts_AreFound(self):
        parts = ''.join(f'\n**{part}.** x\n' for part in ('Context', 'Decision', 'Alternatives', 'How we would notice that it was wrong'))
        index = '[1](0001-a.md) [1](0001-b.md) [2](0002-b.md) [3](0003-b.md)'

        def check(files, removed=''):
            pages = {'docs/decisions/' + name: text for name, text in {**files, 'README.md': index + removed}.items()}
            return rules(layout.check_decisions(set(pages), pages.get))

        self.assertEqual([], check({'0001-a.md': '# 0001: A\n' + parts, '0002-b.md': '# 0002: B\n' + parts}))
        self.assertEqual(['decision'], check({'0001-a.md': '# 0001: A\n' + parts, '0002-b.md': '# 0003: B\n' + parts}))
        self.assertEqual(['decision'], check({'0001-a.md': '# 0001: A\n' + parts, '0003-b.md': '# 0003: B\n' + parts}))
        self.assertEqual(['decision'], check({'0001-a.md': '# 0001: A\n' + parts, '0001-b.md': '# 0001: B\n' + parts}))
        self.assertEqual(['decision'], check({'0001-a.md': '# 0001: A\n' + parts.replace('Alternatives', 'Others')}))
        first = {'0001-a.md': '# 0001: A\n' + parts}
        self.assertEqual([], check({**first, '0003-b.md': '# 0003: B\n' + parts}, '\n| 0002 | elsewhere |\n'))
        self.assertEqual(['decision'], check({**first, '0002-b.md': '# 0002: B\n' + parts}, '\n| 0002 | elsewhere |\n'))
        self.assertEqual(['decision'], check({'0001-unlisted.md': '# 0001: A\n' + parts}))


if __name__ == '__main__':
    unittest.main()
