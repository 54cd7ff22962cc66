"""deps.bzl declares every external repository that the public parts reach, since other workspaces load nothing else."""

import ast
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'structure'))
import tree  # noqa: E402

PUBLIC = 'public'
# Bazel brings it.
BUILT_IN = {'bazel_tools'}


def repository_of(label):
    """The external repository of a label; None of this one."""
    return label[1:].split('//')[0] if label.startswith('@') else None


def declared(text):
    """The repositories that deps.bzl names: keys of its dictionaries."""
    keys = (key for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Dict) for key in node.keys)
    return {key.value for key in keys if isinstance(key, ast.Constant)}


def reached(targets):
    """{repository: a target that needs it} of the public targets, and of all that they depend on."""
    by_label = {target.label: target for target in targets}
    found, seen = {}, set()
    waiting = [target.label for target in targets if target.package == PUBLIC]
    while waiting:
        label = waiting.pop()
        if label in seen or label not in by_label:
            continue
        seen.add(label)
        for dep in by_label[label].deps:
            repository = repository_of(dep)
            if repository is None:
                waiting.append(dep)
            else:
                found.setdefault(repository, label)
    return found


def loaded(root, repositories):
    """{repository: a file} that BUILD files of these repositories and of the packages here load or name."""
    found = {}
    for repository in repositories:
        path = f'third_party/system/{repository}.BUILD'
        if os.path.exists(os.path.join(root, path)):
            for other in re.findall(r'"@(\w+)', tree.read(root, path)):
                found.setdefault(other, path)
    return found


class RepositoriesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.root = tree.find_root()
        cls.targets = tree.load_targets(cls.root)

    def test_EveryRepositoryThatPublicTargetsReach_IsDeclared(self):
        names = declared(tree.read(self.root, 'deps.bzl'))
        needed = reached(self.targets)
        self.assertGreater(len(needed), 5)
        needed = {**loaded(self.root, needed), **needed}
        missing = {name: by for name, by in needed.items() if name not in names | BUILT_IN}
        self.assertFalse(missing, 'deps.bzl lacks them; WORKSPACE serves this repository alone')

    def test_RepositoryThatIsMissing_IsFound(self):
        targets = tree.parse_build('cc_library(name = "a", deps = ["//net:b"])', PUBLIC)
        targets += tree.parse_build('cc_library(name = "b", deps = ["@cli11", "@boost//:asio"])', 'net')
        self.assertEqual({'cli11': '//net:b', 'boost': '//net:b'}, reached(targets))
        self.assertEqual({'boost', 'rules_cc'}, declared('A = {"boost": 1}\ndef f():\n    for a in {"rules_cc": 2}:\n        pass\n'))

    def test_EveryBuildFileOfADeclaredRepository_IsThere(self):
        text = tree.read(self.root, 'deps.bzl')
        libraries = next(node.value for node in ast.parse(text).body if isinstance(node, ast.Assign) and node.targets[0].id == '_LIBRARIES')
        for key in libraries.keys:
            self.assertTrue(os.path.exists(os.path.join(self.root, f'third_party/system/{key.value}.BUILD')), key.value)


if __name__ == '__main__':
    unittest.main()
