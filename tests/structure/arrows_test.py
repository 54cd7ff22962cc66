"""BUILD files and #include lines follow the table of packages; and the checks can fail."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import arrows  # noqa: E402
import tree  # noqa: E402


TABLE = arrows.read_table(tree.read(tree.find_root(), arrows.TABLE_PAGE))


def findings_of(build_text, package):
    return [f.rule for f in arrows.check_targets(tree.parse_build(build_text, package), TABLE, exceptions={})]


def library(deps, rule='cc_library', extra=''):
    return f'{rule}(name = "x", deps = {deps!r}, {extra})'


class ArrowsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.root = tree.find_root()
        cls.targets = tree.load_targets(cls.root)

    def assertNone(self, findings):
        findings = list(findings)
        self.assertFalse(findings, '\n' + '\n'.join(map(str, findings)))

    def test_BuildFiles_AsTheyAre_FollowTheTable(self):
        self.assertGreater(len(self.targets), 10)
        self.assertGreater(len(TABLE), 30)
        self.assertNone(arrows.check_targets(self.targets, TABLE))
        self.assertNone(arrows.check_table(self.targets, TABLE))

    def test_BuildFiles_AsTheyAre_StateWhoMaySeeThem(self):
        self.assertNone(arrows.check_visibility(self.targets))

    def test_Visibilities_AsTheyAre_AreUsed(self):
        self.assertNone(arrows.check_dead_visibility(self.targets))

    def test_Visibilities_AsTheyAre_NamePackages(self):
        self.assertNone(arrows.check_coarse_visibility(self.targets))

    def test_LibrariesFromOutside_AsTheyAre_AreUsed(self):
        self.assertNone(arrows.check_dead_external(self.targets))

    def test_UnusedVisibility_Planted_IsFound(self):
        def found(visibility, user, default='[]'):
            text = f'package(default_visibility = {default})\nUSERS = {default}\ncc_library(name = "x", {visibility})\ncc_library(name = "y", deps = [":x"])'
            targets = tree.parse_build(text, 'kv/a') + tree.parse_build('cc_test(name = "z", data = ["//kv/a:x"])', user)
            return [f.message for f in arrows.check_dead_visibility(targets)]

        for entry, user in (('//node:__pkg__', 'node'), ('//node:__subpackages__', 'node/b'), ('//node:__subpackages__', 'node')):
            self.assertEqual([], found(f'visibility = ["{entry}"]', user))
            self.assertEqual([], found('', user, f'["{entry}"]'))
            self.assertNotIn(f'{entry} uses nothing of //kv/a (USERS)', found('visibility = USERS', user, f'["{entry}"]'))
        for entry, user in (('//node:__pkg__', 'node/b'), ('//node:__subpackages__', 'nodes'), ('//kv/a:__pkg__', 'node')):
            self.assertEqual([f'{entry} uses nothing of //kv/a (//kv/a:x)'], found(f'visibility = ["{entry}"]', user))
            self.assertEqual([f'{entry} uses nothing of //kv/a (default_visibility)'], found('', user, f'["{entry}"]'))
            self.assertIn(f'{entry} uses nothing of //kv/a (USERS)', found('visibility = USERS', user, f'["{entry}"]'))

    def test_VisibilityCoarserThanTheTable_Planted_IsFound(self):
        def found(entry, package='kv/command', visibility='visibility = USERS'):
            text = f'package(default_visibility = ["{entry}"])\nUSERS = ["{entry}"]\ncc_library(name = "x", {visibility})'
            users = tree.parse_build('cc_library(name = "y", deps = ["//kv/command:x"])', 'node/resp')
            return [f.message for f in arrows.check_coarse_visibility(tree.parse_build(text, package) + users)]

        self.assertEqual(['//node:__subpackages__ (USERS): name the packages: node/resp'], found('//node:__subpackages__'))
        self.assertEqual(['//node:__subpackages__ (default_visibility): name the packages: node/resp'], found('//node:__subpackages__', visibility=''))
        self.assertEqual(['//sim/run:__subpackages__ (//kv/command:x): name the packages: '],
                         found('//sim/run:__subpackages__', visibility='visibility = ["//sim/run:__subpackages__"]'))
        for entry in ('//node/resp:__pkg__', '//tests:__subpackages__', '//visibility:private'):
            self.assertEqual([], found(entry))
        self.assertEqual([], found('//sim:__subpackages__', package='lincheck'))

    def test_BuildFiles_AsTheyAre_ListTheirFiles(self):
        for path in arrows.all_build_files(self.root):
            self.assertNone(arrows.check_globs(path, tree.read(self.root, path)))

    def test_Includes_AsTheyAre_FollowTheTable(self):
        tests = {os.path.join(t.package, s) for t in self.targets if t.is_test_code for s in t.srcs + t.hdrs}
        files = set(tree.list_files(self.root))
        sources = sorted(p for p in files if p.endswith(('.h', '.cc')))
        self.assertGreater(len(sources), 15)
        for path in sources:
            is_test = path in tests or path.endswith('_test.cc')
            self.assertNone(arrows.check_includes(path, tree.read(self.root, path), is_test, TABLE, files))

    def test_Exceptions_EachOne_IsStillNeeded(self):
        for label in arrows.EXCEPTIONS:
            of_label = [t for t in self.targets if t.label == label]
            self.assertTrue(list(arrows.check_targets(of_label, TABLE, exceptions={})), f'{label} needs no exception any more')

    def test_ForbiddenDependency_Planted_IsFound(self):
        self.assertEqual(['arrow'], findings_of(library(['//kv/store:store']), 'raft/core'))
        self.assertEqual(['arrow'], findings_of(library(['//net/event_loop:loop']), 'sim/run'))
        self.assertEqual(['arrow'], findings_of(library(['//sim/world:world']), 'net'))
        self.assertEqual(['arrow'], findings_of(library(['//node/resp:resp_session']), 'node/routing'))
        self.assertEqual(['arrow'], findings_of(library(['//raft/core:types']), 'shardctrl'))
        self.assertEqual(['arrow'], findings_of(library(['//raft/host']), 'raft/core'))
        self.assertEqual(['arrow'], findings_of(library(['//bench:histogram']), 'kv/store'))
        self.assertEqual(['arrow'], findings_of(library(['//sim/cmd:flags']), 'sim/run'))
        self.assertEqual(['folder'], findings_of(library([]), 'misc'))
        self.assertEqual(['folder'], findings_of(library([]), 'node/misc'))

    def test_AllowedDependency_OfEveryKind_Passes(self):
        self.assertEqual([], findings_of(library(['//env:env', '//raft/core:types', '@com_google_absl//absl/status']), 'kv/store'))
        self.assertEqual([], findings_of(library(['//sim/world:world', '@rapidcheck//:rapidcheck'], 'cc_test'), 'raft/host'))
        self.assertEqual([], findings_of(library(['//net/event_loop:loop', '@cli11//:cli11'], 'cc_binary'), 'net/cmd'))
        self.assertEqual([], findings_of(library(['//node:server'], extra='testonly = True'), 'sim'))
        self.assertEqual([], findings_of('alias(name = "simulate", actual = "//sim/cmd:simulate")', 'sim'))

    def test_SimAndNet_EvenInTests_NeverMeet(self):
        self.assertEqual(['arrow'], findings_of(library(['//net/event_loop:loop'], 'cc_test'), 'sim'))
        self.assertEqual([], findings_of(library(['//net/event_loop:loop', '//sim/world:world'], 'cc_test'), 'tests/contract'))

    def test_ImpureExternalLibrary_InPureFolder_IsFound(self):
        self.assertEqual(['external'], findings_of(library(['@boost//:asio']), 'node/http'))
        self.assertEqual(['external'], findings_of(library(['@com_google_protobuf//:protobuf']), 'env'))
        self.assertEqual([], findings_of(library(['@boost//:asio']), 'net'))

    def test_Include_OfHigherFolder_IsFoundAtItsLine(self):
        text = '// x\n#include "env/env.h"\n#include "node/server.h"\n'
        self.assertEqual([('include', 3)], [(f.rule, f.line) for f in arrows.check_includes('raft/core/a.h', text, False, TABLE, ())])

    def test_IncludeInOtherForms_Planted_IsFound(self):
        def rules(line, path='raft/core/a.h', is_test=False):
            files = ('sim/world/world.h', 'sim/x.h', 'raft/core/types.h', 'raft/core/b.h', 'net/loop.h')
            return [f.rule for f in arrows.check_includes(path, line + '\n', is_test, TABLE, files)]

        for line in ('#include <sim/world/world.h>', '# include <sim/x.h>', '#include "sim/world/world.h"', '#include <net/loop.h>'):
            self.assertEqual(['include'], rules(line), line)
        for line in ('#include "../../sim/x.h"', '#include <../../sim/x.h>', '#include "./b.h"', '#include "b.h"', '#include "sim/../sim/x.h"',
                     '#include "raft//core/b.h"', '#include <env/../sim/x.h>'):
            self.assertEqual(['relative-include'], rules(line), line)
        self.assertEqual(['relative-include'], rules('#include "core/types.h"', 'raft/a.h'))
        self.assertEqual(['include'], rules('#include <net/loop.h>', 'sim/a_test.cc', True))
        for line in ('#include <net/if.h>', '#include <vector>', '#include "raft/core/types.h"', '#include <raft/core/b.h>', '#include "gtest/gtest.h"'):
            self.assertEqual([], rules(line), line)

    def test_RowWithoutUse_Planted_IsFound(self):
        table = dict(TABLE, **{'raft/core': TABLE['raft/core'] | {'kv/store'}, 'gone': set()})
        self.assertEqual(['gone', 'raft/core'], sorted(f.message.removeprefix('there is no package ').split()[0]
                                                       for f in arrows.check_table(self.targets, table)))

    def test_PublicTargetAndGlob_Planted_AreFound(self):
        targets = tree.parse_build(library([], extra='visibility = ["//visibility:public"]'), 'kv')
        self.assertEqual(1, len(list(arrows.check_visibility(targets))))
        self.assertEqual(1, len(list(arrows.check_globs('kv/BUILD.bazel', 'srcs = glob(["*.cc"]),'))))

    def test_Files_AsTheyAre_BelongToTargets(self):
        self.assertNone(arrows.check_files_have_targets(self.targets, set(tree.list_files(self.root))))

    def test_DeadFile_Planted_IsFound(self):
        targets = tree.parse_build('cc_library(name = "x", srcs = ["a.cc", "gone.cc"])', 'kv')
        found = list(arrows.check_files_have_targets(targets, {'kv/a.cc', 'kv/dead.cc'}))
        self.assertEqual(['kv/dead.cc', 'kv/BUILD.bazel'], [f.path for f in found])

    def test_Folders_DoNotDependOnEachOtherBothWays(self):
        self.assertEqual([], arrows.cycles_between_folders(self.targets))
        planted = tree.parse_build(library(['//kv:a']), 'raft') + tree.parse_build(library(['//raft:a']), 'kv')
        self.assertEqual([('kv', 'raft')], arrows.cycles_between_folders(planted))


if __name__ == '__main__':
    unittest.main()
