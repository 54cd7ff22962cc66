"""Pure sources keep the rules of determinism; and the lint can fail."""

import collections
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import bans  # noqa: E402
import tree  # noqa: E402

# For each rule a line that must be reported, and a similar line that must not.
PLANTED = {
    'thread': ('std::mutex mu_;', '// std::mutex is not for us'),
    'atomic': ('std::atomic<int> count_;', 'int atomicity_;'),
    'clock': ('auto t = absl::Now();', 'Now now = loop.ReadClock();'),
    'random': ('int x = rand();', 'int x = random_.Below(3, kSite, 0, 0);'),
    'outside': ('const char* home = getenv("HOME");', 'Error("getenv is not for us");'),
    'file': ('std::ifstream in(path);', 'File* file_;'),
    'console': ('std::cout << 1;', 'out << 1;'),
    'static': ('static int calls = 0;', 'static constexpr int kCalls = 0;'),
    'hash': ('size_t h = absl::Hash<int>()(3);', 'return H::combine(std::move(h), x.value_);'),
    'unordered': ('std::unordered_map<int, int> m;', 'absl::btree_map<int, int> m;'),
    'pointer': ('absl::btree_map<Node*, int> m;', 'absl::btree_map<NodeId, Node*> m;'),
    'sort': ('std::sort(v.begin(), v.end(), Less());', 'std::sort(v.begin(), v.end());'),
    'float': ('double ratio = 0.5;', 'int doubled = 2;'),
    'throw': ('throw 3;', 'int overthrown = 3;'),
    'coroutine': ('co_await x;', 'int co_operation;'),
    'assert': ('assert(x > 0);', 'static_assert(sizeof(int) == 4);'),
}


def pure_sources(root):
    """{path: text} of the sources of pure libraries, by package."""
    packages = collections.defaultdict(dict)
    for target in tree.load_targets(root):
        parts = target.package.split('/')
        if target.is_test_code or parts[0] in ('net', 'bench', 'tests', 'examples') or 'cmd' in parts or parts[:2] == ['sim', 'tools']:
            continue
        for source in target.srcs + target.hdrs:
            path = os.path.join(target.package, source.removeprefix(':'))
            if path.endswith(('.h', '.cc', '.proto')) and os.path.exists(os.path.join(root, path)):
                packages[target.package][path] = tree.read(root, path)
    return packages


class BansTest(unittest.TestCase):

    def test_PureSources_AsTheyAre_KeepTheBans(self):
        root = tree.find_root()
        findings, count = [], 0
        for package in pure_sources(root).values():
            count += len(package)
            for path, text in package.items():
                findings.extend(bans.check_proto(path, text) if path.endswith('.proto') else bans.check_bans(path, text))
            findings.extend(bans.check_hash_iteration({p: t for p, t in package.items() if not p.endswith('.proto')}))
        self.assertGreater(count, 15, 'the lint checked too few sources: does it read the right folders?')
        left = bans.apply_exceptions(findings, bans.EXCEPTIONS)
        self.assertFalse(left, '\n' + '\n'.join(map(str, left)))

    def test_EachBan_Planted_IsFoundAtItsLine(self):
        self.assertEqual({ban.rule for ban in bans.BANS}, set(PLANTED))
        for rule, (bad, _) in PLANTED.items():
            with self.subTest(rule):
                found = list(bans.check_bans('raft/x.cc', f'// A comment.\nint y;\n{bad}\n'))
                self.assertIn((rule, 3), [(f.rule, f.line) for f in found])

    def test_EachBan_Lookalike_Passes(self):
        for rule, (_, good) in PLANTED.items():
            with self.subTest(rule):
                self.assertEqual([], list(bans.check_bans('raft/x.cc', f'{good}\n')))

    def test_Beast_BesidesItsParser_IsFound(self):
        for header, count in (('http/basic_parser.hpp', 0), ('http/rfc7230.hpp', 0), ('http/read.hpp', 1), ('core.hpp', 1)):
            found = list(bans.check_bans('node/x.cc', f'#include <boost/beast/{header}>\n'))
            self.assertEqual(['outside'] * count, [f.rule for f in found], header)

    def test_HashContainer_Iterated_IsFoundAcrossFilesOfAPackage(self):
        header = 'absl::flat_hash_map<int, absl::btree_set<int>> rows_;\n'
        source = 'void F() {\n  for (const auto& [a, b] : this->rows_) G(a);\n}\n'
        found = list(bans.check_hash_iteration({'kv/a.h': header, 'kv/a.cc': source}))
        self.assertEqual([('kv/a.cc', 2)], [(f.path, f.line) for f in found])
        self.assertEqual([], list(bans.check_hash_iteration({'kv/a.h': header, 'kv/a.cc': 'auto it = rows_.find(3);'})))

    def test_ProtoMap_Planted_IsFound(self):
        self.assertEqual(1, len(list(bans.check_proto('raft/a.proto', 'map<string, int32> m = 1;'))))
        self.assertEqual([], list(bans.check_proto('raft/a.proto', 'repeated Row m = 1;  // no map<>')))

    def test_Exceptions_UsedUpOrStale_AreToldApart(self):
        finding = bans.Finding('a.cc', 3, 'float', 'x')
        self.assertEqual([], bans.apply_exceptions([finding], {'float': {'a.cc': 'why'}}))
        stale = bans.apply_exceptions([], {'float': {'a.cc': 'why'}})
        self.assertEqual(['float'], [f.rule for f in stale])


if __name__ == '__main__':
    unittest.main()
