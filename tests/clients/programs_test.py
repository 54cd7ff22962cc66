"""quickstart, quorated and quoratectl as users start them: output, exit statuses, errors, restarts."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import quickstart_cluster  # noqa: E402
from quickstart_cluster import QuickstartCluster, die_with_parent, program  # noqa: E402


def run(*command, seconds=60):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, check=False,
                          preexec_fn=die_with_parent)
    return done.returncode, done.stdout, done.stderr


def scratch():
    return tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))


@contextlib.contextmanager
def redis_without_cluster_mode():
    """The address of a server that answers as Redis does, and the commands that reached it."""
    commands = []

    class Connection(socketserver.StreamRequestHandler):

        def handle(self):
            while line := self.rfile.readline():
                words = []
                for _ in range(int(line[1:])):
                    words.append(self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2])
                commands.append(words[0])
                info = b'# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n'
                bulk = {b'PING': words[-1], b'INFO': info}.get(words[0])
                self.wfile.write(b'-ERR This instance has cluster support disabled\r\n' if bulk is None else
                                 b'$%d\r\n%s\r\n' % (len(bulk), bulk))

    with socketserver.ThreadingTCPServer(('127.0.0.1', 0), Connection) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield '127.0.0.1:%d' % server.server_address[1], commands
        server.shutdown()


class ControlTest(unittest.TestCase):

    def test_OtherServer_IsNamedAndReceivesNoCommand(self):
        with redis_without_cluster_mode() as (address, commands):
            for words in ('status',), ('get', 'k'), ('set', 'k', 'v'), ('del', 'k'):
                self.assertEqual((1, '', f'quoratectl: {address} is not an address of a Quorate node: another server answers there; give the '
                                         'RESP address of a node\n'), run(program('quoratectl'), '--address', address, *words))
            self.assertEqual({b'PING', b'INFO'}, set(commands))

    def test_Help_NamesEveryReasonForStatus3(self):
        status, out, _ = run(program('quoratectl'), '--help')
        self.assertEqual(0, status)
        text = ' '.join(out.split())
        self.assertIn('exits with 3 if a node does not answer, or if the node at the address refuses a node. It also does so if a replica is halted, '
                      'fenced, stopped or refused, or if slots have no leader.', text)

    def test_OptionsOfOtherVerbs_AreRefused(self):
        changes = (('--dry-run',), ('--no-wait',), ('--operation', 'x'))
        every = (('--all',), *changes)
        for words, options in ((('set', 'k', 'v'), every), (('del', 'k'), every), (('get', 'k'), every), (('status',), every),
                               (('node', 'list'), changes), (('slots', 'status'), changes), (('group', 'list'), every), (('group', 'show', '1'), every),
                               (('slots', 'list'), every), (('repair', 'status'), every), (('node', 'add'), (('--all',),)),
                               (('rebalance',), (('--all',),)), (('recover', '1'), (('--operation', 'x'), ('--all',))),
                               (('import-config', 'f'), (('--operation', 'x'), ('--no-wait',), ('--all',)))):
            name = ' '.join(words[:1] if words[0] in ('set', 'get', 'del', 'import-config', 'recover') else words[:2])
            for option in options:
                with redis_without_cluster_mode() as (address, commands):
                    self.assertEqual((2, '', f"quoratectl: {option[0]} has no meaning for '{name}': leave it out\n"),
                                     run(program('quoratectl'), '--address', address, *option, *words))
                    self.assertEqual([], list(commands))

    def test_EmptyAddress_IsNamed(self):
        for addresses in ',,', '', '127.0.0.1:1,':
            self.assertEqual((2, '', f"quoratectl: --address '{addresses}' has an empty address; give HOST:PORT, or several with commas\n"),
                             run(program('quoratectl'), '--address', addresses, 'status'))

    def test_ErrorsUnderJson_AreJson(self):
        for words, status, code in ((('nonsense',), 2, 'USAGE'), (('get',), 2, 'USAGE'), (('get', 'k', '--nonsense'), 2, 'USAGE'),
                                    (('repair', 'set', '--after', 'x'), 2, 'USAGE'), (('import-config', '/no/such/file'), 1, 'FAILED'),
                                    (('--address', '127.0.0.1:1', 'get', 'k'), 1, 'FAILED'), (('--address', '127.0.0.1:1', 'node', 'list'), 1, 'FAILED'),
                                    (('node', 'add', '--name', b'\x80'), 2, 'USAGE')):
            for command in (('--json', *words), (*words, '--json')):
                done = subprocess.run([program('quoratectl'), *command], capture_output=True, timeout=60, check=False)
                self.assertEqual((status, b''), (done.returncode, done.stderr), command)
                error = json.loads(done.stdout)['error']
                self.assertEqual(code, error['code'], command)
                self.assertTrue(error['message'], command)


class EveryProgramTest(unittest.TestCase):

    def test_Version_IsPrinted(self):
        for name in ('quickstart', 'quoratectl', 'quorated'):
            status, out, err = run(program(name), '--version')
            self.assertEqual((0, ''), (status, err))
            self.assertRegex(out, rf'^{name} \d+\.\d+\.\d+\n$')

    def test_OutputThatCannotBeWritten_IsStatus2(self):
        for name in ('quickstart', 'quoratectl', 'quorated'):
            for word in ('--help', '--version'):
                with open('/dev/full', 'w', encoding='utf-8') as full:
                    done = subprocess.run([program(name), word], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
                self.assertEqual((2, f'{name}: standard output cannot be written\n'), (done.returncode, done.stderr.decode()))

                def ignore_closed_pipes():
                    signal.signal(signal.SIGPIPE, signal.SIG_IGN)

                reader, writer = os.pipe()
                os.close(reader)
                done = subprocess.run([program(name), word], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False, restore_signals=False,
                                      preexec_fn=ignore_closed_pipes)
                os.close(writer)
                self.assertEqual(2, done.returncode, done.stderr)


class QuickstartTest(unittest.TestCase):

    def ctl(self, cluster, *words, node=0):
        """Runs quoratectl with the address for plain clients; `status` uses the one for cluster clients."""
        port = cluster.cluster_port if 'status' in words else cluster.port
        return run(program('quoratectl'), '--address', f'127.0.0.1:{port + node}', *words)

    def test_Data_SurvivesARestart(self):
        data_dir = scratch()
        cluster = QuickstartCluster(data_dir).started()
        self.assertIn(data_dir, cluster.output)
        self.assertEqual((0, 'OK\n', ''), self.ctl(cluster, 'set', 'kept', 'value'))
        self.assertEqual(0, cluster.stop())
        self.assertIn('the data stays in ' + data_dir, cluster.output)
        again = QuickstartCluster(data_dir, port=cluster.port, http_port=cluster.http_port).started()
        self.assertEqual((0, 'value\n', ''), self.ctl(again, 'get', 'kept', node=2))
        self.assertEqual(0, again.stop(signal.SIGTERM))

    def test_Control_ReportsStatusAndKeys(self):
        cluster = QuickstartCluster(nodes=3).started()
        status, out, err = self.ctl(cluster, 'status')
        self.assertEqual(0, status, out + err)
        self.assertIn('16384 of 16384 slots have a leader', out)
        status, out, _ = self.ctl(cluster, '--json', 'status', node=1)
        self.assertEqual(0, status)
        found = json.loads(out)
        self.assertEqual([True] * 3, [node['answers'] for node in found['nodes']])
        self.assertEqual([1, 2, 3], [group['group'] for group in found['groups']])
        self.assertEqual([3] * 3, [group['replicas'] for group in found['groups']])
        os.kill(cluster.pid_of(3), signal.SIGKILL)
        status, out, _ = self.ctl(cluster, 'status')
        self.assertEqual(3, status)
        self.assertIn('no answer', out)
        self.assertEqual((1, '', "quoratectl: there is no key 'none'\n"), self.ctl(cluster, 'get', 'none'))
        status, out, err = self.ctl(cluster, '--json', 'node', 'set', '9', '--zone', 'a')
        self.assertEqual((4, '', 'REFUSED'), (status, err, json.loads(out)['error']['code']))
        # A MOVED reply may name the dead node. quoratectl then asks the first node again until another node leads.
        for key in 'foo', 'bar', 'hello':
            self.assertEqual((1, '', f"quoratectl: there is no key '{key}'\n"),
                             run(program('quoratectl'), '--address', f'127.0.0.1:{cluster.cluster_port}', 'get', key))
        self.assertEqual({'key': 'none', 'value': None, 'error': {'code': 'FAILED', 'message': "there is no key 'none'"}},
                         json.loads(self.ctl(cluster, '--json', 'get', 'none')[1]))
        for key, value, shown in (('bytes', b'\x80', {'base64': 'gA=='}), ('text', 'grün'.encode(), 'grün')):
            subprocess.run([program('quoratectl'), '--address', f'127.0.0.1:{cluster.port}', 'set', key, value], check=True, timeout=60,
                           stdout=subprocess.DEVNULL)
            self.assertEqual({'key': key, 'value': shown}, json.loads(self.ctl(cluster, '--json', 'get', key)[1]))
        with open('/dev/full', 'w', encoding='utf-8') as full:
            done = subprocess.run([program('quoratectl'), '--address', f'127.0.0.1:{cluster.port}', 'get', 'text'], stdout=full,
                                  stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual((2, b'quoratectl: standard output cannot be written\n'), (done.returncode, done.stderr))
        self.ctl(cluster, 'set', 'a', '1')
        self.assertEqual((0, '1\n', ''), self.ctl(cluster, 'del', 'a', 'b'))
        status, _, err = self.ctl(cluster, 'nonsense')
        self.assertEqual((2, "quoratectl: there is no command 'nonsense'; the commands are status, get, set, del, node, group, slots, rebalance, repair, recover, debug, certs and "
                             "import-config\n"), (status, err))
        for port, what in ((cluster.http_port, 'answers in HTTP, not in RESP'), (cluster.port + 10_000, 'is an address for other nodes')):
            status, _, err = run(program('quoratectl'), '--address', f'127.0.0.1:{port}', 'status')
            self.assertEqual((1, f'quoratectl: 127.0.0.1:{port} {what}; give the RESP address of a node\n'), (status, err))
        plain = f'127.0.0.1:{cluster.port}'
        self.assertEqual(
            (1, '', f'quoratectl: {plain} is an address for plain clients; give --address 127.0.0.1:{cluster.cluster_port}, '
                    'which is for cluster clients\n'), run(program('quoratectl'), '--address', plain, 'status'))
        self.assertEqual(0, cluster.stop())

    def test_SignalsThatEndPrograms_EndAWaitWithAnAnswer(self):
        cluster = QuickstartCluster(nodes=1, more=('--groups', '2')).started()
        # Slot 3300, which moves slowly.
        self.assertEqual((0, 'OK\n', ''), self.ctl(cluster, 'set', 'x{b}', 'x' * 100_000))
        for end in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            waiting = subprocess.Popen([program('quoratectl'), '--address', f'127.0.0.1:{cluster.cluster_port}', '--json', 'slots', 'move', '--to', '2',
                                        '--slots', '3000-4000', '--rate', '100'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       preexec_fn=die_with_parent)
            self.assertIn(b'move 1', waiting.stderr.readline())  # It waits.
            waiting.send_signal(end)
            out, _ = waiting.communicate(timeout=60)
            error = json.loads(out)['error']
            self.assertEqual((130, 'INTERRUPTED'), (waiting.returncode, error['code']), end)
            self.assertRegex(error['operation'], '^[0-9a-f]{16}$')
        self.assertEqual(0, self.ctl(cluster, 'slots', 'cancel', '1')[0])
        self.assertEqual(0, cluster.stop())

    def test_MajorityLost_IsReportedAndNoSlotHasALeader(self):
        cluster = QuickstartCluster(nodes=3).started()
        for node in (2, 3):
            os.kill(cluster.pid_of(node), signal.SIGKILL)
        for group in (1, 2, 3):
            cluster.wait_for(f'group {group} has no leader')
        status, out, _ = self.ctl(cluster, 'status')
        self.assertEqual(3, status)
        self.assertIn('\n0 of 16384 slots have a leader', out)
        self.assertEqual(0, json.loads(self.ctl(cluster, '--json', 'status')[1])['slots_served'])
        command = re.search(r'node 2 was killed.*restart it with:\n\s*(\S.*)\n', cluster.output).group(1)
        restarted = subprocess.Popen(command.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        cluster.wait_for('node 2 is back')
        for group in (1, 2, 3):
            cluster.wait_for(f'group {group} has a leader again: node ')
        # A node that was restarted by hand is no child of quickstart, which reports its end nevertheless.
        restarted.kill()
        restarted.wait()
        cluster.wait_for('node 2 is gone; restart it with:')
        self.assertEqual(0, cluster.stop())

    def test_FencedReplica_IsReplacedByTheOthers(self):
        data_dir = scratch()
        cluster = QuickstartCluster(data_dir).started()
        for i in range(20):
            self.assertEqual(0, self.ctl(cluster, 'set', '{t}damaged', f'record {i} is here')[0])
        self.assertEqual(0, cluster.stop())
        damaged = False
        directory = os.path.join(data_dir, 'node-2')
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), 'r+b') as file:
                at = file.read().find(b'record 5 is here')
                if name.startswith('log-') and at >= 0:
                    file.seek(at)
                    file.write(b'R')
                    damaged = True
        self.assertTrue(damaged)
        again = QuickstartCluster(data_dir, port=cluster.port, http_port=cluster.http_port).started()
        deadline = time.monotonic() + 30
        while True:
            with open(directory + '.log', encoding='utf-8') as log:
                given_up = 'group 3: the damaged replica here is given up' in log.read()
            status, out, _ = self.ctl(again, 'status')
            if given_up and status == 0:
                break
            self.assertLess(time.monotonic(), deadline, out)
            time.sleep(0.1)
        self.assertNotIn('fenced', out)
        self.assertEqual((0, 'record 19 is here\n', ''), self.ctl(again, 'get', '{t}damaged', node=1))
        self.assertEqual(0, again.stop())

    def test_NodeThatDies_IsReportedWithTheCommandThatRestartsIt(self):
        cluster = QuickstartCluster().started()
        victim = int(re.search(r'group 1 .* led by node (\d)', cluster.output).group(1))
        os.kill(cluster.pid_of(victim), signal.SIGKILL)
        cluster.wait_for(f'node {victim} was killed by signal 9 (Killed); restart it with:\n')
        cluster.wait_for(f'leads (before: node {victim})')
        self.assertEqual((0, 'OK\n', ''), self.ctl(cluster, 'set', 'x', 'y', node=victim % 3))
        command = re.search(r'restart it with:\n\s*(\S.*)\n', cluster.output).group(1)
        # A node that was restarted by hand is no child of quickstart. Ctrl-C stops it as well.
        restarted = subprocess.Popen(command.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        cluster.wait_for(f'node {victim} is back')
        self.assertEqual((0, 'y\n', ''), self.ctl(cluster, 'get', 'x', node=victim - 1))
        self.assertEqual(0, cluster.stop())
        self.assertEqual(0, restarted.wait(timeout=30))

    def test_KilledQuickstart_EndsItsNodes(self):
        cluster = QuickstartCluster().started()
        pids = [cluster.pid_of(node) for node in (1, 2, 3)]
        cluster.stop(signal.SIGKILL)
        limit = time.monotonic() + 30
        while any(os.path.exists(f'/proc/{pid}') for pid in pids):
            self.assertLess(time.monotonic(), limit, 'a node outlived quickstart')
            time.sleep(0.02)

    def test_OtherOptionsOnTheSameDirectory_AreRefused(self):
        data_dir = scratch()
        cluster = QuickstartCluster(data_dir).started()
        second = run(program('quickstart'), '--data-dir', data_dir)
        self.assertEqual(1, second[0])
        self.assertIn('in use by another process', second[2])
        self.assertEqual(0, cluster.stop())
        status, _, err = run(program('quickstart'), '--data-dir', data_dir, '--nodes', 5)
        self.assertEqual(1, status)
        self.assertIn('was made with --nodes 3 --groups 3 --read-replicas 0', err)
        self.assertEqual(2, run(program('quickstart'), '--nodes', 0)[0])

    def test_DataDirThatIsAFile_IsNamed(self):
        path = os.path.join(scratch(), 'file')
        with open(path, 'w', encoding='utf-8'):
            pass
        base = quickstart_cluster.free_base(3, extra=(quickstart_cluster.CLUSTER_PORT_OFFSET, 10_000))
        self.assertEqual((1, '', f"quickstart: opening directory '{path}': Not a directory\n"),
                         run(program('quickstart'), '--data-dir', path, '--port', base, '--http-port', base + 50))

    def test_OneNode_OutputNamesNoOtherNodes(self):
        cluster = QuickstartCluster(nodes=1).started()
        self.assertEqual(0, cluster.stop())
        self.assertIn('redis-cli', cluster.output)
        self.assertNotIn('kill -9', cluster.output)

    def test_PortInUse_IsNamed(self):
        with quickstart_cluster.reusing_socket() as taken:
            base = quickstart_cluster.free_base(3, extra=(quickstart_cluster.CLUSTER_PORT_OFFSET, 10_000))
            taken.bind(('127.0.0.1', base + 1))
            taken.listen()
            cluster = QuickstartCluster(port=base)
            while cluster.process.poll() is None:
                cluster.pump(0.1)
            self.assertEqual(1, cluster.stop())
        self.assertIn(f'127.0.0.1:{base + 1}', cluster.output)
        self.assertIn('in use', cluster.output)


class QuoratedTest(unittest.TestCase):

    def setUp(self):
        base = quickstart_cluster.free_base(4, extra=(quickstart_cluster.ADMIN_PORT_OFFSET,))
        self.data_dir = scratch()
        self.config = f'''
[cluster]
id = 7
[node]
id = 1
data_dir = "{self.data_dir}/data"
[[nodes]]
id = 1
resp = "127.0.0.1:{base}"
resp_cluster = "127.0.0.1:{base + 3}"
http = "127.0.0.1:{base + 1}"
peer = "127.0.0.1:{base + 2}"
'''

    def file(self, text):
        path = os.path.join(self.data_dir, 'node.toml')
        with open(path, 'w', encoding='utf-8') as out:
            out.write(text)
        return path

    def quorated(self, text, *options):
        return run(program('quorated'), '--config', self.file(text), '--exit-with-parent', *options)

    def start(self, *options, preexec_fn=die_with_parent):
        """Starts a node and waits until it serves."""
        process = subprocess.Popen([program('quorated'), '--config', self.file(self.config), '--exit-with-parent', *options],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=preexec_fn)
        line = process.stdout.readline()
        self.assertRegex(line, r'^ready: resp 127\.0\.0\.1:\d+ resp_cluster 127\.0\.0\.1:\d+ http 127\.0\.0\.1:\d+ peer 127\.0\.0\.1:\d+ admin 127\.0\.0\.1:\d+\n$')
        return process

    def stop(self, process, how=signal.SIGTERM):
        process.send_signal(how)
        process.communicate(timeout=60)
        return process.returncode

    def test_SigtermSigintAndSighup_StopItCleanly(self):
        self.assertEqual(0, self.stop(self.start('--bootstrap', '--alone')))
        for how in (signal.SIGINT, signal.SIGHUP):
            self.assertEqual(0, self.stop(self.start(), how))

    def test_SighupUnderNohup_IsIgnored(self):
        def nohup():
            die_with_parent()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

        process = self.start('--bootstrap', '--alone', preexec_fn=nohup)
        process.send_signal(signal.SIGHUP)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        self.assertEqual(0, self.stop(process))

    def test_DescriptorsThatAreClosed_AreTakenByNoFile(self):
        def closed():
            die_with_parent()
            for descriptor in (0, 1, 2):
                os.close(descriptor)

        self.stop(self.start('--bootstrap', '--alone'))
        process = subprocess.Popen([program('quorated'), '--config', self.file(self.config), '--exit-with-parent'], preexec_fn=closed)
        resp = re.search(r'resp = "(127\.0\.0\.1:\d+)', self.config).group(1)
        for _ in range(100):
            if run(program('quoratectl'), '--address', resp, 'set', 'k', 'v')[0] == 0:
                break
            time.sleep(0.1)
        for descriptor in (0, 1, 2):
            self.assertEqual('/dev/null', os.readlink(f'/proc/{process.pid}/fd/{descriptor}'))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(2, process.wait(timeout=60), 'the line that says ready was lost')
        process = self.start()
        self.assertEqual((0, 'v\n', ''), run(program('quoratectl'), '--address', resp, 'get', 'k'))
        self.assertEqual(0, self.stop(process))

    def test_WrongToken_IsNamedOnce(self):
        status, out, err = run(program('quorated'), '--join', '127.0.0.1:1', '--token', 'x', '--data-dir', os.path.join(scratch(), 'node'))
        self.assertEqual((2, '', 'quorated: --token: this is no token; copy all of the word that quoratectl node add printed\n'), (status, out, err))

    def test_BadConfiguration_IsRefusedWithFileAndLine(self):
        status, out, err = self.quorated(self.config + 'colour = "red"\n')
        self.assertEqual((2, ''), (status, out), err)
        self.assertRegex(err, r'node\.toml:\d+:\d+: .*colour')
        for path, why in ('/no/such/file', 'No such file or directory'), ('/tmp', 'Is a directory'):
            status, _, err = run(program('quorated'), '--config', path)
            self.assertEqual(2, status, err)
            self.assertIn(f"'{path}': {why}", err)
        self.assertEqual((2, '', "--log-level: expected debug, info, warning or error, found 'loud'\nRun with --help for more information.\n"),
                         run(program('quorated'), '--config', 'x', '--log-level', 'loud'))
        self.assertEqual(2, run(program('quorated'))[0])
        self.assertEqual(2, run(program('quorated'), '--colour')[0])

    def test_OtherThanLoopback_NeedsToBeAllowed(self):
        status, _, err = self.quorated(self.config.replace('resp = "127.0.0.1', 'resp = "0.0.0.0'))
        self.assertEqual(2, status, err)
        self.assertIn('allow_non_loopback', err)

    def test_EmptyDirectory_NeedsBootstrap(self):
        status, _, err = self.quorated(self.config)
        self.assertEqual(1, status, err)
        self.assertIn('bootstrap', err)

    def test_DirectoryOfAnotherNodeOrCluster_IsRefused(self):
        self.stop(self.start('--bootstrap', '--alone'))
        status, _, err = self.quorated(self.config.replace('[cluster]\nid = 7', '[cluster]\nid = 8'))
        self.assertEqual(1, status, err)
        self.assertIn('cluster', err)
        status, _, err = self.quorated(self.config.replace('id = 1', 'id = 2'))
        self.assertEqual(1, status, err)
        self.assertIn('node', err)

    def test_DirectoryInUse_NamesItsHolder(self):
        process = self.start('--bootstrap', '--alone')
        other = quickstart_cluster.free_base(4)
        text = re.sub(r'127\.0\.0\.1:(\d+)', lambda m: f'127.0.0.1:{other + int(m.group(1)) % 4}', self.config)
        status, _, err = self.quorated(text)
        self.assertEqual(1, status, err)
        self.assertIn(f'process {process.pid}', err)
        self.assertEqual(0, self.stop(process))

    def test_PortInUse_IsNamed(self):
        port = int(re.search(r'resp = "127\.0\.0\.1:(\d+)', self.config).group(1))
        with quickstart_cluster.reusing_socket() as taken:
            taken.bind(('127.0.0.1', port))
            taken.listen()
            status, _, err = self.quorated(self.config, '--bootstrap', '--alone')
        self.assertEqual(1, status, err)
        self.assertIn(f'127.0.0.1:{port}', err)
        self.assertIn('in use', err)

    def test_DirectoryThatCannotBe_IsNamed(self):
        shutil.rmtree(self.data_dir + '/data', ignore_errors=True)
        with open(self.data_dir + '/data', 'w', encoding='utf-8') as out:
            out.write('a file')
        status, _, err = self.quorated(self.config, '--bootstrap', '--alone')
        self.assertEqual(1, status, err)
        self.assertIn(self.data_dir + '/data', err)

    def test_FullDisk_StopsAcknowledgingAndSaysWhy(self):
        # A limit of five megabytes for each file of the process acts like a full disk.
        def limited():
            die_with_parent()
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))

        process = self.start('--bootstrap', '--alone', preexec_fn=limited)
        resp, http = (re.search(rf'{kind} = "(127\.0\.0\.1:\d+)', self.config).group(1) for kind in ('resp', 'http'))
        written = 0
        for written in range(1000):
            status, out, err = run(program('quoratectl'), '--address', resp, 'set', f'k{written}', 'x' * 60_000)
            if status != 0:
                break
        self.assertGreater(written, 5)
        self.assertIn('File too large', err)
        self.assertEqual('503', run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', f'http://{http}/readyz')[1])
        process.send_signal(signal.SIGTERM)
        self.assertIn('File too large', process.communicate(timeout=60)[1])
        # Without the limit, every acknowledged write can be read.
        process = self.start()
        for i in range(written):
            self.assertEqual(60_001, len(run(program('quoratectl'), '--address', resp, 'get', f'k{i}')[1]))
        self.assertEqual(0, self.stop(process))

    def test_KilledAtAnyTime_StartsAgain(self):
        self.stop(self.start('--bootstrap', '--alone'), signal.SIGKILL)
        self.assertEqual(0, self.stop(self.start()))


if __name__ == '__main__':
    unittest.main()
