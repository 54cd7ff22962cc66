"""lincheck as a person uses it: every example history, exit statuses, JSON, standard input, relative paths, limits."""

import json
import os
import re
import subprocess
import tempfile
import unittest

FOLDER = 'lincheck/testdata'
CLASSICS = f'{FOLDER}/classics'
REASONS = f'{FOLDER}/reasons.txt'
PROGRAM = os.path.abspath('lincheck/cmd/lincheck')


def run(*words, stdin=b'', folder=None, seconds=60):
    """(exit status, standard output, standard error) of the program."""
    environment = dict(os.environ)
    environment.pop('BUILD_WORKING_DIRECTORY', None)
    if folder is not None:
        environment['BUILD_WORKING_DIRECTORY'] = folder
    done = subprocess.run([PROGRAM, *words], input=stdin, capture_output=True, timeout=seconds, check=False, env=environment)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def examples():
    """[(path, exit status, beginning of the message)], as expected.txt has them."""
    found = []
    with open(f'{FOLDER}/expected.txt', encoding='utf-8') as file:
        for line in file:
            if not line.startswith('#'):
                name, status, message = (line.rstrip('\n') + '  ').split(' ', 2)
                found.append((f'{FOLDER}/{name}', int(status), message.strip()))
    return found


def call(operation):
    """An operation of a counter-example in a few words."""
    arguments = ', '.join(str(operation[name]) for name in ('expected', 'arg') if name in operation)
    result = f" = {operation['result']}" if 'result' in operation else ''
    return f"{operation['client']} {operation['f']}({arguments}){result}"


