"""Compares the hashes of `simulate run` between a commit and the working tree: a change of form alone must not change them.

  ./bazelw run //tests/determinism:compare_commits -- COMMIT [FIRST..LAST]

COMMIT is built in a worktree of its own. The default is seeds 1..100; both programs together take about two minutes.
Exit status: 0 if all hashes are equal, 1 with the first seeds that differ.
"""

import os
import re
import subprocess
import sys
import tempfile

TARGET = '//sim/cmd:simulate'


def program(root):
    """Builds the simulator of the checkout `root`; returns its path."""
    bazel = os.path.join(root, 'bazelw')
    subprocess.run([bazel, 'build', '-c', 'opt', TARGET], cwd=root, check=True)
    place = subprocess.run([bazel, 'info', '-c', 'opt', 'bazel-bin'],
                           cwd=root,
                           check=True,
                           stdout=subprocess.PIPE,
                           text=True).stdout.split()[-1]
    return os.path.join(place, 'sim/cmd/simulate')


def hash_of(binary, seed):
    result = subprocess.run([binary, 'run', '--seed', str(seed)], stdout=subprocess.PIPE, text=True)
    found = re.search(r'^\s*hash ([0-9a-f]{32})$', result.stdout, re.MULTILINE)
    if found is None:
        sys.exit(f'{binary} run --seed {seed} printed no hash (exit status {result.returncode})')
    return found.group(1)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith('-'):
        print(__doc__)
        return 2
    root = os.environ.get('BUILD_WORKSPACE_DIRECTORY', os.getcwd())
    first, last = (int(seed) for seed in (sys.argv[2] if len(sys.argv) == 3 else '1..100').split('..'))
    with tempfile.TemporaryDirectory() as scratch:
        before = os.path.join(scratch, 'before')
        subprocess.run(['git', 'worktree', 'add', '--detach', before, sys.argv[1]], cwd=root, check=True)
        try:
            programs = [program(before), program(root)]
            differ = 0
            for seed in range(first, last + 1):
                hashes = [hash_of(binary, seed) for binary in programs]
                if hashes[0] != hashes[1]:
                    differ += 1
                    if differ <= 5:
                        print(f'seed {seed}: {hashes[0]} at {sys.argv[1]}, {hashes[1]} here')
        finally:
            subprocess.run([os.path.join(before, 'bazelw'), 'shutdown'], cwd=before, check=False)
            subprocess.run(['git', 'worktree', 'remove', '--force', before], cwd=root, check=True)
    count = last - first + 1
    print(f'{count} seeds, all equal' if differ == 0 else f'{differ} of {count} seeds differ')
    return 0 if differ == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
