"""Runs the tests of the main module as unittest.main does, and reports each case to Bazel.

unittest writes no report. Bazel would count a whole file, with its skipped cases, as one case that passed.
"""

import os
import re
import sys
import time
import unittest
import xml.etree.ElementTree as xml


# Characters that are not allowed in XML.
_UNPRINTABLE = re.compile(r'[^\t\n\r -\ufffd]')


class _Result(unittest.TextTestResult):
    """Keeps for each case its name, its seconds, and the kind and text of its end."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.ends = []
        self._began = time.monotonic()

    def startTest(self, test):
        self._began = time.monotonic()
        super().startTest(test)

    def _end(self, test, kind, text=''):
        self.ends.append((test.id(), time.monotonic() - self._began, kind, text))

    def addSuccess(self, test):
        super().addSuccess(test)
        self._end(test, 'passed')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._end(test, 'failure', self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._end(test, 'error', self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._end(test, 'skipped', reason)


def _write(ends, path):
    suite = xml.Element('testsuite')
    for name, seconds, kind, text in ends:
        case = xml.SubElement(suite, 'testcase', classname=name.rpartition('.')[0], name=name.rpartition('.')[2], time=f'{seconds:.3f}')
        text = _UNPRINTABLE.sub('?', text)
        if kind != 'passed':
            xml.SubElement(case, kind, message=text.strip().splitlines()[-1] if text.strip() else '').text = text
    root = xml.Element('testsuites')
    root.append(suite)
    xml.ElementTree(root).write(path, encoding='utf-8', xml_declaration=True)


def main(arguments=None):
    """Runs the tests and ends the process, with status 0 if no case failed."""
    runner = unittest.TextTestRunner(resultclass=_Result, verbosity=2)
    program = unittest.main(testRunner=runner, exit=False, argv=[sys.argv[0], *(arguments or [])])
    if 'XML_OUTPUT_FILE' in os.environ:
        _write(program.result.ends, os.environ['XML_OUTPUT_FILE'])
    sys.exit(0 if program.result.wasSuccessful() else 1)
