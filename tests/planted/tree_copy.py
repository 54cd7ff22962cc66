"""A copy of the source tree for planted bugs, so that the tree itself is never changed.

The copy is kept between hunts, so Bazel builds only the files that a patch changes.
"""

import fcntl
import os
import pwd
import re
import shutil
import subprocess
import sys

import patches


# The exit status of Bazel when all was built and a test failed.
_TESTS_FAILED = 3


class BuildFailed(Exception):
    """A failed build; the message is the last part of Bazel's output."""


def home():
    return os.environ.get('HOME') or pwd.getpwuid(os.getuid()).pw_dir


def source_root():
    """The source tree of the user's working directory; in a test, the tree behind its runfiles."""
    if 'BUILD_WORKSPACE_DIRECTORY' in os.environ:
        return os.environ['BUILD_WORKSPACE_DIRECTORY']
    here = os.path.dirname(os.path.realpath(__file__))
    return os.path.dirname(os.path.dirname(here))


def _same(one, other):
    if not os.path.exists(other) or os.path.getsize(one) != os.path.getsize(other):
        return False
    with open(one, 'rb') as a, open(other, 'rb') as b:
        return a.read() == b.read()


def _reason(output):
    lines = output.split('\n')
    return '\n'.join([line for line in lines if 'rror' in line][:5] or lines[-10:])


class TreeCopy:
    """The copy, with a lock: a second hunt waits for the first."""

    def __init__(self, source, folder=None, jobs=2):
        self.source = source
        self.folder = folder or os.path.join(home(), '.cache', 'quorate-planted')
        self.root = os.path.join(self.folder, 'tree')
        self.jobs = jobs
        os.makedirs(self.root, exist_ok=True)
        self._lock = open(os.path.join(self.folder, 'lock'), 'w', encoding='utf-8')
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f'another hunt uses {self.folder}; waiting for it', file=sys.stderr, flush=True)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def tracked(self):
        listed = subprocess.run(['git', '-C', self.source, 'ls-files', '-z'], stdout=subprocess.PIPE, check=True).stdout
        names = [os.fsdecode(name) for name in listed.split(b'\0') if name]
        return [name for name in names if os.path.isfile(os.path.join(self.source, name))]

    def refresh(self):
        """Makes the copy equal to the source tree."""
        names = self.tracked()
        for name in names:
            self.restore(name)
        kept = set(names)
        for folder, folders, files in os.walk(self.root):
            folders[:] = [f for f in folders if not (folder == self.root and f.startswith('bazel-'))]
            for file_name in files:
                path = os.path.join(folder, file_name)
                if os.path.relpath(path, self.root) not in kept and not (folder == self.root and os.path.islink(path)):
                    os.remove(path)

    def restore(self, name):
        source, target = os.path.join(self.source, name), os.path.join(self.root, name)
        if _same(source, target):
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)
        shutil.copymode(source, target)

    def bazel(self, *words):
        """Runs Bazel in the copy; returns its exit status and its output."""
        environment = {k: v for k, v in os.environ.items()
                       if not re.match(r'(BUILD_|TEST_|RUNFILES_|BAZEL|PYTHON|JAVA_RUNFILES|XML_OUTPUT)', k)}
        environment['HOME'] = home()
        run = subprocess.run(['./bazelw', words[0], '-c', 'opt', f'--jobs={self.jobs}', *words[1:]], cwd=self.root, env=environment,
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return run.returncode, run.stdout

    def build(self, name):
        """Builds the simulator and keeps it under this name; returns its path."""
        status, output = self.bazel('build', '//:simulate')
        if status != 0:
            raise BuildFailed(_reason(output))
        kept = os.path.join(self.folder, name)
        shutil.copyfile(os.path.join(self.root, 'bazel-bin', 'sim', 'cmd', 'simulate'), kept + '.new')
        os.chmod(kept + '.new', 0o755)
        os.replace(kept + '.new', kept)
        return kept

    def run_test(self, target):
        """Runs a test of the copy; returns its output if it failed, otherwise an empty text."""
        status, output = self.bazel('test', '--test_output=summary', target)
        if status == 0:
            return ''
        if status != _TESTS_FAILED:
            raise BuildFailed(_reason(output))
        # Bazel itself leaves out long outputs.
        log = os.path.join(self.root, 'bazel-testlogs', *target[2:].split(':'), 'test.log')
        with open(log, encoding='utf-8', errors='replace') as file:
            return file.read()

    def build_patched(self, patch, marks=False):
        return self._with(patch, lambda: self.build('simulate-patched'), marks)

    def run_test_patched(self, patch):
        return self._with(patch, lambda: self.run_test(patch.test))

    def _with(self, patch, run, marks=False):
        try:
            patches.apply_to(patch, self.root, marks)
            return run()
        finally:
            for name in patch.files:
                self.restore(name)
