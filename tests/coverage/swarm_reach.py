"""The marks, points of unlikely behaviour, faults and drawn values that no run of a swarm reaches.

  ./bazelw run //tests:swarm_reach [-- SEEDS]

Runs the seeds 1..SEEDS (default 2000) with two jobs, and compares the report with the names in the sources. It takes about 40 minutes on
two cores. Exit status: 0, or 1 if a run failed, a name was never reached, or a value was drawn in less than 2 % of the runs.
"""

import json
import os
import re
import subprocess
import sys

FOLDERS = ('raft', 'kv', 'node', 'shardctrl', 'sim')
MARK = re.compile(r'(?:Sometimes|Mark)\((?:node_, |NodeId\(1\), )?\s*"([a-z0-9_.]+)"\)')
POINT = re.compile(r'(?<!k)Fires?\(\s*"([a-z0-9_.]+)"\)')
LEAST = 2.0


def names_in_sources(root):
    """The marks and points that the sources of the product and the simulator name."""
    marks, points = set(), set()
    for folder in FOLDERS:
        for place, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                if not name.endswith('.cc') or name.endswith('_test.cc') or '/testing' in place:
                    continue
                with open(os.path.join(place, name), encoding='utf-8') as source:
                    text = source.read()
                marks.update(MARK.findall(text))
                points.update(POINT.findall(text))
    return marks, points


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    root = os.environ.get('BUILD_WORKSPACE_DIRECTORY', os.getcwd())
    bazel = os.path.join(root, 'bazelw')
    subprocess.run([bazel, 'build', '-c', 'opt', '//:simulate'], cwd=root, check=True)
    swarm = [os.path.join(root, 'bazel-bin/sim/cmd/simulate'), 'swarm', '--seeds', f'1..{seeds}', '--jobs', '2', '--json']
    printed = subprocess.run(swarm, check=False, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    report = json.loads(printed[-1])
    for line in printed:
        if line.startswith('seed '):
            print(line)
    marks, points = names_in_sources(root)
    missing = sorted(f'mark {name}' for name in marks if not report['marks'].get(name))
    missing += sorted(f'point {name}' for name in points if not report['drawn'].get(f'point.{name}'))
    missing += sorted(f'fault {name}' for name, count in report['faults'].items() if count == 0)
    rare = sorted(name for name, count in report['drawn'].items()
                  if not name.startswith('point.') and 100.0 * count < LEAST * seeds)
    for name in missing:
        print('never reached:', name)
    for name in rare:
        print(f'drawn in less than {LEAST} % of the runs:', name)
    print(f'{seeds} seeds, {report["failed"]} failed; {len(marks)} marks, {len(points)} points, {len(report["faults"])} faults: '
          f'{len(missing)} never reached')
    return 1 if missing or rare or report['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
