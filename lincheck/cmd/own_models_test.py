"""The program reports a user's own model that breaks a promise, and a verdict that Step() did not confirm."""

import json
import os
import subprocess
import tempfile
import unittest

PROGRAM = os.path.abspath('lincheck/cmd/own_models')


def run(model, lines, *words):
    """(exit status, standard output, standard error) for a history of these lines."""
    with tempfile.NamedTemporaryFile('w', dir=os.environ.get('TEST_TMPDIR'), suffix='.jsonl') as file:
        file.write(json.dumps({'lincheck': 1, 'model': model}) + '\n')
        file.writelines(json.dumps(line) + '\n' for line in lines)
        file.flush()
        done = subprocess.run([PROGRAM, file.name, *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def call(function, invoke, ret, **values):
    return {'client': values.pop('client', 1), 'f': function, 'invoke': invoke, 'return': ret, **values}


LINKS = ('FindLinks() and Step() of the model contradict each other: by FindLinks() 1 operation is not linearizable, '
         'by Step() alone linearizable (read() = 0 of client 1).')
READ = 'IsRead() and Step() of the model contradict each other: by IsRead() other() = 5 changes nothing, but Step() takes the state from 5 to -1.'
UNPROVEN = ('by FindLinks(), LooksBeyondCall(), IsRead() of the model it is not linearizable, but Step() alone did not confirm that '
            'within the limits of time and memory')


class OwnModelsTest(unittest.TestCase):

    def test_ModelAtFault_Text_NamesTheHookAndExitsWith2(self):
        status, out, err = run('zero', [call('read', 1, 2, result=0)])
        self.assertEqual((2, ''), (status, err))
        self.assertIn(': unknown\n', out)
        self.assertIn(f'  The model is at fault, so that no answer is given: {LINKS}\n', out)
        self.assertNotIn('linearizable\n', out)

    def test_ModelAtFault_Json_HasTheErrorAndNoVerdict(self):
        status, out, _ = run('zero', [call('read', 1, 2, result=0)], '--json')
        found = json.loads(out)
        self.assertEqual((2, 'unknown', LINKS, 0, 1),
                         (status, found['ok'], found['error'], found['wrong_partitions'], found['undecided_partitions']))
        self.assertNotIn('counter_example', found)
        self.assertNotIn('strongest_level', found)

    def test_ReadThatLies_OneKeyOfTwo_NoKeyIsJudged(self):
        lines = [call('write', 1, 2, key='a', arg=5), call('other', 3, 4, key='a', result=5), call('write', 1, 2, key='b', arg=5),
                 call('read', 3, 4, key='b', result=6)]
        status, out, _ = run('liar', lines, '--json')
        found = json.loads(out)
        self.assertEqual((2, 'unknown', 2), (status, found['ok'], found['undecided_partitions']))
        self.assertTrue(found['error'].startswith(READ), found['error'])

    def test_FaultlessModel_IsJudged(self):
        lines = [call('write', 1, 2, arg=5), call('other', 3, 4, result=1)]
        self.assertEqual(0, run('counting', lines)[0])
        lines[1]['result'] = 2
        self.assertEqual(1, run('counting', lines)[0])

    def test_VerdictThatStepDoesNotConfirm_IsUnknownWithTheReason(self):
        # Calls that stand for each other are few for hooks, and 2^40 sets of them for Step() alone.
        lines = [call('write', 1, 10, client=i, arg=5) for i in range(40)] + [call('other', 11, 12, result=1)]
        status, out, err = run('counting', lines, '--timeout', '1s')
        self.assertEqual((3, ''), (status, err))
        self.assertIn(': unknown\n', out)
        self.assertIn(f'  Not proven: {UNPROVEN}.\n', out)
        status, out, _ = run('counting', lines, '--timeout', '1s', '--json')
        found = json.loads(out)
        self.assertEqual((3, 'unknown', UNPROVEN, 0), (status, found['ok'], found['unproven'], found['wrong_partitions']))
        self.assertNotIn('error', found)


if __name__ == '__main__':
    unittest.main()
