"""Bazel in the workspace of examples/outside, which depends on this one as other repositories do."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'structure'))
import tree  # noqa: E402


def bazel(case, *arguments):
    """The standard output of a Bazel that succeeds. It shares its results on disk with the one that runs the test, and nothing else."""
    root = tree.find_root()
    cache = os.path.expanduser('~/.cache')
    command = [f'{root}/bazelw', f'--output_user_root={cache}/quorate-outside', *arguments]
    if arguments[0] != 'shutdown':
        command[3:3] = [f'--disk_cache={cache}/quorate-bazel', '--noshow_progress', '--color=no', '--curses=no']
    done = subprocess.run(command, cwd=os.path.join(root, 'examples/outside'), capture_output=True, text=True, check=False)
    case.assertEqual(0, done.returncode, done.stderr)
    return done.stdout
