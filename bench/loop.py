"""Measures what a clone costs until it serves and until its tests have passed, and what a changed header costs.

  ./bazelw run //bench:loop                         the committed HEAD
  ./bazelw run //bench:loop -- --commit REVISION    another one
  ./bazelw run //bench:loop -- --json FILE          the figures as rows of name, value and unit, too

Clones the repository into a temporary folder and builds //:quickstart, then //..., then tests //..., all with an empty cache of their
own. Each row has the sums from the beginning: processor seconds of Bazel and of all that it starts, and wall time. The row of a
header counts the files that are compiled again when it changes. Takes half an hour to an hour on two cores.
Needs 15 GB in the folder of TMPDIR.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

STAGES = (('build //:quickstart', 'quickstart'), ('build //...', 'build'), ('test //...', 'test'))
HEADERS = ('env/time.h', 'raft/core/types.h', 'raft/host/host.h', 'kv/command/command.h', 'node/config/config.h')

# Of Bazel, which has built all of them.
_TESTS_FAILED = 3


class Clone:
    """A clone of the repository with a Bazel server of its own, which ends with the `with` block."""

    def __init__(self, repository, commit, folder):
        self._tree = os.path.join(folder, 'tree')
        self._output = os.path.join(folder, 'output')
        subprocess.run(['git', 'clone', '-q', '--shared', '--no-checkout', repository, self._tree], check=True)
        subprocess.run(['git', 'checkout', '-q', commit], cwd=self._tree, check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bazel('shutdown')
        # Bazel write-protects what it made.
        subprocess.run(['chmod', '-R', 'u+w', self._output], check=False)

    def _bazel(self, *arguments, **options):
        return subprocess.run(['./bazelw', '--output_base=' + self._output, *arguments], cwd=self._tree, check=False, **options)

    def build(self, verb, target):
        """The processor seconds of the server and of all that it has started since it began."""
        status = self._bazel(verb, '--keep_going', '--disk_cache=', target).returncode
        if status == _TESTS_FAILED:
            print('Some tests failed. Their time counts like that of others.', flush=True)
        elif status != 0:
            sys.exit(f'{verb} {target} failed')
        server = self._bazel('info', 'server_pid', stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
        with open(f'/proc/{server}/stat', encoding='ascii') as stat:
            # Behind the name in brackets: the eleventh to fourteenth are times of itself and of those that it waited for.
            times = stat.read().rpartition(')')[2].split()[11:15]
        return sum(map(int, times)) / os.sysconf('SC_CLK_TCK')

    def compiled_again(self, header):
        """How many files of the repository are compiled again when a header changes, as their compilers listed what they read."""
        listed = subprocess.run(['grep', '-rlw', '--include=*.d', '--fixed-strings', header, os.path.join(self._output, 'execroot')],
                                stdout=subprocess.PIPE,
                                text=True,
                                check=False)
        return len(listed.stdout.split())


def rows(clone):
    """(label, name, value, unit) of each figure, as soon as it is known."""
    began = time.monotonic()
    for label, name in STAGES:
        verb, target = label.split()
        processor = clone.build(verb, target)
        yield label, name + '_processor_seconds', round(processor), 'processor s'
        yield label, name + '_wall_seconds', round(time.monotonic() - began), 'wall s'
    for header in HEADERS:
        yield header, 'compiled_after_' + header, clone.compiled_again(header), 'compilations'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--commit', default='HEAD')
    parser.add_argument('--json', metavar='FILE')
    arguments = parser.parse_args()
    repository = os.environ.get('BUILD_WORKSPACE_DIRECTORY', '.')
    commit = subprocess.run(['git', 'rev-parse', '--verify', '--short', arguments.commit + '^{commit}'],
                            cwd=repository,
                            stdout=subprocess.PIPE,
                            text=True,
                            check=False).stdout.strip()
    if not commit:
        sys.exit(f'there is no commit {arguments.commit}')
    figures = []
    with tempfile.TemporaryDirectory(prefix='quorate-loop-') as folder, Clone(repository, commit, folder) as clone:
        for label, name, value, unit in rows(clone):
            print(f'{commit}  {label:24}{value:8} {unit}', flush=True)
            figures.append({'name': name, 'value': value, 'unit': unit})
    if arguments.json:
        with open(os.path.join(os.environ.get('BUILD_WORKING_DIRECTORY', '.'), arguments.json), 'w', encoding='utf-8') as file:
            json.dump(figures, file, indent=1)
            file.write('\n')


if __name__ == '__main__':
    main()
