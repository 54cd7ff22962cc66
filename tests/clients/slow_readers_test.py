"""Two hundred clients that request far more than they read, and other clients that must be served meanwhile.

Usage: slow_readers_test.py PROTOCOL; `resp` or `http`.
"""

import os
import selectors
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402

quickstart_cluster.with_debian_python()

import case_report  # noqa: E402
import redis  # noqa: E402

PROTOCOL = sys.argv[1] if len(sys.argv) > 1 else 'resp'
READERS = 200
REQUESTS_READ = 10
REQUESTS_LEFT = 60
VALUE_BYTES = 400_000
RECEIVE_BUFFER_BYTES = 16_384
# Nodes open links to each other when they need them.
LINKS_MAX = 40
SERVED_OPERATIONS = 400
# A node holds at most 256 MiB of replies (limits.output_total_bytes). Its third of the replies is 1,600 MB in the second test.
NODE_RSS_MAX = 400 << 20
NODE_RSS_LEFT_MAX = 64 << 20
OVERALL_SECONDS_MAX = 120


# The value has a letter that occurs nowhere else in a reply.
LETTER = b'~'
REQUEST, REPLY, REFUSAL = {
    'http': (b'GET /v1/kv/big HTTP/1.1\r\nHost: store\r\n\r\n', b'HTTP/1.1 200', b'HTTP/1.1 503'),
    'resp': (b'*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n', b'$%d\r\n' % VALUE_BYTES, b'-CLUSTERDOWN'),
}[PROTOCOL]


class SlowReader:
    """A connection with `requests` outstanding. On a busy machine leaders change, and requests without a leader are refused."""

    def __init__(self, port, requests):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.settimeout(OVERALL_SECONDS_MAX)
        self.socket.connect(('127.0.0.1', port))
        self.socket.sendall(REQUEST * requests)
        self.requests = requests
        self.value_bytes = 0
        self.heads = b''

    def read(self, most):
        """Reads up to `most` bytes; the end of the connection is an error."""
        chunk = self.socket.recv(most)
        assert chunk, f'disconnected after {self}'
        self.value_bytes += chunk.count(LETTER)
        self.heads += chunk.replace(LETTER, b'')

    def is_served(self):
        replies = self.heads.count(REPLY)
        assert self.value_bytes <= replies * VALUE_BYTES, f'more than was requested: {self}'
        return replies + self.refusals() == self.requests and self.value_bytes == replies * VALUE_BYTES

    def refusals(self):
        return self.heads.count(REFUSAL)

    def __str__(self):
        return f'{self.value_bytes} bytes of values, {self.heads!r}'


def read_all(readers):
    """Reads until each reader has all its replies."""
    limit = time.monotonic() + OVERALL_SECONDS_MAX
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            if not reader.is_served():
                selector.register(reader.socket, selectors.EVENT_READ, reader)
        while selector.get_map():
            ready = selector.select(1)
            waiting = [key.data for key in selector.get_map().values()]
            assert ready or time.monotonic() < limit, f'{len(waiting)} readers received nothing in time, the first with {waiting[0]}'
            for key, _ in ready:
                key.data.read(1 << 20)
                if key.data.is_served():
                    selector.unregister(key.fileobj)


class ServedClients:
    """Clients of every node that write and read at an ordinary rate in the background."""

    def __init__(self, store):
        self.failures, self.slowest, self.repeated = [], 0.0, 0
        self._threads = [threading.Thread(target=self._run, args=(store.client(port), port)) for port in store.plain_ports()]
        for thread in self._threads:
            thread.start()

    def _run(self, client, port):
        try:
            for i in range(SERVED_OPERATIONS):
                began = time.monotonic()
                self._again(lambda: client.set(f'served:{port}:{i}', i))
                found = self._again(lambda: client.get(f'served:{port}:{i}'))
                self.slowest = max(self.slowest, time.monotonic() - began)
                if found != str(i):
                    self.failures.append(f'{found!r} instead of {i}')
        except redis.RedisError as error:
            self.failures.append(repr(error))

    def _again(self, ask):
        """Repeats the request after a change of leaders, which may happen on a busy machine."""
        limit = time.monotonic() + OVERALL_SECONDS_MAX
        while True:
            try:
                return ask()
            except redis.ResponseError as error:
                if not str(error).startswith(quickstart_cluster.TEMPORARY_ERRORS) or time.monotonic() > limit:
                    raise
                self.repeated += 1

    def wait(self):
        for thread in self._threads:
            thread.join()


class SlowReadersTest(unittest.TestCase):

    def setUp(self):
        self.store = quickstart_cluster.QuickstartCluster().started()
        self.addCleanup(self.store.stop)
        self.store.wait_until_leaders_stay()
        self.store.client().set('big', LETTER.decode() * VALUE_BYTES)
        first = self.store.http_port if PROTOCOL == 'http' else self.store.plain_ports()[0]
        self.ports = [first + i for i in range(self.store.count)]
        self.at_rest = self.store.rss_bytes()
        self.sockets_at_rest = self.store.sockets()
        self.readers = []
        self.addCleanup(self.close)

    def open(self, requests):
        for i in range(READERS):
            self.readers.append(SlowReader(self.ports[i % len(self.ports)], requests))

    def close(self):
        for reader in self.readers:
            reader.socket.close()

    def check_others_are_served(self):
        """Asserts that all other clients are served while the slow readers read a few bytes at a time."""
        served = ServedClients(self.store)
        for reader in self.readers:
            reader.read(4_096)
        served.wait()
        self.assertEqual([], served.failures)
        print(f'the slowest write and read took {served.slowest:.3f} s beside {len(self.readers)} slow readers, '
              f'{served.repeated} tries were repeated')

    def check_memory_is_given_back(self):
        self.store.check_peak_rss(self, NODE_RSS_MAX)
        limit = time.monotonic() + OVERALL_SECONDS_MAX
        while True:
            left = {node: rss - self.at_rest[node] for node, rss in self.store.rss_bytes().items()}
            if max(left.values()) < NODE_RSS_LEFT_MAX:
                return
            self.assertLess(time.monotonic(), limit, f'bytes that the nodes still hold: {left}')
            time.sleep(0.2)

    def test_SlowReaders_DelayNoOtherClientAndReceiveAllReplies(self):
        self.open(REQUESTS_READ)
        self.check_others_are_served()
        read_all(self.readers)
        refused = sum(reader.refusals() for reader in self.readers)
        self.assertLess(refused, READERS * REQUESTS_READ * 9 // 10, 'too few requests were served')
        self.close()
        self.check_memory_is_given_back()

    def test_SlowReaders_ThatDisconnect_ReleaseMemoryAndSockets(self):
        self.open(REQUESTS_LEFT)
        self.check_others_are_served()
        self.close()
        self.check_memory_is_given_back()
        limit = time.monotonic() + OVERALL_SECONDS_MAX
        while self.store.sockets() > self.sockets_at_rest + LINKS_MAX:
            self.assertLess(time.monotonic(), limit, f'{self.store.sockets()} sockets stay, {self.sockets_at_rest} before')
            time.sleep(0.2)


if __name__ == '__main__':
    case_report.main()
