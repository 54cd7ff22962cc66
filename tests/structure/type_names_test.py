"""Types in headers have names of their own; and the check can fail."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import tree  # noqa: E402
import type_names  # noqa: E402


def names(text):
    return [name for _, name in type_names.definitions(text)]


class TypeNamesTest(unittest.TestCase):

    def test_Headers_AsTheyAre_DefineEachTypeOnce(self):
        root = tree.find_root()
        texts = {p: tree.read(root, p) for p in tree.list_files(root) if p.endswith('.h')}
        self.assertGreater(len(texts), 200)
        self.assertGreater(sum(len(names(text)) for text in texts.values()), 400)
        findings = list(type_names.check_all(texts))
        self.assertFalse(findings, '\n' + '\n'.join(map(str, findings)))

    def test_TypesAtNamespaceLevel_AreFound(self):
        self.assertEqual(['A'], names('namespace n {\nclass A final : public n::B {\n  int x;\n};\n}\n'))
        self.assertEqual(['A'], names('namespace n::m {\nclass [[nodiscard]] A {};\n}\n'))
        self.assertEqual(['A', 'B'], names('enum class A : uint8_t { kX };\nenum B { kY };\n'))
        self.assertEqual(['A'], names('template <typename T>\nstruct A {};\n'))
        self.assertEqual(['A', 'B'], names('using A = std::vector<int>;\ntemplate <typename T>\nusing B = A<T>;\n'))

    def test_TypesWithAttributes_AreFound(self):
        self.assertEqual(['A', 'B'], names('class alignas(8) A {};\nstruct alignas(alignof(int)) B : A {};\n'))
        self.assertEqual(['A', 'B'], names('class [[nodiscard]] alignas(8) A final {};\nenum class [[nodiscard]] B : int { kX };\n'))
        self.assertEqual(['A', 'B'], names('class ABSL_ATTRIBUTE_TRIVIAL_ABI A {};\nclass ABSL_LOCKABLE_BY(x) B {};\n'))

    def test_Typedefs_AreFound(self):
        self.assertEqual(['A', 'B', 'C'], names('typedef std::vector<int> A;\ntypedef int (*B)(char, int);\ntypedef char C[8];\n'))
        self.assertEqual(['A'], names('class A {\n  typedef int B;\n};\n'))

    def test_OtherText_HasNoTypes(self):
        self.assertEqual([], names('class A;\nstruct B;\n'))
        self.assertEqual([], names('using n::A;\n'))
        self.assertEqual([], names('template <>\nstruct hash<A> {};\n'))
        self.assertEqual([], names('inline int F(struct A* a) { struct B {}; return 0; }\n'))
        self.assertEqual(['A'], names('class A {\n  class B {};\n  using C = int;\n  enum D { kX };\n};\n'))

    def test_NameInTwoHeaders_Planted_IsFound(self):
        one, two = 'namespace n {\nstruct A {};\n}\n', 'namespace m {\nclass B {};\nclass A {};\n}\n'
        self.assertEqual(['kv/b.h:3: [type-name] env/a.h defines A, too: a type in a header has a name of its own'],
                         [str(f) for f in type_names.check_all({'env/a.h': one, 'kv/b.h': two})])


if __name__ == '__main__':
    unittest.main()
