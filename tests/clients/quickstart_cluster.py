"""A quickstart cluster for tests, on free ports; it ends with the test.

Debian's Python has the redis module. with_debian_python() switches to it from another interpreter that comes first in PATH.
"""

import contextlib
import ctypes
import itertools
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

DEBIAN_PYTHON = '/usr/bin/python3'
PR_SET_PDEATHSIG = 1
STARTS_WITHIN_SECONDS = 90
ANSWERS_WITHIN_SECONDS = 60
CLUSTER_PORT_OFFSET = 100
HTTP_PORT_OFFSET = 250
ADMIN_PORT_OFFSET = 100  # From the HTTP port.
# Beginnings of errors that a change of leaders causes. On a busy machine leaders change occasionally.
TEMPORARY_ERRORS = ('CLUSTERDOWN', 'UNKNOWN', 'TRYAGAIN', 'Hash slot not served')


def with_debian_python():
    """Continues in Debian's interpreter if this one lacks the redis module."""
    try:
        import redis  # noqa: F401
    except ImportError:
        if os.path.realpath(sys.executable) == os.path.realpath(DEBIAN_PYTHON):
            raise
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, *sys.argv])


def program(name):
    return os.path.join(os.environ['TEST_SRCDIR'], 'quorate', 'net', 'cmd', name)


