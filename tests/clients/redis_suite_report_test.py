"""Recorded output of Redis' test suite is parsed, and each test is classified."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import case_report  # noqa: E402
import redis_suite_report  # noqa: E402

OUTPUT = """\
Starting test server at port 21079
[ready]: 15828
Testing unit/type/string
[ok]: SET and GET an item (1 ms)
[ok]: GETEX syntax errors (0 ms)
[err]: DBSIZE should be 10000 now in tests/unit/type/string.tcl
Expected '10000' to equal or match '3334'
[err]: MGET against non-string key in tests/unit/type/string.tcl
n command 'sadd', with args beginning with: 'myset{t}' 'ciao'
    while executing
"r sadd myset{t} ciao"
[sent_commands]: del sadd
[error_reply]: ERR unknown command 'sadd', with args beginning with: 'myset{t}' 'ciao'
[ignore]: GETDEL propagate as DEL command to replica: Tag: needs:repl denied
[err]: SETRANGE with huge offset in tests/unit/type/string.tcl
Expected an error
[sent_commands]: set setrange
[error_reply]: ERR value is out of range
[1/1 done]: unit/type/string (4 seconds)
*** [err]: DBSIZE should be 10000 now in tests/unit/type/string.tcl
Expected '10000' to equal or match '3334'
"""


COMMANDS = {'get', 'set', 'setrange', 'del', 'dbsize'}


def report_of(output, broken=''):
    return redis_suite_report.make_report('unit/type/string', output, COMMANDS, broken)


def names(cases):
    return [case.name.partition(' in tests/')[0] for case in cases]


class RedisSuiteReportTest(unittest.TestCase):

    def test_Output_IsClassifiedTestByTest(self):
        report = report_of(OUTPUT)
        self.assertEqual(['SET and GET an item', 'GETEX syntax errors'], names(report.passed))
        self.assertEqual(['DBSIZE should be 10000 now', 'SETRANGE with huge offset'], names(report.failed))
        self.assertEqual({'no command sadd': 1, 'needs:repl denied': 1}, dict(report.not_applicable))
        self.assertEqual('', report.broken)

    def test_MissingCommand_IsAReasonWithoutAReply(self):
        report = report_of('[err]: blocks in tests/u.tcl\nTimeout\n[sent_commands]: set blpop\n[1/1 done]: u')
        self.assertEqual({'no command blpop': 1}, dict(report.not_applicable))

    def test_ErrorOutsideTests_IsClassifiedByItsText(self):
        report = report_of("[err]: n command 'hset'\nERR unknown command 'hset', with args\n[1/1 done]: u")
        self.assertEqual({'no command hset': 1}, dict(report.not_applicable))

    def test_ReasonsOtherThanCommands_AreNamed(self):
        for reply, reason in (("CROSSSLOT Keys in request don't hash to the same slot", 'keys of several slots in one command'),
                              ("ERR unknown subcommand 'NO-SUCH'. Try X HELP.", 'no subcommand NO-SUCH'),
                              ('ERR CLIENT TRACKING is not supported: no invalidations', 'no CLIENT TRACKING'),
                              ("ERR CONFIG SET failed (possibly related to argument 'save')", 'no setting save'),
                              ('ERR string exceeds maximum allowed size (458752 bytes)', 'beyond maximum allowed size')):
            report = report_of(f'[err]: a in tests/u.tcl\n[error_reply]: {reply}\n[1/1 done]: u')
            self.assertEqual({reason: 1}, dict(report.not_applicable))

    def test_VariableOfAnEarlierTest_IsAReasonWithinTestsOnly(self):
        text = 'can\'t read "id": no such variable\n[1/1 done]: u'
        self.assertEqual({'builds on an earlier test': 1}, dict(report_of(f'[err]: a in tests/u.tcl\n{text}').not_applicable))
        self.assertEqual(1, len(report_of(f'[err]:  "id": no such variable\n{text}').failed))

    def test_Tags_OfWhatTheStoreLacks_AreDenied(self):
        denied = redis_suite_report.denied_tags({'get', 'set', 'hset', 'eval'}).split()
        self.assertIn('-list', denied)
        self.assertNotIn('-hash', denied)
        self.assertNotIn('-scripting', denied)

    def test_UnitThatDoesNotEnd_IsReportedAsBroken(self):
        self.assertEqual('the suite ended early', report_of('[ok]: a (1 ms)').broken)
        self.assertEqual('not done within 9 s', report_of('[ok]: a', 'not done within 9 s').broken)
        self.assertEqual('Executing test client: x.', report_of('[exception]: Executing test client: x.').broken)

    def test_Table_EndsWithTotals(self):
        report = report_of(OUTPUT)
        other = redis_suite_report.make_report('u', '[ok]: a', COMMANDS)
        self.assertEqual(['unit              passed  failed  not applicable',
                          'unit/type/string       2       2               2',
                          'u                      1       0               0  stopped: the suite ended early',
                          'total                  3       2               2'],
                         redis_suite_report.format_reports([report, other]).splitlines()[:4])


if __name__ == '__main__':
    case_report.main()
