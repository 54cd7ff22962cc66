"""A cluster with TLS at every address: real clients, restarts, certificates that change, and those of another authority."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402

quickstart_cluster.with_debian_python()
import redis  # noqa: E402
from quickstart_cluster import die_with_parent, program  # noqa: E402
from redis.cluster import RedisCluster  # noqa: E402

HAPPENS_WITHIN_SECONDS = 120
CLUSTER = 77


def certs(*words):
    return subprocess.run([program('quoratectl'), 'certs', *map(str, words)], capture_output=True, text=True, timeout=60, check=True).stdout


def eventually(what, condition):
    limit = time.monotonic() + HAPPENS_WITHIN_SECONDS
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(what)
        time.sleep(0.1)


class TlsNode:
    """One quorated with its log."""

    def __init__(self, folder, number, ports, authority):
        self.number, self.folder = number, folder
        base = ports[number - 1]
        self.resp, self.cluster, self.http = base, base + quickstart_cluster.CLUSTER_PORT_OFFSET, base + quickstart_cluster.HTTP_PORT_OFFSET
        self.admin = self.http + quickstart_cluster.ADMIN_PORT_OFFSET
        self.certificate = os.path.join(folder, f'node-{number}')
        self.take_certificate(authority)
        self.rows = ''.join(f'''[[nodes]]
id = {i + 1}
resp = "127.0.0.1:{port}"
resp_cluster = "127.0.0.1:{port + quickstart_cluster.CLUSTER_PORT_OFFSET}"
http = "127.0.0.1:{port + quickstart_cluster.HTTP_PORT_OFFSET}"
peer = "127.0.0.1:{port + 10_000}"
''' for i, port in enumerate(ports))
        self.config = os.path.join(folder, f'{number}.toml')
        self.configure(resp='optional', others='required')
        self.log = []
        self.ready = threading.Event()
        self.process = None

    def configure(self, resp, others):
        """Writes the file of the node; an empty `resp` leaves TLS out."""
        tls = f'''[tls]
certificate = "{self.certificate}.crt"
key = "{self.certificate}.key"
ca = "{self.certificate}.ca"
resp = "{resp}"
cluster = "{others}"
http = "{others}"
peers = "{others}"
admin = "{others}"
'''
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(f'''[cluster]
id = {CLUSTER}
[node]
id = {self.number}
data_dir = "{self.folder}/data-{self.number}"
[sharding]
groups = 3
{tls if resp else ''}
{self.rows}''')

    def take_certificate(self, authority, number=None):
        """Puts another certificate in place, as an operator does."""
        made = tempfile.mkdtemp(dir=self.folder)
        number = number or self.number
        certs('node', '--ca', authority, '--out', made, '--cluster', CLUSTER, '--node', number, '--host', '127.0.0.1,localhost')
        for ending in ('key', 'crt'):
            os.rename(f'{made}/node-{number}.{ending}', f'{self.certificate}.{ending}')
        shutil.copy(f'{authority}/ca.crt', f'{made}/ca')
        os.rename(f'{made}/ca', f'{self.certificate}.ca')

    def start(self, *words):
        self.log, self.ready = [], threading.Event()
        self.process = subprocess.Popen([program('quorated'), '--config', self.config, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, preexec_fn=die_with_parent)
        threading.Thread(target=self._read_log, args=(self.process.stderr, self.log), daemon=True).start()
        threading.Thread(target=self._await_ready, args=(self.process.stdout, self.ready), daemon=True).start()

    @staticmethod
    def _read_log(stream, log):
        for line in stream:
            log.append(line)

    @staticmethod
    def _await_ready(stream, ready):
        for line in stream:
            if line.startswith('ready:'):
                ready.set()

    def await_ready(self):
        if not self.ready.wait(HAPPENS_WITHIN_SECONDS):
            raise AssertionError(f'node {self.number} is not ready: ' + ''.join(self.log[-20:]))

    def await_log(self, words):
        eventually(f'the log of node {self.number} never said {words!r}: ' + ''.join(self.log[-20:]),
                   lambda: any(words in line for line in self.log))

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(HAPPENS_WITHIN_SECONDS)


def make_nodes(folder, authority):
    base = quickstart_cluster.free_base(3, extra=(quickstart_cluster.CLUSTER_PORT_OFFSET, quickstart_cluster.HTTP_PORT_OFFSET,
                                                  quickstart_cluster.HTTP_PORT_OFFSET + quickstart_cluster.ADMIN_PORT_OFFSET, 10_000))
    return [TlsNode(folder, number, [base, base + 1, base + 2], authority) for number in (1, 2, 3)]


class RunningClusterTest(unittest.TestCase):

    def test_ClusterWithoutTls_BeginsToRequireIt_NodeByNode(self):
        folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        certs('ca', '--out', f'{folder}/ca')
        nodes = make_nodes(folder, f'{folder}/ca')
        try:
            for node in nodes:
                node.configure(resp='', others='')
                node.start('--bootstrap')
            for node in nodes:
                node.await_ready()
            number = 0
            for mode in ('optional', 'required', 'optional', ''):
                for node in nodes:
                    node.stop()
                    node.configure(resp=mode, others=mode)
                    node.start()
                    node.await_ready()
                    # Each node forwards to the leaders, whatever they speak.
                    secure = {'ssl': True, 'ssl_ca_certs': f'{folder}/ca/ca.crt'} if mode else {}
                    number += 1
                    eventually('a write through the restarted node succeeds', lambda: self.writes(node.resp, str(number), secure))
        finally:
            for node in nodes:
                node.stop()

    @staticmethod
    def writes(port, value, secure):
        client = redis.Redis(port=port, decode_responses=True, **secure)
        try:
            return all(client.set(key, value) and client.get(key) == value for key in ('a', 'b', 'c', 'd', 'e'))
        except redis.exceptions.RedisError:
            return False
        finally:
            client.close()


class TlsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        cls.authority, cls.strangers = f'{cls.folder}/ours', f'{cls.folder}/strangers'
        certs('ca', '--out', cls.authority)
        certs('ca', '--out', cls.strangers, '--name', 'Strangers')
        certs('client', '--out', cls.authority, '--name', 'anna')
        cls.nodes = make_nodes(cls.folder, cls.authority)
        for node in cls.nodes:
            node.start('--bootstrap')
        for node in cls.nodes:
            node.await_ready()
        cls.ca = f'{cls.authority}/ca.crt'

    @classmethod
    def tearDownClass(cls):
        for node in cls.nodes:
            node.stop()

    def cli(self, port, *words, tls=True):
        security = ['--tls', '--cacert', self.ca] if tls else []
        done = subprocess.run(['redis-cli', *security, '-p', str(port), *words], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.strip() or done.stderr.strip()

    def ctl(self, *words, client=True):
        shown = ['--tls-cert', f'{self.authority}/client-anna.crt', '--tls-key', f'{self.authority}/client-anna.key'] if client else []
        return subprocess.run([program('quoratectl'), '--tls-ca', self.ca, *shown, *map(str, words)], capture_output=True, text=True, timeout=120,
                              check=False)

    def metric(self, node, name):
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(f'https://127.0.0.1:{node.http}/metrics', context=context, timeout=60) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(name + ' '):
                    return float(line.split()[1])
        raise AssertionError(f'no metric {name}')

    def set_everywhere(self, value):
        """Writes a key of each group through a cluster client."""
        client = RedisCluster(host='127.0.0.1', port=self.nodes[0].cluster, ssl=True, ssl_ca_certs=self.ca, decode_responses=True)
        for key in ('a', 'b', 'c', 'd', 'e'):
            eventually('a write succeeds', lambda key=key: self.tries(lambda: client.set(key, value)))
        self.assertEqual([value] * 5, [client.get(key) for key in ('a', 'b', 'c', 'd', 'e')])
        client.close()

    @staticmethod
    def tries(action):
        try:
            action()
            return True
        except redis.exceptions.RedisError:
            return False

    def test_RedisCli_WithTls_IsServedAtTheSamePorts(self):
        node = self.nodes[0]
        self.assertEqual('OK', self.cli(node.resp, 'SET', 'cli', 'x'))
        self.assertEqual('x', self.cli(node.resp, 'GET', 'cli'))
        self.assertEqual('x', self.cli(node.resp, 'GET', 'cli', tls=False))
        self.assertEqual('PONG', self.cli(node.cluster, 'PING'))
        # Few failures have a line of their own in the log.
        eventually('a plain client is refused, and the log says so', lambda: 'PONG' not in self.cli(node.cluster, 'PING', tls=False) and
                   any('no TLS, which this address requires' in line for line in node.log))
        slots = self.cli(node.cluster, 'CLUSTER', 'SLOTS')
        for other in self.nodes:
            self.assertIn(str(other.cluster), slots)

    def test_ClusterClient_WithTls_WritesToEachGroup(self):
        self.set_everywhere('1')

    def test_Http_WithTls_IsServedAndRedirectsWithTls(self):
        context = ssl.create_default_context(cafile=self.ca)
        node = self.nodes[0]
        with urllib.request.urlopen(f'https://localhost:{node.http}/livez', context=context, timeout=60) as page:
            self.assertEqual(200, page.status)
        with self.assertRaises(urllib.error.URLError):
            urllib.request.urlopen(f'https://localhost:{node.http}/livez', context=ssl.create_default_context(), timeout=60)

    def test_Quoratectl_ShowsTheTimeLeftAndNeedsACertificateForChanges(self):
        addresses = ','.join(f'127.0.0.1:{node.cluster}' for node in self.nodes)
        eventually('the cluster is well', lambda: self.ctl('--address', addresses, 'status').returncode == 0)
        status = json.loads(self.ctl('--json', '--address', addresses, 'status').stdout)
        for row in status['nodes']:
            self.assertTrue(364 * 86_400 < row['certificate_seconds_left'] <= 365 * 86_400, row)
        admin = f'127.0.0.1:{self.nodes[0].admin}'
        self.assertEqual(0, self.ctl('--address', addresses, 'node', 'list').returncode)
        refused = self.ctl('--address', admin, 'node', 'list', client=False)
        self.assertEqual(1, refused.returncode, refused.stdout)
        self.assertIn('TLS', refused.stderr)

    def test_Reload_WhileClientsAreConnected_KeepsThem(self):
        node = self.nodes[0]
        client = redis.Redis(port=node.resp, ssl=True, ssl_ca_certs=self.ca, decode_responses=True)
        number = client.client_id()

        def serial():
            pem = ssl.get_server_certificate(('127.0.0.1', node.cluster))
            return subprocess.run(['openssl', 'x509', '-noout', '-serial'], input=pem, capture_output=True, text=True, check=True).stdout

        before = serial()
        node.take_certificate(self.authority)
        node.process.send_signal(signal.SIGHUP)
        eventually('the new certificate is used', lambda: serial() != before)
        self.assertEqual(number, client.client_id())
        # A wrong file: the earlier one stays.
        present = serial()
        with open(f'{node.certificate}.crt', 'w', encoding='utf-8') as file:
            file.write('nonsense')
        eventually('the wrong file is noticed', lambda: self.metric(node, 'quorate_tls_reload_failing') == 1)
        node.await_log('the earlier one stays')
        self.assertEqual(present, serial())
        with self.assertRaisesRegex(redis.exceptions.ResponseError, 'expected certificates in PEM'):
            client.config_set('tls-cert-file', f'{node.certificate}.crt')
        node.take_certificate(self.authority)
        self.assertTrue(client.config_set('tls-cert-file', f'{node.certificate}.crt'))
        self.assertEqual({'tls-cert-file': f'{node.certificate}.crt'}, client.config_get('tls-cert-file'))
        self.assertEqual(0, self.metric(node, 'quorate_tls_reload_failing'))
        self.assertEqual(number, client.client_id())
        client.close()

    def test_Node_WithAWrongCertificate_IsRefusedUntilItHasAGoodOne(self):
        node = self.nodes[2]
        for authority, number, words in ((self.strangers, 3, 'certificate verify failed'),
                                         (self.authority, 1, 'a certificate that does not name its node')):
            node.stop()
            node.take_certificate(authority, number)
            node.start()
            (self.nodes[0] if number == 1 else node).await_log(words)
            self.set_everywhere(words)
            node.stop()
            node.take_certificate(self.authority)
            node.start()
            node.await_ready()
        self.set_everywhere('again')


if __name__ == '__main__':
    unittest.main()