def reusing_socket():
    """A socket that can bind a port whose earlier connections are in TIME_WAIT."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def _free(port):
    with contextlib.closing(reusing_socket()) as probe:
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return False
    return True


# Tests that run at the same time take their ports from different blocks. In a block plain addresses come first, then those for cluster
# clients, then HTTP; ports for peers are 10,000 above. A bound abstract socket name locks a block until the process ends.
_BLOCKS = range(10_000, 20_000, 400)
_BASES_PER_BLOCK = 5
_PORTS_PER_BASE = CLUSTER_PORT_OFFSET // _BASES_PER_BLOCK
_BLOCKS_MAX = 3
_own_blocks = []
_handed_out = itertools.count()


def _take_block():
    for start in random.sample(_BLOCKS, len(_BLOCKS)):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f'\0quorate-test-ports-{start}')
        except OSError:
            lock.close()
            continue
        _own_blocks.append((start, lock))
        return
    raise RuntimeError('other tests have taken all ports')


def free_base(count, extra=()):
    """Returns the first of `count` consecutive free ports, for which those at each distance in `extra` are free too. No other test gets them."""
    assert count <= _PORTS_PER_BASE
    for _ in range(1000):
        number, place = divmod(next(_handed_out), _BASES_PER_BLOCK)
        if place == 0 and len(_own_blocks) < _BLOCKS_MAX:
            _take_block()
        base = _own_blocks[number % len(_own_blocks)][0] + place * _PORTS_PER_BASE
        if all(_free(base + i + distance) for i in range(count) for distance in (0, *extra)):
            return base
    raise RuntimeError('no free ports')


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class QuickstartCluster:
    """The constructor starts quickstart; `output` is the text that it has printed so far."""

    def __init__(self, data_dir=None, nodes=3, port=None, http_port=None, more=()):
        self.data_dir = data_dir or tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        self.count = nodes
        # Ports for plain clients; those for cluster clients are CLUSTER_PORT_OFFSET above.
        self.port = port or free_base(nodes + 2, extra=(CLUSTER_PORT_OFFSET, HTTP_PORT_OFFSET, 10_000))
        self.cluster_port = self.port + CLUSTER_PORT_OFFSET
        self.http_port = http_port or self.port + HTTP_PORT_OFFSET
        self.output = ''
        self.process = subprocess.Popen(
            [program('quickstart'), '--data-dir', self.data_dir, '--port', str(self.port), '--http-port', str(self.http_port),
             '--nodes', str(nodes), *more],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        os.set_blocking(self.process.stdout.fileno(), False)

    def ports(self):
        return range(self.port, self.port + self.count)

    def plain_ports(self):
        """Ports for clients without cluster support."""
        return self.ports()

    def cluster_ports(self):
        """Ports for cluster clients."""
        return range(self.cluster_port, self.cluster_port + self.count)

    def http(self, node, path):
        return f'http://127.0.0.1:{self.http_port + node}{path}'

    def pump(self, seconds):
        """Reads output for `seconds`; False once the output has ended."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return True
        chunk = self.process.stdout.read()
        self.output += (chunk or b'').decode()
        return bool(chunk)

    def wait_for(self, words, seconds=STARTS_WITHIN_SECONDS):
        """Waits until the program has printed `words`."""
        limit = time.monotonic() + seconds
        while words not in self.output:
            if not self.pump(0.1) or time.monotonic() > limit:
                raise AssertionError(f'{words!r} was not printed in time; the output was:\n{self.output}')
        return self

    def started(self):
        return self.wait_for('Ctrl-C stops all nodes')

    def pid_of(self, node):
        """The process of a node, counted from 1, as the program printed it."""
        line = next(l for l in self.output.splitlines() if l.strip().startswith(f'node {node} '))
        return int(line.split(' pid ')[1].split()[0])

    def rss_bytes(self, field='VmRSS'):
        """{node: bytes of its process in memory}, the nodes counted from 1."""
        found = {}
        for node in range(1, self.count + 1):
            with open(f'/proc/{self.pid_of(node)}/status', encoding='utf-8') as status:
                found[node] = next(int(line.split()[1]) << 10 for line in status if line.startswith(f'{field}:'))
        return found

    def check_gives_memory_back(self, test, full, least, limit):
        """Waits until each node's process has `least` bytes less in memory than in `full`; fails after `limit` (monotonic)."""
        while True:
            given_back = {node: full[node] - rss for node, rss in self.rss_bytes().items()}
            if min(given_back.values()) >= least:
                return
            test.assertLess(time.monotonic(), limit, f'bytes released: {given_back} of {full}')
            time.sleep(0.5)

    def sockets(self):
        """The number of open sockets in all node processes."""
        folders = [f'/proc/{self.pid_of(node)}/fd' for node in range(1, self.count + 1)]
        held = 0
        for path in (os.path.join(folder, name) for folder in folders for name in os.listdir(folder)):
            with contextlib.suppress(FileNotFoundError):  # The descriptor was closed meanwhile.
                held += os.readlink(path).startswith('socket:')
        return held

    def check_peak_rss(self, test, most):
        """Fails `test` if the peak memory of a node was `most` bytes or more."""
        peaks = self.rss_bytes('VmHWM')
        print('peak memory of each node:', {node: f'{peak >> 20} MiB' for node, peak in peaks.items()})
        for node, peak in peaks.items():
            test.assertLess(peak, most, f'node {node} had {peak >> 20} MiB')

    def client(self, port=None):
        """python3-redis as a plain client; the caller may need with_debian_python() first."""
        import redis
        return redis.Redis(port=port or self.plain_ports()[0], decode_responses=True, socket_timeout=ANSWERS_WITHIN_SECONDS)

    def value_bytes_max(self):
        return int(self.client().config_get('proto-max-bulk-len')['proto-max-bulk-len'])

    def flush(self):
        """Removes every key of the store."""
        self.client().flushall()

    def wait_until_leaders_stay(self, seconds=STARTS_WITHIN_SECONDS):
        """Waits until each node leads a group, as in every healthy quickstart in the end, and all nodes know these leaders."""
        limit = time.monotonic() + seconds
        while True:
            known = [{(slots[0], slots[1], slots[2][1]) for slots in self.client(port).execute_command('CLUSTER', 'SLOTS')}
                     for port in self.cluster_ports()]
            if all(each == known[0] for each in known) and len({port for _, _, port in known[0]}) == self.count:
                return
            if time.monotonic() > limit:
                raise AssertionError(f'leaders keep changing: {known}')
            time.sleep(0.1)

    def stop(self, with_signal=signal.SIGINT):
        """Stops the cluster and returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            limit = time.monotonic() + 60
            while self.process.poll() is None and time.monotonic() < limit:
                self.pump(0.1)
            if self.process.poll() is None:
                self.process.kill()
        while self.pump(0):
            if self.process.poll() is not None and not select.select([self.process.stdout], [], [], 0)[0]:
                break
        return self.process.wait()