class ProgramTest(unittest.TestCase):

    def write(self, text):
        file = tempfile.NamedTemporaryFile('w', dir=os.environ.get('TEST_TMPDIR'), suffix='.jsonl', delete=False)
        with file:
            file.write(text)
        return file.name

    def test_Examples_AllOfThem_AreJudgedAsExpected(self):
        listed = {path for path, _, _ in examples()}
        there = {os.path.join(folder, name) for folder, _, names in os.walk(FOLDER) for name in names if folder != CLASSICS}
        self.assertEqual(listed, there - {f'{FOLDER}/expected.txt', REASONS})
        for path, status, message in examples():
            with self.subTest(path):
                found, out, err = run(path)
                self.assertEqual(status, found, out + err)
                if message:
                    self.assertTrue(err.startswith(f'{path}:{message}'), err)
                    self.assertEqual('', out)
                else:
                    self.assertIn('NOT linearizable' if status == 1 else ': linearizable', out)
                    self.assertEqual('', err)

    def test_Classics_InEveryForm_AreWrongForTheRightReason(self):
        with open(f'{CLASSICS}/cores.txt', encoding='utf-8') as file:
            cores = dict(line.rstrip('\n').split(': ', 1) for line in file if not line.startswith('#'))
        self.assertEqual(set(cores), set(os.listdir(CLASSICS)) - {'cores.txt'})
        status, out, err = run('--json', *(f'{CLASSICS}/{name}' for name in cores))
        self.assertEqual(1, status, err)
        for (name, core), line in zip(cores.items(), out.splitlines(), strict=True):
            with self.subTest(name):
                found = json.loads(line)
                self.assertEqual(('false', True), (found['ok'], found['counter_example']['minimal']))
                self.assertEqual(core, '; '.join(map(call, found['counter_example']['operations'])))

    def test_Reasons_OfEveryModel_AreInWords(self):
        with open(REASONS, encoding='utf-8') as file:
            blocks = re.split(r'\n\n(?=# )', file.read().strip())[1:]
        self.assertGreater(len(blocks), 10)
        for block in blocks:
            why, rest = block.split('\n', 1)
            history, words = rest.split('\n----\n')
            with self.subTest(why):
                status, out, err = run(self.write(history))
                self.assertEqual((1, ''), (status, err))
                self.assertEqual(words, '\n'.join(line.rstrip() for line in out.rstrip().split('\n')[2:]))

    def test_Reason_NamesWhatFailed_InEveryOutput(self):
        path = self.write('{"lincheck":1,"model":"kv","unit":"ms"}\n{"client":1,"f":"put","arg":"a","invoke":1,"return":2}\n'
                          '{"client":2,"f":"cas","expected":"a","arg":"b","result":false,"invoke":3,"return":4}\n'
                          '{"client":3,"f":"get","result":"b","invoke":5,"return":6}\n')
        example = json.loads(run('--json', path)[1])['counter_example']
        self.assertIn('Only cas("a" -> "b") = false of client 2 would have left "b", and that one failed.', example['reason'])
        self.assertEqual(['cas', 'get'], [o['f'] for o in example['operations']])
        self.assertEqual(1, run('--html', path + '.html', path)[0])
        with open(path + '.html', encoding='utf-8') as file:
            self.assertIn('"cas(\\"a\\" -> \\"b\\")","false",1]', file.read())

    def test_FailedCas_DidNotTakePlace_UnlessTheStorePromisesMore(self):
        for name in ('failed_cas.edn', 'failed_cas.jepsen.log'):
            path = f'{FOLDER}/{name}'
            page = self.write('')
            for words, status, meaning, sentence in (
                    ((), 0, 'absent', '1 cas operation failed: read as not having taken place (--failed-cas absent).'),
                    (('--failed-cas=observes',), 1, 'observes',
                     '1 cas operation failed: 1 read as having seen another value than expected (--failed-cas observes).')):
                with self.subTest(name, meaning=meaning):
                    found, out, err = run(path, *words, '--html', page)
                    self.assertEqual((status, ''), (found, err))
                    self.assertIn(f'  {sentence}\n', out)
                    with open(page, encoding='utf-8') as file:
                        self.assertIn(f' · {sentence}"', file.read())
                    told = json.loads(run('--json', path, *words)[1])
                    self.assertEqual((meaning, 1), (told['failed_cas'], told['failed_cas_operations']))
        # A result that a file tells is an observation, and no :fail.
        told = self.write('{"lincheck":1,"model":"cas-register"}\n{"client":0,"f":"write","arg":7,"invoke":1,"return":2}\n'
                          '{"client":1,"f":"cas","expected":7,"arg":8,"result":false,"invoke":3,"return":4}\n')
        status, out, _ = run(told)
        self.assertEqual(1, status)
        self.assertNotIn('--failed-cas', out)
        self.assertNotIn('failed_cas', json.loads(run('--json', told)[1]))

    def test_Keys_WhereBothReadingsFit_AreTold(self):
        path = f'{FOLDER}/bad/keys_or_pairs.edn'
        self.assertIn('--keys', run(path)[2])
        wrong = self.write('{:process 0, :type :invoke, :f :write, :value [5 6]}\n{:process 0, :type :ok, :f :write, :value [5 6]}\n'
                           '{:process 0, :type :invoke, :f :cas, :value [5 [6 7]]}\n{:process 0, :type :ok, :f :cas, :value [5 [6 7]]}\n')
        self.assertEqual((0, 2, 1), (run(wrong, '--keys', 'independent')[0], run(wrong)[0], run(wrong, '--keys=none')[0]))
        self.assertEqual(0, run('--keys', 'none', f'{FOLDER}/pairs.edn')[0])
        self.assertEqual(2, run('--keys', 'independent', f'{FOLDER}/pairs.edn')[0])

    def test_Initial_ObjectsStartAsTold(self):
        path = f'{FOLDER}/starts_at_zero.edn'
        self.assertIn('model cas-register)', run(path)[1])
        status, out, err = run(path, '--initial', '0', '--html', self.write(''))
        self.assertEqual((0, ''), (status, err))
        self.assertIn('(edn, model cas-register that starts as 0)', out)
        with open(out.split('Page: ')[1].strip(), encoding='utf-8') as file:
            self.assertIn(' · model cas-register that starts as 0 · ', file.read())
        self.assertEqual('0', json.loads(run('--json', path, '--initial=0')[1])['initial'])
        self.assertEqual(1, run(path, '--initial', '"0"')[0])
        # The initial value counts where all values differ, and for every key of transactions.
        for model, call in (('register', {'f': 'read', 'result': 0}), ('kv', {'f': 'get', 'result': 0}), ('counter', {'f': 'get', 'result': 0}),
                            ('txn', {'f': 'txn', 'arg': [['r', 'x', None]], 'result': [['r', 'x', 0]]})):
            file = self.write('\n'.join(json.dumps(line) for line in (
                {'lincheck': 1, 'model': model}, {'client': 0, 'invoke': 1, 'return': 2, **call})))
            for initial, expected in (('0', 0), ('null', 1)):
                with self.subTest(model, initial=initial):
                    self.assertEqual(expected, run(file, '--initial', initial)[0])
        status, out, err = run(f'{FOLDER}/queue_out_of_order.jsonl', '--initial', '0')
        self.assertEqual((2, ''), (status, out))
        self.assertIn('objects of the model queue have no initial value to choose (--initial)', err)

    def test_Json_OneObjectForEachFile(self):
        paths = [path for path, _, _ in examples()]
        status, out, err = run('--json', *paths)
        self.assertEqual(2, status, err)
        objects = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(paths, [o['file'] for o in objects])
        for (path, status, message), found in zip(examples(), objects):
            with self.subTest(path):
                self.assertEqual({0: 'true', 1: 'false', 2: 'unknown'}[status], found['ok'])
                figures = ('operations', 'partitions', 'wrong_partitions', 'undecided_partitions', 'seconds', 'read_seconds', 'explain_seconds', 'peak_bytes')
                for name in figures:
                    self.assertGreaterEqual(found[name], 0, name)
                self.assertIsInstance(found['form'] + found['model'], str)
                if status == 2:
                    self.assertEqual([0, 0, 0, 0, 0], [found[name] for name in figures[:5]])
                    self.assertTrue(f"{found['line']}:{found['column']}: {found['error']}".startswith(message), found)
                    continue
                self.assertEqual(status == 1, 'counter_example' in found)

    def test_Json_CounterExample_CanBeReadAgain(self):
        status, out, _ = run('--json', f'{FOLDER}/stale_read.jsonl')
        self.assertEqual(1, status)
        found = json.loads(out)
        self.assertEqual(6, found['operations'])
        self.assertEqual(2, found['partitions'])
        example = found['counter_example']
        self.assertEqual(('x', True), (example['key'], example['minimal']))
        lines = [json.dumps({'lincheck': 1, 'model': found['model']})] + [json.dumps(o) for o in example['operations']]
        self.assertEqual(1, run(self.write('\n'.join(lines)))[0])

    def test_Levels_StrongestThatHolds_AndWhatBreaksTheOthers(self):
        stale = json.loads(run('--json', f'{FOLDER}/stale_read.jsonl')[1])
        self.assertEqual('sequential', stale['strongest_level'])
        self.assertEqual({'versions_max': 1, 'time_max': 4}, stale['staleness'])
        back = json.loads(run('--json', f'{FOLDER}/going_back.jsonl')[1])
        oks = {level['level']: level['ok'] for level in back['levels']}
        self.assertEqual(('false', 'false', 'true'), (oks['linearizable'], oks['monotonic reads'], oks['read your writes']))
        self.assertTrue(all(level['witness'] for level in back['levels'] if level['ok'] == 'false'))
        self.assertEqual('linearizable', json.loads(run('--json', f'{FOLDER}/register.edn')[1])['strongest_level'])

    def test_ExitStatus_OfSeveralFiles_IsTheWorst(self):
        good, wrong = f'{FOLDER}/register.edn', f'{FOLDER}/stale_read.jsonl'
        hard = self.write(hard_history())
        limits = ('--timeout', '1ms')
        self.assertEqual(0, run(good, good)[0])
        self.assertEqual(1, run(good, wrong, good)[0])
        self.assertEqual(3, run(good, hard, *limits)[0])
        self.assertEqual(1, run(hard, wrong, *limits)[0])
        self.assertEqual(2, run(wrong, f'{FOLDER}/bad/letter.txt', good)[0])

    def test_Timeout_Passed_SaysUnknownInTime(self):
        status, out, _ = run('--timeout', '50ms', self.write(hard_history()), seconds=20)
        self.assertEqual(3, status)
        self.assertIn(': unknown', out)
        self.assertIn('50 ms', out)

    def test_PeakBytes_OfASmallFile_AreNotThoseOfTheOneBefore(self):
        _, out, _ = run('--json', '--timeout', '400ms', self.write(hard_history()), f'{FOLDER}/register.edn')
        hard, small = (json.loads(line)['peak_bytes'] for line in out.splitlines())
        self.assertLess(small, hard / 2)

    def test_Partitions_JudgedByAnyNumberOfThreads_AreTheSame(self):
        lines = ['{"lincheck":1,"model":"register"}']
        for key in range(300):
            for client, call in enumerate(({'f': 'write', 'arg': 0}, {'f': 'write', 'arg': 1}, {'f': 'read', 'result': key % 7})):
                lines.append(json.dumps({'client': client, 'key': key, 'invoke': client, 'return': client + 9, **call}))
        path = self.write('\n'.join(lines))
        wrong = set()
        for jobs in ('1', '2', '7'):
            status, out, _ = run('--json', '--jobs', jobs, path, path, path)
            self.assertEqual(1, status)
            wrong |= {json.loads(line)['wrong_partitions'] for line in out.splitlines()}
        self.assertEqual({sum(1 for key in range(300) if key % 7 > 1)}, wrong)

    def test_Html_OnePageForEachFile(self):
        folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        status, out, _ = run(f'{FOLDER}/stale_read.jsonl', f'{FOLDER}/register.edn', '--html', 'page.html', folder=folder)
        self.assertEqual(2, status)  # The files are not in that folder.
        paths = [os.path.abspath(f'{FOLDER}/{name}') for name in ('stale_read.jsonl', 'register.edn')]
        status, out, _ = run(*paths, '--html', 'page.html', folder=folder)
        self.assertEqual(1, status)
        self.assertEqual(['page-2.html', 'page.html'], sorted(os.listdir(folder)))
        self.assertIn('  Page: page.html\n', out)
        self.assertIn('  Page: page-2.html\n', out)
        with open(f'{folder}/page.html', encoding='utf-8') as file:
            self.assertIn('"verdict":"false"', file.read())

    def test_Html_ThatCannotBeWritten_IsTold(self):
        status, _, err = run(f'{FOLDER}/register.edn', '--html', '/nowhere/page.html')
        self.assertEqual(2, status)
        self.assertIn('/nowhere/page.html: cannot be written: No such file', err)

    def test_Html_OverAHistory_IsRefused(self):
        path = self.write('{"lincheck":1,"model":"kv"}\n')
        link = path.replace('.jsonl', '.html')
        second = path.replace('.jsonl', '-2.html')
        os.symlink(path, second)
        for words in ((path, '--html', path), (path, path, '--html', link)):
            status, out, err = run(*words)
            self.assertEqual((2, ''), (status, out))
            self.assertEqual(f'lincheck: --html would overwrite the history {path}\n', err)
        with open(path, encoding='utf-8') as file:
            self.assertEqual('{"lincheck":1,"model":"kv"}\n', file.read())
        self.assertIn('--html', run(path, '--html', '-')[2])

    def test_WrongWords_UnderJson_AreJson(self):
        path = self.write('{"lincheck":1,"model":"kv"}\n')
        for words, error in (((path, '--nonsense'), 'there is no flag --nonsense'), ((), 'no file is named'),
                             ((path, '--html', path), f'--html would overwrite the history {path}')):
            for command in (('--json', *words), (*words, '--json')):
                status, out, err = run(*command)
                self.assertEqual((2, {'error': error}, f'lincheck: {error}\n'), (status, json.loads(out), err))
        self.assertIn('--model', run('--nonsense')[2])  # The help.

    def test_OutputThatCannotBeWritten_IsAnError(self):
        for words in ((), ('--json',)):
            with open('/dev/full', 'w', encoding='utf-8') as full:
                done = subprocess.run([PROGRAM, f'{FOLDER}/register.edn', *words], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
            self.assertEqual((2, b'lincheck: standard output cannot be written\n'), (done.returncode, done.stderr))

    def test_FileWithoutOperations_IsBadInput(self):
        said = 'no operation is in this file'
        for words in ((f'{FOLDER}/bad/letter.txt', '--format', 'jepsen-log'), (f'{FOLDER}/bad/unknown_function.edn', '--format=jepsen-log'),
                      (self.write('[]'),), (self.write('()'),), (self.write('{"lincheck":1,"model":"kv"}\n'),),
                      (self.write('{:process :nemesis, :type :info, :f :start}\n'),)):
            status, out, err = run(*words)
            self.assertEqual((2, ''), (status, out), words)
            self.assertIn(f'1:1: {said}', err)
        found = json.loads(run('--json', f'{FOLDER}/bad/header_alone.jsonl')[1])
        self.assertEqual((1, 1), (found['line'], found['column']))
        self.assertIn(said, found['error'])

    def test_OperationsThatAllFailed_LeaveNothingToCheck(self):
        log = 'INFO  jepsen.util - 0\t:invoke\t:write\t3\nINFO  jepsen.util - 0\t:fail\t:write\t3\n'
        cas = '{:process 0, :type :invoke, :f :cas, :value [1 2]}\n{:process 0, :type :fail, :f :cas, :value [1 2]}\n'
        for text, form in ((log, 'jepsen-log'), (cas, 'edn')):
            status, out, err = run('-', stdin=text.encode())
            self.assertEqual((2, ''), (status, out))
            self.assertIn(f'every operation of this file (1, form {form}) ended with :fail and did not take place', err)
        # Here the failed one is an observation.
        self.assertEqual(1, run('-', '--failed-cas', 'observes', '--initial', '1', stdin=cas.encode())[0])

    def test_StandardInput_IsADash(self):
        with open(f'{FOLDER}/stale_read.jsonl', 'rb') as file:
            status, out, _ = run('-', stdin=file.read())
        self.assertEqual(1, status)
        self.assertTrue(out.startswith('-: NOT'), out)

    def test_RelativePaths_AreTheUsers(self):
        self.assertEqual(1, run('stale_read.jsonl', folder=os.path.abspath(FOLDER))[0])
        self.assertEqual(2, run('stale_read.jsonl')[0])

    def test_NoSuchFile_IsBadInput(self):
        status, out, err = run('nowhere/history.edn')
        self.assertEqual((2, ''), (status, out))
        self.assertIn('nowhere/history.edn: cannot be opened: No such file', err)
        self.assertEqual(2, run(FOLDER)[0])

    def test_Model_AndForm_CanBeNamed(self):
        path = f'{FOLDER}/bad/unknown_function.edn'
        self.assertIn('the model kv has no function', run(path, '--model', 'kv')[2])

    def test_Usage_WrongWords_AreExplained(self):
        for words, said in ((('--model', 'banana', 'x'), 'banana'), (('--format', 'xml', 'x'), 'xml'), (('--jobs', '0', 'x'), '--jobs'),
                            (('--failed-cas', 'maybe', 'x'), 'maybe'), (('--keys', 'some', 'x'), 'some'), (('--initial', '1 2', 'x'), '1 2'), (('--timeout', 'soon', 'x'), 'soon'), (('--frob', 'x'), '--frob'), (('x', '--html'), '--html'), ((), 'no file')):
            status, out, err = run(*words)
            self.assertEqual((2, ''), (status, out), words)
            self.assertIn(said, err.splitlines()[0])
        for time in ('60', '1h', '2m', '250ms', '60s', '0'):
            self.assertEqual(0, run(f'{FOLDER}/register.edn', '--timeout', time)[0], time)
        for time in ('', 's', '-1s', '1.5s', '5d', '60 s', '99999999h'):
            self.assertIn('--timeout', run(f'{FOLDER}/register.edn', '--timeout', time)[2], time)
        status, out, _ = run('--help')
        self.assertEqual(0, status)
        self.assertIn('Exit status', out)

    def test_Help_NamesTheFlagsAndModelsOfTheDocs(self):
        out = run('--help')[1]
        with open('docs/lincheck.md', encoding='utf-8') as file:
            flags = set(re.findall(r'^\| `(--[a-z-]+)` \|', file.read(), re.M))
        self.assertEqual(flags, set(re.findall(r'^(--[a-z-]+)', out, re.M)))
        self.assertIn('--keys', flags)
        with open('docs/reference/formats/history.md', encoding='utf-8') as file:
            models = re.findall(r'^\| `([a-z-]+)` \| [^|]+\|$', file.read(), re.M)
        self.assertEqual(sorted(models), sorted(re.findall(r'^ {13}([a-z-]+): ', out, re.M)))


def hard_history():
    """Is this number the sum of some of those? No known program answers that in a moment."""
    lines = ['{"lincheck":1,"model":"kv"}', '{"client":0,"f":"put","arg":0,"invoke":0,"return":1}']
    for i in range(48):
        lines.append(json.dumps({'client': 1 + i, 'f': 'incr', 'arg': 2 * pow(7, 1000 + i, 10**12 + 39), 'invoke': 2}))
    lines.append('{"client":0,"f":"get","result":12345678912345,"invoke":3,"return":4}')
    return '\n'.join(lines)


if __name__ == '__main__':
    unittest.main()
