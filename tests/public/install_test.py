"""An installation in a prefix of its own: programs of examples/outside build against it and run."""

import os
import tempfile
import unittest

from installed import COMPILERS, InstalledTest, run

PROGRAMS = ('adder_main', 'server_main', 'server_simulation_main', 'simulation_main', 'lincheck_main')
HISTORY = '''{"lincheck":1,"model":"adder"}
{"client":1,"f":"add","arg":2,"result":%d,"invoke":1,"return":2}
'''


class InstallTest(InstalledTest):

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
        address, processes = self.free_address(), []
        try:
            for node in (1, 2, 3):
                processes.append(self.start(build, 'server_main', address, node, 3, '--bootstrap'))
            for process in processes:
                self.assertEqual('ready\n', process.stdout.readline())
            self.assertEqual('ok 5', self.ask(address, 'add 5'))
            self.assertEqual('ok 5', self.ask(address, 'sum'))
            for node in (1, 2, 3):
                self.assertEqual('ok', self.reply(address, node, f'peer 4 {address}:17004'))
            processes.append(self.start(build, 'server_main', address, 4, 4, '--join'))
            self.assertEqual('ready\n', processes[3].stdout.readline())
            known = self.reply(address, 1, 'configuration').removeprefix('ok ')
            replica = self.reply(address, 4, f'join {known}').removeprefix('ok ')
            self.assertEqual('ok', self.ask(address, f'member 4 {replica}'))
            self.assertEqual('ok 1 2 3 4', self.reply(address, 1, 'members'))
            self.assertEqual('ok 7', self.ask(address, 'add 2'))
        finally:
            for process in processes:
                self.end(process)

    def test_cmake_finds_the_package_and_the_programs_run(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                self.check_programs(self.build_with_cmake(compiler, PROGRAMS))

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
        for name in PROGRAMS:
            self.succeed('g++', '-std=c++20', f'{self.sources}/{name}.cc', '-o', f'{build}/{name}', *flags.split())
        self.check_programs(build)


if __name__ == '__main__':
    unittest.main()
