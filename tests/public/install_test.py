"""An installation in a prefix of its own: programs of examples/outside build against it and run."""

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
HISTORY = '''{"lincheck":1,"model":"adder"}
{"client":1,"f":"add","arg":2,"result":%d,"invoke":1,"return":2}
'''


def run(*command, **options):
    """Returns the exit status and the output, which failures show."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=280, **options)
    return done.returncode, done.stdout


class InstallTest(unittest.TestCase):

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

    def check_programs(self, build):
        data = os.path.join(build, 'data')
        for expected in (1, 2):
            self.assertEqual(expected, int(self.succeed(f'{build}/adder_main', data).split()[-1]))
        for simulation in ('simulation_main', 'server_simulation_main'):
            self.assertIn('5 runs, 0 failed', self.succeed(f'{build}/{simulation}', 'swarm', '--seeds', '1..5'))
        self.check_server(build)
        for result, status in ((2, 0), (3, 1)):
            history = os.path.join(build, 'history.jsonl')
            with open(history, 'w', encoding='utf-8') as file:
                file.write(HISTORY % result)
            self.assertEqual(status, run(f'{build}/lincheck_main', history)[0])

    def check_server(self, build):
        """Three processes serve one sum, and a fourth joins them."""
        address = f'127.2.{random.randrange(256)}.{random.randrange(1, 255)}'
        processes = []

        def start(node, nodes, how):
            peers = ','.join(f'{address}:{17000 + n}' for n in range(1, nodes + 1))
            processes.append(subprocess.Popen(
                [f'{build}/server_main', '--node', str(node), '--peers', peers, '--clients', f'{address}:{7000 + node}', '--data-dir',
                 os.path.join(build, f'data-{node}'), '--exit-with-parent', how], stdout=subprocess.PIPE, text=True))

        try:
            for node in (1, 2, 3):
                start(node, 3, '--bootstrap')
            for process in processes:
                self.assertEqual('ready\n', process.stdout.readline())
            self.assertEqual('ok 5', self.ask(address, 'add 5'))
            self.assertEqual('ok 5', self.ask(address, 'sum'))
            for node in (1, 2, 3):
                self.assertEqual('ok', self.reply(address, node, f'peer 4 {address}:17004'))
            start(4, 4, '--join')
            self.assertEqual('ready\n', processes[3].stdout.readline())
            known = self.reply(address, 1, 'configuration').removeprefix('ok ')
            replica = self.reply(address, 4, f'join {known}').removeprefix('ok ')
            self.assertEqual('ok', self.ask(address, f'member 4 {replica}'))
            self.assertEqual('ok 1 2 3 4', self.reply(address, 1, 'members'))
            self.assertEqual('ok 7', self.ask(address, 'add 2'))
        finally:
            for process in processes:
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

    def test_cmake_finds_the_package_and_the_programs_run(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                build = os.path.join(self.folder, compiler)
                self.succeed('cmake', '-S', self.sources, '-B', build, f'-DCMAKE_PREFIX_PATH={self.prefix}', f'-DCMAKE_CXX_COMPILER={compiler}',
                             '-DCMAKE_CXX_FLAGS=-Wall -Werror')
                self.succeed('cmake', '--build', build, '-j', '2')
                self.check_programs(build)

    def configure(self, lines):
        """Configures a project that has these lines; the exit status and the output."""
        folder = tempfile.mkdtemp(dir=self.folder)
        with open(os.path.join(folder, 'CMakeLists.txt'), 'w', encoding='utf-8') as file:
            file.write(f'cmake_minimum_required(VERSION 3.25)\nproject(other CXX)\n{lines}\n')
        return run('cmake', '-S', folder, '-B', f'{folder}/build', f'-DCMAKE_PREFIX_PATH={self.prefix}')

    def test_cmake_refuses_another_version_and_an_unknown_part(self):
        self.assertEqual(0, self.configure('find_package(Quorate REQUIRED COMPONENTS raft sim lincheck)')[0])
        status, output = self.configure('find_package(Quorate 99 REQUIRED)')
        self.assertNotEqual(0, status)
        self.assertIn('Quorate', output)
        status, output = self.configure('find_package(Quorate REQUIRED COMPONENTS store)')
        self.assertNotEqual(0, status)
        self.assertIn('Quorate has no part store', output)

    def test_pkg_config_has_the_flags_of_a_compiler(self):
        flags = self.succeed('pkg-config', '--cflags', '--libs', 'quorate', env={**os.environ, 'PKG_CONFIG_PATH': f'{self.prefix}/lib/pkgconfig'})
        build = os.path.join(self.folder, 'pkg-config')
        os.mkdir(build)
        for name in ('adder_main', 'server_main', 'server_simulation_main', 'simulation_main', 'lincheck_main'):
            self.succeed('g++', '-std=c++20', f'{self.sources}/{name}.cc', '-o', f'{build}/{name}', *flags.split())
        self.check_programs(build)


if __name__ == '__main__':
    unittest.main()
