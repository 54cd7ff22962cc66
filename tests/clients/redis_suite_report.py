"""Parses the output of Redis' own test suite and classifies each test.

A test passed, failed, or is not applicable. No list of test names is used. A test is not applicable if

- the suite skipped it because of a tag, by default or because denied_tags() names the tag, or
- it failed and had sent a command that the store does not list (COMMAND LIST), or
- it failed after an error reply which says that the store lacks the tested feature (NOT_HERE), or
- it failed because an earlier test did not set a variable.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

# An error reply that makes a failed test not applicable, and the reason in words; a group of the pattern completes the words.
NOT_HERE = (
    (re.compile(r"ERR unknown command '([^']*)'"), 'no command {}'),
    (re.compile(r"ERR unknown subcommand(?: or wrong number of arguments for)? '([^']*)'"), 'no subcommand {}'),
    (re.compile(r"ERR (?:Unknown option or number of arguments for CONFIG SET|CONFIG SET)\b.*?'([^']*)'"), 'no setting {}'),
    (re.compile(r'ERR ([A-Z ]+) is not supported'), 'no {}'),
    (re.compile(r'CROSSSLOT'), 'keys of several slots in one command'),
    (re.compile(r'(\blimits\.\w+)'), 'beyond {}'),
    (re.compile(r'string exceeds (maximum allowed size)'), 'beyond {}'),
)
_NO_VARIABLE = re.compile(r"can't read .*: no such variable")
# Tags of the suite, and the first command of the data type or feature that each tag denotes.
TAGS = {'hash': 'hset', 'list': 'lpush', 'set': 'sadd', 'zset': 'zadd', 'stream': 'xadd', 'geo': 'geoadd', 'hll': 'pfadd', 'bitops': 'setbit',
        'scripting': 'eval', 'pubsub': 'subscribe', 'acl': 'acl', 'slowlog': 'slowlog', 'sort': 'sort', 'needs:debug': 'debug',
        'needs:repl': 'psync', 'repl': 'psync', 'needs:save': 'save', 'needs:pfdebug': 'pfdebug', 'needs:latency': 'latency'}
_EVENT = re.compile(r'\[(ok|err|ignore|skip|exception|sent_commands|error_reply|\d+/\d+ done)\]: (.*)')
_TIME = re.compile(r' \(\d+ ms\)$')


@dataclass
class Case:
    name: str
    outcome: str
    text: list = field(default_factory=list)
    sent_commands: list = field(default_factory=list)
    error_replies: list = field(default_factory=list)

    def reason(self, commands):
        """Returns why a failed test is not applicable to a store with these commands, or None."""
        for command in self.sent_commands:
            if command not in commands:
                return f'no command {command}'
        for reply in [*self.error_replies, *self.text]:
            for pattern, words in NOT_HERE:
                match = pattern.search(reply)
                if match:
                    return words.format(*match.groups())
        in_a_test = ' in tests/' in self.name
        return 'builds on an earlier test' if in_a_test and any(map(_NO_VARIABLE.search, self.text)) else None


@dataclass
class UnitReport:
    """The tests of one unit. `broken` says why the unit did not end, or is empty."""
    unit: str
    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    not_applicable: Counter = field(default_factory=Counter)
    broken: str = ''


def denied_tags(commands):
    """Returns the suite's option that skips features which a store with these commands lacks."""
    return ' '.join(f'-{tag}' for tag, command in TAGS.items() if command not in commands)


def _cases(output):
    """Returns the tests in the output, and whether the unit ended."""
    cases, last, ended = [], None, False
    for line in output.splitlines():
        event = _EVENT.match(line)
        if event is None:
            if last is not None and last.outcome in ('err', 'exception'):
                last.text.append(line)
            continue
        kind, text = event.groups()
        if kind == 'error_reply':
            last.error_replies.append(text)
        elif kind == 'sent_commands':
            last.sent_commands.extend(text.split())
        elif kind.endswith('done'):
            ended, last = True, None
        else:
            last = Case(_TIME.sub('', text), kind)
            cases.append(last)
    return cases, ended


def make_report(unit, output, commands, broken=''):
    """Returns the UnitReport of the suite's output for one unit; `commands` are those of the store, in lower case."""
    report = UnitReport(unit, broken=broken)
    cases, ended = _cases(output)
    for case in cases:
        if case.outcome == 'ok':
            report.passed.append(case)
        elif case.outcome in ('ignore', 'skip'):
            report.not_applicable[case.name.rpartition(': ')[2]] += 1
        elif case.outcome == 'err' and case.reason(commands):
            report.not_applicable[case.reason(commands)] += 1
        elif case.outcome == 'err':
            report.failed.append(case)
        else:
            report.broken = report.broken or case.name
    if not ended and not report.broken:
        report.broken = 'the suite ended early'
    return report


def _table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield '  '.join(str(cell).ljust(width) if i in (0, 4) else str(cell).rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip()


def format_reports(reports):
    """Returns the table of units with totals, the reasons for tests that are not applicable, and the failed tests."""
    rows = [('unit', 'passed', 'failed', 'not applicable', '')]
    rows += [(r.unit, len(r.passed), len(r.failed), sum(r.not_applicable.values()), r.broken and f'stopped: {r.broken}') for r in reports]
    rows.append(('total', *(sum(row[i] for row in rows[1:]) for i in (1, 2, 3)), ''))
    lines = list(_table(rows))
    reasons = sum((report.not_applicable for report in reports), Counter())
    lines += ['', 'not applicable (a block of tests that a tag skips counts as one) because of:'] + [f'{count:6}  {reason}' for reason, count in reasons.most_common()]
    for report in reports:
        for case in report.failed:
            lines += ['', f'FAILED {case.name}'] + [f'    {line}' for line in case.text[:3]]
    return '\n'.join(lines) + '\n'
