"""An installation in a prefix of its own, and programs of examples/outside that are built against it."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

INSTALL = 'public/install'
OUTSIDE = 'examples/outside'
COMPILERS = ('g++', 'clang++-14')


def run(*command, **options):
    """Returns the exit status and the output, which failures show."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=280, **options)
    return done.returncode, done.stdout


class InstalledTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # Nothing of the tree is in reach of the programs.
        cls.sources = os.path.join(cls.folder, 'sources')
        shutil.copytree(OUTSIDE, cls.sources)
        made = os.path.join(cls.folder, 'made')
        cls.succeed(INSTALL, '--prefix', made)
        # The prefix may be moved.
        cls.prefix = os.path.join(cls.folder, 'prefix')
        os.rename(made, cls.prefix)

    @staticmethod
    def succeed(*command, **options):
        status, output = run(*command, **options)
        assert status == 0, f'{command}: status {status}\n{output}'
        return output

    def build_with_cmake(self, compiler, targets):
        """Returns the folder of the programs."""
        build = os.path.join(self.folder, compiler)
        self.succeed('cmake', '-S', self.sources, '-B', build, f'-DCMAKE_PREFIX_PATH={self.prefix}', f'-DCMAKE_CXX_COMPILER={compiler}',
                     '-DCMAKE_CXX_FLAGS=-Wall -Werror')
        self.succeed('cmake', '--build', build, '-j', '2', '--target', *targets)
        return build

    @staticmethod
    def free_address():
        return f'127.2.{random.randrange(256)}.{random.randrange(1, 255)}'

    @staticmethod
    def start(build, program, address, node, nodes=3, *how):
        """Starts the process of a node, with its data in a folder of its own."""
        peers = ','.join(f'{address}:{17000 + n}' for n in range(1, nodes + 1))
        return subprocess.Popen(
            [f'{build}/{program}', '--node', str(node), '--peers', peers, '--clients', f'{address}:{7000 + node}', '--data-dir',
             os.path.join(build, f'{program}-{node}'), '--exit-with-parent', *how], stdout=subprocess.PIPE, text=True)

    @staticmethod
    def end(process):
        process.kill()
        process.wait()
        process.stdout.close()

    @staticmethod
    def reply(address, node, line):
        with socket.create_connection((address, 7000 + node), 60) as connection:
            connection.sendall(line.encode() + b'\n')
            return connection.makefile().readline().strip()

    def ask(self, address, line):
        """The reply of the first node that executes the request."""
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            for node in (1, 2, 3):
                reply = self.reply(address, node, line)
                if not reply.startswith(('not executed', 'not yet')):
                    return reply
            time.sleep(0.05)
        raise AssertionError(f'{line!r} was not executed')
