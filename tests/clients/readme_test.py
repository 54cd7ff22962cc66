"""The sessions that README shows: each line of their output comes out of the programs, with other numbers."""

import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import quickstart_cluster

PORTS = (quickstart_cluster.CLUSTER_PORT_OFFSET, quickstart_cluster.HTTP_PORT_OFFSET,
         quickstart_cluster.HTTP_PORT_OFFSET + quickstart_cluster.ADMIN_PORT_OFFSET, 10_000)
_BLOCK = re.compile(r'^```\n(\$ .*?)^```$', re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r'\d+(?:\.\d+)?')


def sessions():
    """{first command: {command: its lines}} of the page."""
    with open('README.md', encoding='utf-8') as page:
        blocks = _BLOCK.findall(page.read())
    found = {}
    for block in blocks:
        commands = {}
        for line in block.splitlines():
            if line.startswith('$ '):
                lines = commands.setdefault(line[2:].split('  #')[0], [])
            elif line.strip() not in ('', '…'):
                lines.append(line)
        found[next(iter(commands))] = commands
    return found


def pattern_of(line):
    """Numbers and the parts that are left out may be any, and columns may be wider."""
    words = []
    for word in line.split():
        word = re.sub(r'/[\w./-]*quickstart|/tmp/[\w./-]+|Ad3s…', '…', word)
        parts = [re.escape(part) for part in _NUMBER.split(word)]
        words.append((r'[\d.]+'.join(parts)).replace('…', '.*'))
    return re.compile(r'\s*' + r'\s+'.join(words) + r'\s*$')


class PatternTest(unittest.TestCase):

    def test_OtherNumbersAndColumns_Fit(self):
        self.assertTrue(pattern_of('  8.1 s  node 4 joined in 222.6 ms').match(' 12.0 s  node 4 joined in 9 ms'))
        self.assertTrue(pattern_of('ID  NAME  …').match('ID   NAME   ROLE'))
        self.assertTrue(pattern_of('data in /root/.cache/quorate/quickstart').match('data in /tmp/x'))

    def test_OtherWords_DoNotFit(self):
        self.assertFalse(pattern_of('node 4 joined').match('node 4 joins'))
        self.assertFalse(pattern_of('ID  NAME').match('ID  NAME  ROLE'))


class ReadmeTest(unittest.TestCase):

    def expect(self, lines, output):
        for line in lines:
            pattern = pattern_of(line)
            self.assertTrue(any(pattern.match(one) for one in output.splitlines()), f'README shows\n{line}\nThe output was:\n{output}')

    @staticmethod
    def run_program(*command, **options):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
                              preexec_fn=quickstart_cluster.die_with_parent, **options)
        return done.returncode, done.stdout

    def test_NodesThatComeAndGo_PrintWhatIsShown(self):
        shown = sessions()
        start = shown['./bazelw run //:quickstart']
        verbs = shown['./bazelw run //:quickstart -- add --zone b']
        cluster = quickstart_cluster.QuickstartCluster()
        self.addCleanup(cluster.stop)
        cluster.started()
        self.expect(start['./bazelw run //:quickstart'], cluster.output)
        address = f'127.0.0.1:{cluster.cluster_port + 2}'
        left = [command for command, lines in verbs.items() if lines]

        def check(command, output):
            left.remove(command)
            self.expect(verbs[command], output)

        added = subprocess.Popen([quickstart_cluster.program('quickstart'), 'add', '--zone', 'b', '--data-dir', cluster.data_dir],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=quickstart_cluster.die_with_parent)
        self.addCleanup(added.stdout.close)
        self.addCleanup(added.wait)
        self.addCleanup(added.kill)
        check('./bazelw run //:quickstart -- add --zone b', added.stdout.readline())
        control = (quickstart_cluster.program('quoratectl'), '--address', address)
        while '4   n4    data  up' not in self.run_program(*control, 'node', 'list')[1]:
            self.assertIsNone(added.poll())
            time.sleep(0.1)
        for command in ('quoratectl node drain 1', 'quoratectl node list', 'quoratectl node undrain 1', 'quoratectl node replace 2 --yes'):
            if command.endswith('replace 2 --yes'):
                os.kill(cluster.pid_of(2), signal.SIGKILL)
                shutil.rmtree(os.path.join(cluster.data_dir, 'node-2'))
            status, output = self.run_program(*control, *command.split()[1:])
            self.assertEqual(0, status, output)
            if command in left:
                check(command, output)
        self.assertEqual([], left, 'commands of README that are not tested')

    def test_ScaleDemo_PrintsWhatIsShown(self):
        shown = sessions()['./bazelw run //:quickstart -- --scale-demo']
        base = quickstart_cluster.free_base(5, extra=PORTS)
        scratch = os.environ['TEST_TMPDIR']
        status, output = self.run_program(quickstart_cluster.program('quickstart'), '--scale-demo', '--port', str(base), '--http-port',
                                          str(base + quickstart_cluster.HTTP_PORT_OFFSET), env={**os.environ, 'TMPDIR': scratch})
        self.assertEqual(0, status, output)
        self.expect(shown['./bazelw run //:quickstart -- --scale-demo'], output)
        self.assertRegex(output, r'slots moved +655[0-9] of 16384, in \d+ moves')
        self.assertRegex(output, r'requests +\d+, failed 0\n +counters +6000, wrong 0')


if __name__ == '__main__':
    unittest.main()
