"""The topology of docker/compose.yaml in network namespaces: three nodes and HAProxy, each with an address of its own.

The nodes read the files of deploy/docker, but for their data directories. Needs the right to make user namespaces, ip and haproxy; skipped without them.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

INSIDE = 'QUORATE_TEST_IS_INSIDE'
BALANCER = '172.30.0.10'
# Children end with this process, whatever ends it.
BOUND = ('setpriv', '--pdeathsig', 'KILL')


def sh(*command):
    subprocess.run(command, check=True)


def works(*command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


class Namespace:
    """A network namespace on the bridge, held by a process."""

    def __init__(self, name, address):
        self.holder = subprocess.Popen((*BOUND, 'unshare', '--net', 'sleep', '600'))
        deadline = time.monotonic() + 10
        while os.readlink(f'/proc/{self.holder.pid}/ns/net') == os.readlink('/proc/self/ns/net'):
            if time.monotonic() > deadline:
                raise TimeoutError('no namespace')
            time.sleep(0.01)
        sh('ip', 'link', 'add', f'b-{name}', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', str(self.holder.pid))
        sh('ip', 'link', 'set', f'b-{name}', 'master', 'br0', 'up')
        self.name = name
        for command in (('ip', 'addr', 'add', f'{address}/24', 'dev', 'eth0'), ('ip', 'link', 'set', 'eth0', 'up'), ('ip', 'link', 'set', 'lo', 'up')):
            sh(*self.inside(*command))

    def inside(self, *command):
        return ('nsenter', '--target', str(self.holder.pid), '--net', *command)

    def start(self, *command, log):
        return subprocess.Popen(self.inside(*command), stdout=log, stderr=log)

    def cut(self):
        sh('ip', 'link', 'set', f'b-{self.name}', 'down')

    def join(self):
        sh('ip', 'link', 'set', f'b-{self.name}', 'up')

    def end(self):
        self.holder.kill()
        self.holder.wait()


def command(*words, address=(BALANCER, 6379)):
    """The reply to a RESP command over a connection of its own."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(''.join([f'*{len(words)}\r\n'] + [f'${len(word)}\r\n{word}\r\n' for word in words]).encode())
        with connection.makefile('rb') as stream:
            line = stream.readline().decode().strip()
            if line.startswith('$') and line != '$-1':
                return stream.readline().decode().strip()
            return line.removeprefix('+')


def until(wanted, *words, seconds=60):
    """Asks until the reply is `wanted`."""
    deadline, reply = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            reply = command(*words)
            if reply == wanted:
                return
        time.sleep(0.1)
    raise AssertionError(f'{words}: {reply}, not {wanted}')


@unittest.skipUnless(INSIDE in os.environ, 'no user namespaces, or no ip or haproxy')
class NamespacesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        sh('ip', 'link', 'set', 'lo', 'up')
        sh('ip', 'link', 'add', 'br0', 'type', 'bridge')
        self.addCleanup(sh, 'ip', 'link', 'del', 'br0')
        sh('ip', 'addr', 'add', '172.30.0.1/24', 'dev', 'br0')
        sh('ip', 'link', 'set', 'br0', 'up')
        self.log = open(os.path.join(self.folder, 'log'), 'w', encoding='utf-8')
        self.addCleanup(self.log.close)
        self.hosts, self.nodes = {}, {}
        for node in (1, 2, 3):
            self.hosts[node] = self.host(f'node{node}', f'172.30.0.{10 + node}')
            self.start(node, '--bootstrap')
        self.balancer = self.host('haproxy', BALANCER)
        process = self.balancer.start('haproxy', '-db', '-f', 'deploy/docker/haproxy.cfg', log=self.log)
        self.addCleanup(self.stop, process)
        until('OK', 'SET', 'user:1', 'ada')

    def tearDown(self):
        for node in list(self.nodes):
            self.stop(self.nodes.pop(node))

    def host(self, name, address):
        made = Namespace(name, address)
        self.addCleanup(made.end)
        return made

    def start(self, node, *options):
        with open(f'deploy/docker/node{node}.toml', encoding='utf-8') as file:
            text = file.read()
        directory = os.path.join(self.folder, f'node{node}')
        os.makedirs(directory, exist_ok=True)
        changed = text.replace('"/var/lib/quorate"', f'"{directory}"')
        self.assertNotEqual(text, changed)
        path = os.path.join(self.folder, f'node{node}.toml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(changed)
        self.nodes[node] = self.hosts[node].start(*BOUND, 'net/cmd/quorated', '--config', path, *options, log=self.log)

    def stop(self, process, with_signal=signal.SIGTERM):
        process.send_signal(with_signal)
        process.wait(timeout=60)

    def test_clients_of_the_balancer_survive_a_kill_a_cut_and_a_restart(self):
        until('ada', 'GET', 'user:1')
        self.stop(self.nodes.pop(1), signal.SIGKILL)
        for key in range(30):
            until('OK', 'SET', f'key:{key}', f'{key}')
        # The service of compose.yaml has the option at each start.
        self.start(1, '--bootstrap')
        for key in range(30):
            until(f'{key}', 'GET', f'key:{key}')
        self.hosts[2].cut()
        until('OK', 'SET', 'user:1', 'grace')
        self.hosts[2].join()
        until('grace', 'GET', 'user:1')
        self.assertEqual(0, self.wait_stopped(3))
        until('grace', 'GET', 'user:1')

    def wait_stopped(self, node):
        process = self.nodes.pop(node)
        self.stop(process)
        return process.returncode

    def test_a_wiped_volume_founds_no_second_cluster(self):
        self.stop(self.nodes.pop(3))
        shutil.rmtree(os.path.join(self.folder, 'node3'))
        self.start(3, '--bootstrap')
        until('ada', 'GET', 'user:1')
        for key in range(10):
            until('OK', 'SET', f'key:{key}', 'x')
        with open(self.log.name, encoding='utf-8') as file:
            self.assertIn('quorated: the cluster exists', file.read())


def main():
    os.environ['PATH'] += ':/usr/sbin:/sbin'
    own = ('unshare', '--user', '--map-root-user', '--net')
    if INSIDE in os.environ or not (shutil.which('haproxy') and works(*own, 'ip', 'link', 'add', 'br0', 'type', 'bridge')):
        unittest.main()
    os.environ[INSIDE] = '1'
    os.execvp(own[0], (*own, sys.executable, *sys.argv))


if __name__ == '__main__':
    main()
