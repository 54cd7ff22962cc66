"""The marks, points of unlikely behaviour, faults and drawn values that no run of a swarm reaches, and the rules that no run evaluates.

  ./bazelw run //tests:swarm_reach [-- SEEDS]

Runs the seeds 1..SEEDS (default 2000) with two jobs, and compares the report with the names in the sources. It takes about 40 minutes on
two cores. Exit status: 0, or 1 if a run failed, a name was never reached, or a value was drawn in less than 2 % of the runs. A mark of
UNREACHED that is reached is an error, too.
"""

import json
import os
import re
import subprocess
import sys

FOLDERS = ('raft', 'kv', 'node', 'shardctrl', 'sim')
MARK = re.compile(r'\b(?:Sometimes|Mark|CountMark)\(')
POINT = re.compile(r'\bFires?\(')
LITERAL = re.compile(r'"([a-z0-9_]+(?:\.[a-z0-9_]+)+)"')
SITE = re.compile(r'"((?:shape|knob|client)\.[a-z0-9_.]+)"')
LEAST = 2.0
# The operators of a user's state machine. Runs of the store have none; those of //examples/counter:simulation do.
NOT_OF_THE_STORE = ('sim/harness/group_operator.cc', 'sim/harness/member_operator.cc', 'sim/harness/wrong_requests.cc')
# The marks that no run of the store has reached, each with the reason.
UNREACHED = {
    'raft.torn_drop_completed': 'A crash between the two writes of a drop was not seen yet. //raft/host:startup_test does.',
}


def arguments(text, begin):
    """The text from `begin` to the parenthesis that closes a call."""
    depth = 1
    for at in range(begin, len(text)):
        depth += (text[at] == '(') - (text[at] == ')')
        if depth == 0:
            return text[begin:at]
    return text[begin:]


def names_in(text, call):
    """The names in the calls of a source, wherever they stand among the arguments."""
    return {name for found in call.finditer(text) for name in LITERAL.findall(arguments(text, found.end()))}


def sources(root):
    """The texts of the product and the simulator, by path."""
    for folder in FOLDERS:
        for place, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                if not name.endswith(('.cc', '.h')) or name.endswith('_test.cc') or '/testing' in place:
                    continue
                path = os.path.join(place, name)
                with open(path, encoding='utf-8') as source:
                    yield os.path.relpath(path, root), source.read()


def names_in_sources(root):
    """The marks, the points, and the sites of shapes and settings that the sources name."""
    marks, points, sites = set(), set(), set()
    for path, text in sources(root):
        if path not in NOT_OF_THE_STORE:
            marks |= names_in(text, MARK)
        points |= names_in(text, POINT)
        if path == 'sim/run/shape.cc':
            sites.update(SITE.findall(text))
    return marks, points, sites


def expected_names(text, name):
    """The names of an array of sim/run/expected_names.h."""
    return set(re.findall(r'"([^"]+)"', re.search(rf'\b{name}\[\] = \{{(.*?)\}}', text, re.DOTALL)[1]))


def complaints(report, marks, points, sites):
    """Lines about all that the runs did not reach or drew seldom. The report lists faults, values and families that none had with 0."""
    drawn = report['drawn']
    lines = [f'never reached: mark {name}' for name in sorted(marks) if not report['marks'].get(name) and name not in UNREACHED]
    lines += [f'reached, but listed as out of reach: mark {name}' for name in sorted(UNREACHED) if report['marks'].get(name)]
    lines += [f'listed as out of reach, but in no source: mark {name}' for name in sorted(UNREACHED) if name not in marks]
    lines += [f'never reached: point {name}' for name in sorted(points) if not drawn.get(f'point.{name}')]
    lines += [f'never reached: fault {name}' for name, count in sorted(report['faults'].items()) if count == 0]
    lines += [f'never evaluated: rule {name}' for name in report['unevaluated']]
    asked = {name.split('=')[0] for name in drawn}
    lines += [f'never drawn: {site}' for site in sorted(sites - asked)]
    if not any(name.startswith('family.') for name in drawn):
        lines.append('never drawn: the families of faults')
    lines += [f'drawn in less than {LEAST} % of the runs: {name}' for name, count in sorted(drawn.items())
              if not name.startswith('point.') and 100.0 * count < LEAST * report['runs']]
    return lines


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    root = os.environ.get('BUILD_WORKSPACE_DIRECTORY', os.getcwd())
    bazel = os.path.join(root, 'bazelw')
    subprocess.run([bazel, 'build', '-c', 'opt', '//:simulate'], cwd=root, check=True)
    swarm = [os.path.join(root, 'bazel-bin/sim/cmd/simulate'), 'swarm', '--seeds', f'1..{seeds}', '--jobs', '2', '--json']
    report = json.loads(subprocess.run(swarm, check=False, stdout=subprocess.PIPE, text=True).stdout)
    if report['failing_seeds']:
        print(f'failing seeds: {report["failing_seeds"]}')
    marks, points, sites = names_in_sources(root)
    lines = complaints(report, marks, points, sites)
    for line in lines:
        print(line)
    print(f'{seeds} seeds, {report["failed"]} failed; {len(marks)} marks, {len(points)} points, {len(report["faults"])} faults, '
          f'{len(sites)} drawn settings: {len(lines)} complaints')
    return 1 if lines or report['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
