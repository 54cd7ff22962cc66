"""case_report reports each case of a file, and the reason of each skipped case."""

import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

FOLDER = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, FOLDER)
import case_report  # noqa: E402

PROGRAM = """
import unittest, case_report

class Some(unittest.TestCase):
    def test_Good(self): pass
    def test_Bad(self): self.fail('as it is')

class Absent(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise unittest.SkipTest('no npm')
    def test_Skipped(self): pass

case_report.main()
"""


class CaseReportTest(unittest.TestCase):

    def test_EachCase_HasItsOwnReport(self):
        with tempfile.TemporaryDirectory() as folder:
            report = os.path.join(folder, 'test.xml')
            done = subprocess.run([sys.executable, '-c', PROGRAM], env={**os.environ, 'PYTHONPATH': FOLDER, 'XML_OUTPUT_FILE': report},
                                  capture_output=True, text=True, check=False)
            self.assertEqual(1, done.returncode, done.stderr)
            kinds = {}
            for case in xml.parse(report).getroot().iter('testcase'):
                kinds[case.get('name')] = [(end.tag, end.get('message')) for end in case]
        self.assertEqual([], kinds['test_Good'])
        self.assertEqual([('failure', 'AssertionError: as it is')], kinds['test_Bad'])
        self.assertEqual([('skipped', 'no npm')], [end for name in kinds for end in kinds[name] if end[0] == 'skipped'])


if __name__ == '__main__':
    case_report.main()
