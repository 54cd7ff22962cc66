"""Compares the hashes of seeds between a build without optimisation and one with it.

  ./bazelw run //tests/determinism:compare_builds [-- SEED…]

Builds tests/determinism:hashes twice, in two output folders. The first time takes some minutes. Exit status: 0 if all hashes are
equal, 1 with the first seed that differs.
"""

import os
import subprocess
import sys

TARGET = '//tests/determinism:hashes'
BUILDS = {'-O0': ['-c', 'dbg', '--copt=-O0'], '-O2': ['-c', 'opt', '--copt=-O2']}


def hashes(root, options, seeds):
    """The output lines of `hashes`, built with `options`."""
    bazel = os.path.join(root, 'bazelw')
    subprocess.run([bazel, 'build', *options, TARGET], cwd=root, check=True)
    # The output folder of this configuration. The link bazel-bin may belong to another one.
    place = subprocess.run([bazel, 'info', *options, 'bazel-bin'],
                           cwd=root,
                           check=True,
                           stdout=subprocess.PIPE,
                           text=True).stdout.split()[-1]
    binary = os.path.join(place, 'tests/determinism/hashes')
    result = subprocess.run([binary, *seeds],
                            check=True,
                            stdout=subprocess.PIPE,
                            text=True)
    return result.stdout.splitlines()


def main():
    root = os.environ.get('BUILD_WORKSPACE_DIRECTORY', os.getcwd())
    seeds = sys.argv[1:] or ['1', '2', '3', '4']
    lines = {name: hashes(root, options, seeds) for name, options in BUILDS.items()}
    for plain, optimised in zip(lines['-O0'], lines['-O2']):
        if plain != optimised:
            print(f'differs: -O0 {plain}, -O2 {optimised}')
            return 1
    for line in lines['-O0']:
        print(line)
    print(f'{len(seeds)} seeds, all equal')
    return 0


if __name__ == '__main__':
    sys.exit(main())
