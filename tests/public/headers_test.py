"""Public headers exist, are on the page, and bring nothing that users would have to install for them."""

import re
import sys
import os
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'structure'))
import tree  # noqa: E402

LIST = 'public/headers.txt'
PAGE = 'docs/embed/public.md'
# Abseil is part of the interface. Other libraries are only behind it.
ALLOWED = ('absl/', 'sys/')
_INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
_ROW = re.compile(r'^\| `([\w/]+\.h)` \|', re.MULTILINE)


def foreign_includes(headers, read):
    """(header, include) of everything that is neither of this repository, nor of the language, nor allowed."""
    found, seen, waiting = [], set(), list(headers)
    while waiting:
        header = waiting.pop()
        if header in seen:
            continue
        seen.add(header)
        for quoted, angled in _INCLUDE.findall(read(header)):
            name = quoted or angled
            if quoted and not name.startswith(ALLOWED):
                waiting.append(name)
            elif '/' in name and not name.startswith(ALLOWED) or name.endswith('.hpp'):
                found.append((header, name))
    return sorted(found)


class HeadersTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        root = tree.find_root()
        cls.read = staticmethod(lambda path: tree.read(root, path))
        rows = [line.split() for line in cls.read(LIST).splitlines() if line and not line.startswith('#')]
        cls.headers = [path for _, path in rows]

    def test_headers_as_they_are_need_abseil_alone(self):
        self.assertGreater(len(self.headers), 20)
        self.assertEqual([], foreign_includes(self.headers, self.read))

    def test_foreign_include_behind_another_header_is_found(self):
        files = {'a.h': '#include <map>\n#include "absl/status/status.h"\n#include "b.h"\n', 'b.h': '#include <boost/asio.hpp>\n#include <google/protobuf/message.h>\n'}
        self.assertEqual([('b.h', 'boost/asio.hpp'), ('b.h', 'google/protobuf/message.h')], foreign_includes(['a.h'], files.get))

    def test_page_lists_the_headers(self):
        self.assertEqual(sorted(self.headers), sorted(_ROW.findall(self.read(PAGE))))


if __name__ == '__main__':
    unittest.main()
