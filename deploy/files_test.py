"""The files of a deployment agree with each other, with the documents and with the tools that read them.

Tools that are not installed are skipped: docker-compose, lintian, promtool, systemd-analyze.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def needs(tool):
    return unittest.skipUnless(shutil.which(tool), f'{tool} is not installed')


class PackageTest(unittest.TestCase):
    DEB = 'deploy/quorate.deb'

    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        unpacked = run('dpkg-deb', '--raw-extract', self.DEB, self.root)
        self.assertEqual(0, unpacked.returncode, unpacked.stderr)

    def path(self, name):
        return os.path.join(self.root, name)

    def test_programs_run_from_the_package(self):
        for name in ('quorated', 'quoratectl'):
            shown = run(self.path(f'usr/bin/{name}'), '--version')
            self.assertEqual(0, shown.returncode, shown.stderr)
            self.assertIn(re.search(r'^Version: (.*)$', read(self.path('DEBIAN/control')), re.MULTILINE)[1], shown.stdout)

    def test_each_library_has_a_package(self):
        depends = re.search(r'^Depends: (.*)$', read(self.path('DEBIAN/control')), re.MULTILINE)[1]
        for package in ('adduser', 'libc6 (>= ', 'libjemalloc2 (>= ', 'libssl3 (>= ', 'libabsl20220623 (>= '):
            self.assertIn(package, depends)

    def test_the_unit_runs_the_packaged_program_with_the_documented_file(self):
        unit = read(self.path('lib/systemd/system/quorated.service'))
        started = re.search(r'^ExecStart=(\S+) --config (\S+)$', unit, re.MULTILINE)
        self.assertTrue(os.access(self.path(started[1].lstrip('/')), os.X_OK))
        self.assertIn(f'AssertPathExists={started[2]}\n', unit)
        example = read(self.path('usr/share/doc/quorate/examples/node.toml'))
        directory = re.search(r'^StateDirectory=(\S+)$', unit, re.MULTILINE)[1]
        self.assertIn(f'data_dir = "/var/lib/{directory}"\n', example)

    @needs('lintian')
    def test_lintian_finds_nothing(self):
        # It is not uploaded to Debian, so no bug of Debian asks for it.
        checked = run('lintian', '--fail-on', 'error,warning', '--suppress-tags', 'initial-upload-closes-no-bugs', self.DEB)
        self.assertEqual(0, checked.returncode, checked.stdout + checked.stderr)

    @needs('systemd-analyze')
    def test_systemd_accepts_the_unit_and_its_sandbox(self):
        unit = self.path('lib/systemd/system/quorated.service')
        for target in ('network-online', 'time-sync', 'multi-user', 'sysinit', 'basic', 'shutdown'):
            with open(self.path(f'lib/systemd/system/{target}.target'), 'w', encoding='utf-8') as file:
                file.write(f'[Unit]\nDescription={target}\n')
        checked = run('systemd-analyze', 'verify', '--man=no', f'--root={self.root}', 'quorated.service')
        self.assertEqual('', checked.stdout + checked.stderr)
        judged = run('systemd-analyze', 'security', '--offline=yes', '--threshold=25', unit)
        self.assertEqual(0, judged.returncode, judged.stdout + judged.stderr)


class ContainersTest(unittest.TestCase):
    def test_files_of_the_nodes_differ_in_their_id_alone(self):
        first = read('deploy/docker/node1.toml')
        for node in (2, 3):
            text = read(f'deploy/docker/node{node}.toml')
            self.assertEqual(first, text.replace(f'# Node {node} ', '# Node 1 ').replace(f'[node]\nid = {node}\n', '[node]\nid = 1\n'))

    def test_addresses_are_those_of_the_network(self):
        compose = read('deploy/docker/compose.yaml')
        addresses = set(re.findall(r'ipv4_address: ([\d.]+)', compose))
        used = set(re.findall(r'"([\d.]+):\d+"', read('deploy/docker/node1.toml')))
        self.assertLess(used, addresses)
        self.assertEqual(used, set(re.findall(r' ([\d.]+):7001', read('deploy/docker/haproxy.cfg'))))

    def test_the_balancer_has_the_rules_of_the_example(self):
        def rules(path):
            text = re.sub(r'#.*', '', read(path))
            text = re.sub(r'(?:\*|127\.0\.0\.1|172\.30\.0\.\d+):(\d)\d\d\d', r'ADDRESS:\1', text)
            return re.sub(r'check port 800\d', 'check port', text).split()
        self.assertEqual(rules('examples/haproxy/haproxy.cfg'), rules('deploy/docker/haproxy.cfg'))

    @needs('docker-compose')
    def test_compose_accepts_its_file(self):
        checked = run('docker-compose', '-f', 'deploy/docker/compose.yaml', 'config', '-q')
        self.assertEqual(0, checked.returncode, checked.stderr)


class AlertsTest(unittest.TestCase):
    ALERTS = 'deploy/prometheus/alerts.yaml'

    def test_each_metric_is_documented(self):
        page = read('docs/reference/metrics.md')
        families = set(re.findall(r'`(quorate_\w+)', page))
        for name in sorted(set(re.findall(r'\bquorate_\w+', read(self.ALERTS)))):
            self.assertIn(name, families)

    @needs('promtool')
    def test_prometheus_accepts_the_rules(self):
        checked = run('promtool', 'check', 'rules', self.ALERTS)
        self.assertEqual(0, checked.returncode, checked.stdout + checked.stderr)


if __name__ == '__main__':
    unittest.main()
