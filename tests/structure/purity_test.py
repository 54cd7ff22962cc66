"""Object files of pure libraries need no impure symbol and have no static state; and the check can fail."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
import purity  # noqa: E402
import tree  # noqa: E402

LISTING = 'tests/structure/pure_objects.txt'
ALLOWED = os.path.join(HERE, 'allowed_symbols.txt')
# Libraries with sources that are not checked, each with a reason.
NOT_PURE = {'//env/program:program': 'main functions alone use it'}


def listed_objects():
    with open(LISTING, encoding='utf-8') as lines:
        return [tuple(line.rstrip('\n').split('\t')) for line in lines]


def compile_symbols(source):
    """[('//x:x', path)], symbols of one C++ source compiled on the spot."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'x.cc')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(source)
        subprocess.run(['g++', '-std=c++20', '-O1', '-c', path, '-o', path + '.o'], check=True)
        return [('//x:x', path + '.o')], purity.read_symbols([path + '.o'])


class PurityTest(unittest.TestCase):

    def test_PureLibraries_AsBuilt_NeedOnlyWhatIsAllowed(self):
        objects = listed_objects()
        self.assertGreater(len(objects), 2)
        allowlist = purity.Allowlist(tree.read(HERE, 'allowed_symbols.txt'))
        found = sorted(set(purity.check(objects, purity.read_symbols([path for _, path in objects]), allowlist)))
        self.assertFalse(found, '\n' + '\n'.join(found))

    def test_PureLibraries_AllOfThem_AreListed(self):
        listed = {label for label, _ in listed_objects()} | set(NOT_PURE)
        missing = []
        for target in tree.load_targets(tree.find_root()):
            parts = target.package.split('/')
            impure = target.is_test_code or parts[0] in ('net', 'bench', 'tests', 'examples') or 'cmd' in parts or parts[:2] == ['sim', 'tools']
            if target.kind == 'cc_library' and not impure and any(s.endswith('.cc') for s in target.srcs):
                if target.label not in listed:
                    missing.append(target.label)
        self.assertFalse(missing, f'{missing}: make them (or what depends on them) deps of //tests/structure:pure_objects')

    def test_ImpureCall_Planted_IsFound(self):
        nothing = purity.Allowlist('memcpy  # fine\n_Unwind_*  # fine')
        for source, symbol in (('#include <ctime>\nlong F() { return time(nullptr); }', 'time'),
                               ('#include <chrono>\nlong F() { return std::chrono::steady_clock::now().time_since_epoch().count(); }',
                                'std::chrono::_V2::steady_clock::now()'),
                               ('#include <cstdlib>\nchar* F() { return getenv("A"); }', 'getenv')):
            with self.subTest(symbol):
                found = list(purity.check(*compile_symbols(source), nothing, {}))
                self.assertTrue(any(f'`{symbol}`' in line for line in found), found)

    def test_StaticState_Planted_IsFound(self):
        source = 'static int calls = 1;\nint F() { return ++calls; }\nconst int kTable[] = {1, 2};\nint G(int i) { return kTable[i]; }'
        found = list(purity.check(*compile_symbols(source), purity.Allowlist(''), {}))
        self.assertEqual(1, len(found), found)
        self.assertIn('`calls`', found[0])

    def test_StaticState_OfOnePattern_IsExceptedForItsLibraryOnly(self):
        objects, symbols = compile_symbols('int calls = 1;\nint other = 1;')
        for label, count in (('//x:x', 1), ('//y:y', 2)):
            found = list(purity.check(objects, symbols, purity.Allowlist(''), {label: {'c*s': 'why'}}))
            self.assertEqual(count, len(found), found)

    def test_PureCode_Planted_Passes(self):
        source = '#include <cstring>\nvoid F(void* a, void* b, unsigned long n) { memcpy(a, b, n); }'
        self.assertEqual([], list(purity.check(*compile_symbols(source), purity.Allowlist('memcpy  # fine'), {})))

    def test_Allowlist_Sections_HoldForTheirLibraryOnly(self):
        allowlist = purity.Allowlist('[*]\nmem*  # all\n[//a:b]\nabort  # one\noperator new[](unsigned long)  # brackets\n')
        self.assertTrue(allowlist.allows('//c:d', 'memmove'))
        self.assertTrue(allowlist.allows('//a:b', 'abort'))
        self.assertTrue(allowlist.allows('//a:b', 'operator new[](unsigned long)'))
        self.assertFalse(allowlist.allows('//c:d', 'abort'))

    def test_Allowlist_EveryLine_HasAReason(self):
        for line in tree.read(HERE, 'allowed_symbols.txt').split('\n'):
            if line and not line.startswith(('#', '[')):
                self.assertRegex(line, r'\S  # \S', 'write pattern, two spaces, #, reason')


if __name__ == '__main__':
    assert shutil.which('nm') and shutil.which('g++')
    unittest.main()
