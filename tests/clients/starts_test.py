"""Starts that fail, starts with edited files, killed first starts, lost and copied directories: with real processes."""

import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402
from quickstart_cluster import QuickstartCluster, die_with_parent, program  # noqa: E402

# Generous: other tests may take the processor meanwhile.
HAPPENS_WITHIN_SECONDS = 120


def scratch():
    return tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))


def contents(folder):
    """Every file below `folder` with its bytes; None if there is no such folder."""
    if not os.path.exists(folder):
        return None
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, 'rb') as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def any_process_names(path):
    """True if a process has `path` in its command line."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                if path.encode() in file.read():
                    return True
        except OSError:
            pass  # It has ended.
    return False


class Nodes:
    """Configuration files of some nodes of one cluster, and their processes."""

    def __init__(self, count=1, sharding='groups = 1'):
        self.root = scratch()
        self.count = count
        self.base = quickstart_cluster.free_base(3 * count, extra=(quickstart_cluster.CLUSTER_PORT_OFFSET,))
        self.sharding = sharding
        self.processes = {}

    def address(self, node, kind):
        if kind == 'admin':
            host, port = self.address(node, 'http').split(':')
            return f'{host}:{int(port) + quickstart_cluster.ADMIN_PORT_OFFSET}'
        return f'127.0.0.1:{self.base + 3 * (node - 1) + ("resp", "http", "peer").index(kind)}'

    def data(self, node):
        return f'{self.root}/made/{node}/data'

    def config(self, node, sharding=None, cluster=7, data=None, rows=''):
        rows = rows or ''.join(
            f'[[nodes]]\nid = {n}\n' + ''.join(f'{kind} = "{self.address(n, kind)}"\n' for kind in ('resp', 'http', 'peer'))
            for n in range(1, self.count + 1))
        text = (f'[cluster]\nid = {cluster}\n[node]\nid = {node}\ndata_dir = "{data or self.data(node)}"\n'
                f'[sharding]\n{sharding or self.sharding}\n{rows}')
        path = f'{self.root}/node-{node}.toml'
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def popen(self, config, *options, preexec_fn=die_with_parent):
        if '--bootstrap' in options and self.count == 1:
            options += ('--alone',)
        return subprocess.Popen([program('quorated'), '--config', config, '--exit-with-parent', *options], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, preexec_fn=preexec_fn)

    def fail(self, config, *options, preexec_fn=die_with_parent):
        """Returns the exit status and the last message of a start that must fail."""
        process = self.popen(config, *options, preexec_fn=preexec_fn)
        out, err = process.communicate(timeout=60)
        assert out == '' and process.returncode != 0, f'it started: {out} {err}'
        return process.returncode, err

    def launch(self, node, *options, config=None):
        self.processes[node] = self.popen(config or self.config(node), *options)

    def await_ready(self, node):
        process = self.processes[node]
        line = process.stdout.readline()
        if not line.startswith('ready:'):
            del self.processes[node]
            raise AssertionError(f'not ready: {process.communicate(timeout=60)}')

    def start(self, node, *options, config=None):
        self.launch(node, *options, config=config)
        self.await_ready(node)

    def found(self):
        """Founds the cluster, for which all nodes must run."""
        for node in range(1, self.count + 1):
            self.launch(node, '--bootstrap')
        for node in range(1, self.count + 1):
            self.await_ready(node)

    def stop(self, node, how=signal.SIGTERM):
        process = self.processes.pop(node)
        process.send_signal(how)
        return process.communicate(timeout=60)[1]

    def ctl(self, node, *words):
        done = subprocess.run([program('quoratectl'), '--address', self.address(node, 'resp'), *words], capture_output=True, text=True,
                              timeout=60, check=False, preexec_fn=die_with_parent)
        return done.returncode, done.stdout


class Cleaned(unittest.TestCase):

    def nodes(self, *args, **options):
        nodes = Nodes(*args, **options)

        def end():
            for node in list(nodes.processes):
                nodes.stop(node, signal.SIGKILL)

        self.addCleanup(end)
        return nodes

    def wait_until(self, done):
        limit = time.monotonic() + HAPPENS_WITHIN_SECONDS
        while not done():
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.1)


class FailedStartTest(Cleaned):

    def failures(self, nodes):
        """Yields (name, message, start) for first starts that fail, each for a different reason."""

        def small():
            die_with_parent()
            resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))

        def taken(kind):
            def start():
                with quickstart_cluster.reusing_socket() as holder:
                    host, port = nodes.address(1, kind).split(':')
                    holder.bind((host, int(port)))
                    holder.listen()
                    return nodes.fail(nodes.config(1), '--bootstrap')
            return start

        for kind in ('resp', 'http', 'peer', 'admin'):
            yield f'{kind} port taken', 'in use', taken(kind)
        yield 'no bootstrap', 'the data directory is empty', lambda: nodes.fail(nodes.config(1))
        yield 'bad file', 'groups', lambda: nodes.fail(nodes.config(1, sharding='groups = 0'), '--bootstrap')
        yield 'full disk', 'File too large', lambda: nodes.fail(nodes.config(1), '--bootstrap', preexec_fn=small)

    def test_FirstStartThatFails_LeavesNothing(self):
        nodes = self.nodes()
        for what, message, start in self.failures(nodes):
            with self.subTest(what):
                _, err = start()
                self.assertIn(message, err)
                self.assertEqual(['node-1.toml'], os.listdir(nodes.root))
        # After these failures the directory can still be bootstrapped.
        nodes.start(1, '--bootstrap')
        self.assertEqual(0, nodes.ctl(1, 'set', 'a', 'b')[0])

    def test_FirstStartThatFails_LeavesWhatWasThere(self):
        for before in ({}, {'notes.txt': b'mine'}, {'lock': b''}):
            nodes = self.nodes()
            os.makedirs(nodes.data(1))
            for name, text in before.items():
                with open(os.path.join(nodes.data(1), name), 'wb') as file:
                    file.write(text)
            for what, message, start in self.failures(nodes):
                with self.subTest(what, before=before):
                    _, err = start()
                    if 'notes.txt' not in before:
                        self.assertIn(message, err)
                    self.assertEqual(set(before), set(contents(nodes.data(1))))

    def test_PathThatCannotBeADirectory_LeavesNoParents(self):
        nodes = self.nodes()
        with open(f'{nodes.root}/file', 'w', encoding='utf-8'):
            pass
        _, err = nodes.fail(nodes.config(1, data=f'{nodes.root}/file/data'), '--bootstrap')
        self.assertIn('Not a directory', err)
        _, err = nodes.fail(nodes.config(1, data=f'{nodes.root}/new/' + 'x' * 300), '--bootstrap')
        self.assertIn('File name too long', err)
        self.assertEqual({'file', 'node-1.toml'}, set(os.listdir(nodes.root)))

    def test_StartOfAStoreThatFails_LeavesTheStore(self):
        nodes = self.nodes()
        nodes.start(1, '--bootstrap')
        self.assertEqual(0, nodes.ctl(1, 'set', 'a', 'b')[0])
        nodes.stop(1)
        before = contents(nodes.data(1))
        before.pop('lock')
        with quickstart_cluster.reusing_socket() as holder:
            host, port = nodes.address(1, 'resp').split(':')
            holder.bind((host, int(port)))
            holder.listen()
            self.assertIn('in use', nodes.fail(nodes.config(1))[1])
        self.assertIn('belongs to cluster 7', nodes.fail(nodes.config(1, cluster=8))[1])
        after = contents(nodes.data(1))
        after.pop('lock')
        self.assertEqual(before['identity'], after['identity'])
        # A start removes segments that are not needed, and leaves all other files.
        self.assertEqual([], [name for name in set(before) - set(after) if not name.startswith('log-')])
        self.assertTrue(any(name.startswith('log-') for name in set(before) & set(after)))
        nodes.start(1)
        self.assertEqual((0, 'b\n'), nodes.ctl(1, 'get', 'a'))

    def test_FirstStartKilledAtAnyTime_CanBeRepeated(self):
        nodes = self.nodes(sharding='groups = 5')
        for _ in range(25):
            process = nodes.popen(nodes.config(1), '--bootstrap')
            time.sleep(random.random() * 0.03)
            process.kill()
            process.communicate(timeout=60)
        nodes.start(1, '--bootstrap')
        self.assertEqual(0, nodes.ctl(1, 'set', 'a', 'b')[0])
        nodes.stop(1, signal.SIGKILL)
        nodes.start(1)
        self.assertEqual((0, 'b\n'), nodes.ctl(1, 'get', 'a'))

    def test_FirstStartStoppedAtAnyTime_LeavesAStoreOrNothing(self):
        nodes = self.nodes(sharding='groups = 5')
        for i in range(25):
            place = f'{nodes.root}/stopped-{i}'
            process = nodes.popen(nodes.config(1, data=f'{place}/data'), '--bootstrap')
            time.sleep(random.random() * 0.03)
            process.terminate()
            process.communicate(timeout=60)
            # A kill by the signal came before the program handled signals, and before it created anything.
            if not os.path.exists(f'{place}/data/identity'):
                self.assertFalse(os.path.exists(place), process.returncode)


class EditedFileTest(Cleaned):

    def test_GroupsRaisedWithBootstrapLeftOn_StartsAndNamesBoth(self):
        nodes = self.nodes()
        nodes.start(1, '--bootstrap')
        self.assertEqual(0, nodes.ctl(1, 'set', 'a', 'b')[0])
        nodes.stop(1)
        nodes.launch(1, '--bootstrap', config=nodes.config(1, sharding='groups = 2'))
        nodes.await_ready(1)
        self.wait_until(lambda: nodes.ctl(1, 'get', 'a') == (0, 'b\n'))
        self.assertIn("key 'sharding.groups': the file says 2 groups (1, 2), the founded cluster has 1 group (1)", nodes.stop(1))

    def test_NodesBootstrappedWithDifferentFiles_RefuseEachOther(self):
        nodes = self.nodes(3)
        for node in (1, 2):
            nodes.launch(node, '--bootstrap')
        nodes.launch(3, '--bootstrap', config=nodes.config(3, sharding='groups = 2'))
        # Nothing is founded without the third node.
        time.sleep(2)
        err = nodes.stop(3)
        self.assertIn('have different plans of the cluster', err)
        # As docs/operate/failures.md says.
        nodes.launch(3, '--bootstrap')
        for node in (1, 2, 3):
            nodes.await_ready(node)
        self.wait_until(lambda: nodes.ctl(1, 'set', 'a', 'b')[0] == 0)
        self.wait_until(lambda: nodes.ctl(3, 'get', 'a') == (0, 'b\n'))

    def test_NodeThatIsMissing_IsWaitedForAndNamed(self):
        nodes = self.nodes(3)
        for node in (1, 2):
            nodes.launch(node, '--bootstrap')
        time.sleep(3)
        self.assertIn('founding the cluster: waiting for node 3', nodes.stop(1))
        self.assertIn('founding the cluster: waiting for node 1', nodes.stop(2, signal.SIGKILL))
        nodes.found()
        self.wait_until(lambda: nodes.ctl(1, 'set', 'a', 'b')[0] == 0)


class CopiedDirectoryTest(Cleaned):

    def copied_cluster(self):
        """Three nodes that serve a = new, and the files of copies of their directories, in which a is old. The copies have other ports."""
        nodes, copies = self.nodes(3), self.nodes(3)
        nodes.found()
        self.wait_until(lambda: nodes.ctl(1, 'set', 'a', 'old')[0] == 0)
        for node in (1, 2, 3):
            nodes.stop(node)
        for node in (1, 2, 3):
            shutil.copytree(nodes.data(node), copies.data(node))
            nodes.launch(node)
        for node in (1, 2, 3):
            nodes.await_ready(node)
        self.wait_until(lambda: nodes.ctl(1, 'set', 'a', 'new')[0] == 0)
        return nodes, copies

    def assert_serves(self, nodes, value):
        for node in (1, 2, 3):
            self.wait_until(lambda node=node: nodes.ctl(node, 'get', 'a') == (0, value + '\n'))

    def test_CopiesThatStartMoreOften_EndAndTheClusterServes(self):
        nodes, copies = self.copied_cluster()
        for _ in range(3):
            for node in (1, 2, 3):
                status, err = copies.fail(copies.config(node))
                self.assertEqual(1, status)
                self.assertRegex(err, f'node {node} runs already, with start [0-9]+ of the data directory')
        self.assert_serves(nodes, 'new')
        # Its original cannot be asked.
        nodes.stop(3, signal.SIGKILL)
        status, err = copies.fail(copies.config(3))
        self.assertEqual(1, status)
        self.assertIn('as a new address of another node', err)
        process = copies.popen(copies.config(3), '--moved')
        _, err = process.communicate(timeout=60)
        self.assertEqual(1, process.returncode)
        self.assertRegex(err, 'has seen start [0-9]+ of the data directory of node 3')
        nodes.start(3)
        self.assert_serves(nodes, 'new')

    def test_RestoredAsANewCluster_BothServe(self):
        nodes, copies = self.copied_cluster()
        flag = '--restore-as-new-cluster'
        self.assertIn('needs another id', copies.fail(copies.config(1), flag)[1])
        for options in ((flag,), (flag,), ()):
            for node in (1, 2, 3):
                copies.launch(node, *options, config=copies.config(node, cluster=8))
            for node in (1, 2, 3):
                copies.await_ready(node)
            self.assert_serves(copies, 'old')
            self.assert_serves(nodes, 'new')
            self.wait_until(lambda: copies.ctl(1, 'set', 'b', 'own')[0] == 0)
            self.assertEqual('', nodes.ctl(1, 'get', 'b')[1])
            for node in (1, 2, 3):
                copies.stop(node)
        self.assertIn('belongs to cluster 8', copies.fail(copies.config(1))[1])

    def test_FileOfOneNode_FoundsNothingWithoutOneMoreWord(self):
        nodes = self.nodes(3)
        row = '[[nodes]]\nid = 4\n' + ''.join(
            f'{kind} = "{nodes.address(1, kind)}"\n' for kind in ('resp', 'http', 'peer'))
        _, err = nodes.fail(nodes.config(4, rows=row), '--bootstrap')
        self.assertIn('The file names node 4 alone. To found a cluster of this one node, add --alone', err)
        self.assertIsNone(contents(nodes.data(4)))


class LostDirectoryTest(Cleaned):

    def started_store(self):
        """Three nodes that serve a = b."""
        nodes = self.nodes(3)
        nodes.found()
        self.wait_until(lambda: nodes.ctl(1, 'set', 'a', 'b')[0] == 0)
        for node in (1, 2, 3):
            self.wait_until(lambda node=node: nodes.ctl(node, 'get', 'a') == (0, 'b\n') and self.stale(nodes, node, 'a') == 'b')
        return nodes

    def test_LostDirectory_TheOthersServeAndNothingReplacesIt(self):
        nodes = self.started_store()
        nodes.stop(3, signal.SIGKILL)
        shutil.rmtree(nodes.data(3))
        self.wait_until(lambda: nodes.ctl(1, 'set', 'a', 'c')[0] == 0)
        _, err = nodes.fail(nodes.config(3))
        self.assertIn("A node whose directory was lost needs a token of 'quoratectl node replace'", err)
        # A copy of a stopped healthy node.
        nodes.stop(2)
        shutil.copytree(nodes.data(2), nodes.data(3))
        for options in ((), ('--bootstrap',)):
            _, err = nodes.fail(nodes.config(3), *options)
            self.assertIn('the data directory belongs to node 2, this is node 3', err)
            self.assertIn("A copy of another node's directory cannot replace a lost one", err)
        shutil.rmtree(nodes.data(3))
        nodes.start(2)
        # The cluster exists, so nothing is founded in an empty directory.
        _, err = nodes.fail(nodes.config(3), '--bootstrap')
        self.assertIn('the cluster exists', err)
        self.assertIn('docs/operate/failures.md', err)
        self.wait_until(lambda: nodes.ctl(1, 'get', 'a') == (0, 'c\n'))

    def test_LostDirectoriesOfAMajority_ABootstrapIsRefused(self):
        nodes = self.started_store()
        away = f'{nodes.root}/away'
        for node in (2, 3):
            nodes.stop(node, signal.SIGKILL)
        os.rename(nodes.data(2), away)
        shutil.rmtree(nodes.data(3))
        for node in (2, 3):
            self.assertIn('the cluster exists', nodes.fail(nodes.config(node), '--bootstrap')[1])
        # The node that is left answers stale reads as long as it runs.
        # Its lease may last for a moment.
        self.wait_until(lambda: nodes.ctl(1, '--timeout-ms', '1000', 'get', 'a') == (1, ''))
        self.assertEqual('b', self.stale(nodes, 1, 'a'))
        # Together with a directory that came back it is a majority.
        shutil.rmtree(nodes.data(2), ignore_errors=True)
        os.rename(away, nodes.data(2))
        nodes.start(2)
        self.wait_until(lambda: nodes.ctl(2, 'get', 'a') == (0, 'b\n'))
        # A node that starts alone answers no stale reads.
        for node in (1, 2):
            nodes.stop(node)
        nodes.start(1)
        self.assertIsNone(self.stale(nodes, 1, 'a'))

    def stale(self, nodes, node, key):
        """The value of a stale read; '' if the replica has no such key (yet), None if the node refuses the read."""
        try:
            with urllib.request.urlopen(f'http://{nodes.address(node, "http")}/v1/kv/{key}?consistency=eventual', timeout=30) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            self.assertIn(error.code, (404, 503))
            return '' if error.code == 404 else None


class FewDescriptorsTest(Cleaned):

    def test_FewerThanConnectionsNeed_TheBoundIsLoweredAndTheLogSaysSo(self):

        def few():
            die_with_parent()
            resource.setrlimit(resource.RLIMIT_NOFILE, (450, 450))

        nodes = self.nodes()
        nodes.processes[1] = nodes.popen(nodes.config(1), '--bootstrap', preexec_fn=few)
        nodes.await_ready(1)
        host, port = nodes.address(1, 'resp').split(':')
        clients = []
        self.addCleanup(lambda: [client.close() for client in clients])

        def answer():
            clients.append(socket.create_connection((host, int(port)), timeout=60))
            clients[-1].sendall(b'PING\r\n')
            return clients[-1].recv(100)

        taken = 0
        while (last := answer()) == b'+PONG\r\n':
            taken += 1
            self.assertLess(taken, 450)
        self.assertEqual(b'-ERR max number of clients reached\r\n', last)
        clients[0].sendall(b'SET key value\r\n')
        self.assertEqual(b'+OK\r\n', clients[0].recv(100))
        log = nodes.stop(1)
        self.assertIn('the system allows this process 450 open files. limits.connections = 10000 needs', log)
        self.assertIn(f'lowered to {taken}. ', log)

    def test_FewerThanTheNodeNeeds_TheStartIsRefused(self):

        def few():
            die_with_parent()
            resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))

        nodes = self.nodes()
        status, text = nodes.fail(nodes.config(1), '--bootstrap', preexec_fn=few)
        self.assertEqual(1, status)
        self.assertIn('the system allows this process 300 open files. The node needs at least ', text)
        self.assertFalse(os.path.exists(nodes.data(1)))


class QuickstartTest(unittest.TestCase):

    def ctl(self, cluster, *words, node=0):
        done = subprocess.run([program('quoratectl'), '--address', f'127.0.0.1:{cluster.port + node}', *words], capture_output=True,
                              text=True, timeout=60, check=False, preexec_fn=die_with_parent)
        return done.returncode, done.stdout

    def test_LostDirectory_TheOthersStartAndTheLossIsReported(self):
        cluster = QuickstartCluster(scratch()).started()
        for i in range(20):
            self.assertEqual((0, 'OK\n'), self.ctl(cluster, 'set', f'k{i}', f'v{i}'))
        self.assertEqual(0, cluster.stop())
        for lost in (1, 3):
            away = f'{cluster.data_dir}/away'
            os.rename(f'{cluster.data_dir}/node-{lost}', away)
            again = QuickstartCluster(cluster.data_dir, port=cluster.port, http_port=cluster.http_port).started()
            self.assertRegex(again.output, rf'node {lost} is missing: node {lost} ended with status 1: .*'
                                           r'the data directory is empty.*quoratectl node replace.*see docs/operate/failures\.md')
            self.assertRegex(again.output, rf'  node {lost}  .*  MISSING\n')
            self.assertIn('2 of 3 nodes run: each group has a majority', again.output)
            self.assertNotIn('has no leader', again.output)
            self.assertNotIn('kill -9', again.output)
            for i in range(20):
                self.assertEqual((0, f'v{i}\n'), self.ctl(again, 'get', f'k{i}', node=1))
            self.assertEqual(0, again.stop())
            self.assertFalse(os.path.exists(f'{cluster.data_dir}/node-{lost}'))
            os.rename(away, f'{cluster.data_dir}/node-{lost}')
        for lost in (1, 3):
            os.rename(f'{cluster.data_dir}/node-{lost}', f'{cluster.data_dir}/away-{lost}')
        one = QuickstartCluster(cluster.data_dir, port=cluster.port, http_port=cluster.http_port).started()
        self.assertIn('1 of 3 nodes run: no majority of group 1, group 2, group 3 runs', one.output)
        self.assertEqual(0, one.stop())
        for lost in (1, 3):
            os.rename(f'{cluster.data_dir}/away-{lost}', f'{cluster.data_dir}/node-{lost}')
        whole = QuickstartCluster(cluster.data_dir, port=cluster.port, http_port=cluster.http_port).started()
        self.assertNotIn('missing', whole.output)
        self.assertEqual(0, whole.stop())

    def test_FirstStartThatFails_LeavesNothing(self):
        root = scratch()
        base = quickstart_cluster.free_base(3, extra=(10_000,))
        with quickstart_cluster.reusing_socket() as taken:
            taken.bind(('127.0.0.1', base + 1))
            taken.listen()
            cluster = QuickstartCluster(f'{root}/new/data', port=base)
            while cluster.process.poll() is None:
                cluster.pump(0.1)
            self.assertEqual(1, cluster.stop())
        self.assertRegex(cluster.output, rf'^quickstart: node 2: cannot listen on 127\.0\.0\.1:{base + 1}: .*in use')
        self.assertEqual([], os.listdir(root))
        # A later start may have other options, since the failed one left nothing behind.
        cluster = QuickstartCluster(f'{root}/new/data', nodes=1, port=base).started()
        self.assertEqual(0, cluster.stop())

    def test_FirstStartStoppedAtAnyTime_LeavesAStoreOrNothing(self):
        root = scratch()
        port = quickstart_cluster.free_base(3, extra=(quickstart_cluster.CLUSTER_PORT_OFFSET, quickstart_cluster.HTTP_PORT_OFFSET, 10_000))
        for i in range(30):
            place = f'{root}/stopped-{i}'
            cluster = QuickstartCluster(f'{place}/data', port=port)
            time.sleep(i / 1000)
            status = cluster.stop()
            # The status of a kill by the signal means that it came before the program handled signals.
            self.assertIn(status, (0, -signal.SIGINT))
            if not any(os.path.exists(f'{place}/data/node-{node}/identity') for node in (1, 2, 3)):
                self.assertFalse(os.path.exists(place), (i, contents(place), cluster.output))
                if status == 0:
                    self.assertIn('stopped before a node had data', cluster.output)

    def test_FirstStartKilledAtAnyTime_CanBeRepeated(self):
        data_dir = scratch()
        cluster = None
        for i in range(6):
            cluster = QuickstartCluster(data_dir, port=cluster and cluster.port, http_port=cluster and cluster.http_port)
            time.sleep(random.random() * 0.4)
            cluster.stop(signal.SIGKILL)
            # The nodes end shortly after quickstart.
            while any_process_names(data_dir):
                time.sleep(0.02)
        cluster = QuickstartCluster(data_dir, port=cluster.port, http_port=cluster.http_port).started()
        self.assertEqual((0, 'OK\n'), self.ctl(cluster, 'set', 'a', 'b'))
        self.assertIsNone(re.search('missing', cluster.output))
        self.assertEqual(0, cluster.stop())


if __name__ == '__main__':
    unittest.main()
