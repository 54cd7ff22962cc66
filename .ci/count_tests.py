"""Counts what a `bazel test` really ran, from its build event file (one JSON object per line).

Usage: count_tests.py EVENTS.json BAZEL_EXIT_STATUS

The unit is the test case, as each target's test.xml lists it; a target whose runner knows no cases (a plain script) counts as
one. A result taken from Bazel's cache counts as what it was when it ran on these very inputs. A target that did not build, timed
out, crashed or left no readable result counts as one failure. This failure is counted in addition to the cases that failed by
themselves. Cases that skipped themselves are named apart, with their reason, and count as neither.

Prints one line for each failed case and for each reason to skip, then `N passed, N failed`. Exit status: 0 if Bazel's was 0, at
least one case passed and none failed; otherwise 1.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    failures: list = field(default_factory=list)
    # (label, reason) -> how many cases.
    skips: Counter = field(default_factory=Counter)

    def fail(self, label, why):
        self.failed += 1
        self.failures.append(f'{label}: {why}')


def count_cases(path):
    """Returns (passed, [names of failed cases], [reasons of skipped cases]) of one test.xml."""
    passed, failed, skipped = 0, [], []
    for case in xml.etree.ElementTree.parse(path).getroot().iter('testcase'):
        if case.find('failure') is not None or case.find('error') is not None:
            failed.append(f"{case.get('classname', '')}.{case.get('name', '?')}")
        elif case.get('status') == 'notrun' or case.find('skipped') is not None or case.get('result') == 'skipped':
            skip = case.find('skipped')
            skipped.append('' if skip is None else skip.get('message', ''))
        else:
            passed += 1
    return passed, failed, skipped


def read_events(path):
    try:
        with open(path, encoding='utf-8') as lines:
            return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError):
        return []


def xml_of(result):
    for output in result.get('testActionOutput', []):
        if output.get('name') == 'test.xml':
            return urllib.parse.unquote(urllib.parse.urlparse(output.get('uri', '')).path)
    return None


def add_result(tally, label, result):
    """Adds one attempt that was the last of its run and shard."""
    status = result.get('status', 'NO_STATUS')
    ok = status in ('PASSED', 'FLAKY')
    try:
        passed, failed, skipped = count_cases(xml_of(result))
    except (OSError, TypeError, xml.etree.ElementTree.ParseError):
        passed, failed, skipped = (1 if ok else 0), [], []
    if ok and failed:
        # The runner says all is well; its own report does not. Believe the worse.
        ok = False
    tally.passed += passed
    tally.skips.update((label, reason) for reason in skipped)
    for name in failed:
        tally.fail(label, name)
    if not ok and not failed:
        tally.fail(label, status)


def tally_events(events):
    tally = Tally()
    last_attempt = {}
    ran = set()
    for event in events:
        identity = event.get('id', {})
        if 'testResult' in identity and 'testResult' in event:
            key = identity['testResult']
            last_attempt[(key['label'], key.get('run', 1), key.get('shard', 1))] = (key.get('attempt', 1), event['testResult'])
            ran.add(key['label'])
    for (label, _, _), (_, result) in sorted(last_attempt.items(), key=lambda item: item[0]):
        add_result(tally, label, result)
    broken = set()
    for event in events:
        identity = event.get('id', {})
        if 'targetCompleted' in identity and not event.get('completed', {}).get('success', False):
            broken.add(identity['targetCompleted']['label'])
        if 'pattern' in identity and 'aborted' in event:
            tally.fail('pattern', event['aborted'].get('description', 'could not be loaded'))
    for label in sorted(broken - ran):
        tally.fail(label, 'did not build')
    return tally


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    bazel_status = int(arguments[1])
    tally = tally_events(read_events(arguments[0]))
    if bazel_status != 0 and tally.failed == 0:
        tally.fail('bazel', f'exit status {bazel_status}')
    for failure in tally.failures:
        print(f'FAILED {failure}')
    for (label, reason), cases in sorted(tally.skips.items()):
        print(f'SKIPPED {label}: {cases} case(s){reason and ": "}{reason}')
    if tally.skips:
        print(f'{sum(tally.skips.values())} skipped')
    print(f'{tally.passed} passed, {tally.failed} failed')
    return 0 if tally.failed == 0 and tally.passed > 0 else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
