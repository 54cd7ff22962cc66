"""The program with a user's own models, whose optional members may lie: its answers agree with Step()."""

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


class OwnModelsTest(unittest.TestCase):

    def test_LinksThatLie_AnswerIsThatOfStep(self):
        self.assertEqual(0, run('zero', [call('read', 1, 2, result=0)])[0])
        self.assertEqual(1, run('zero', [call('read', 1, 2, result=1)])[0])

    def test_ReadThatLies_OneKeyOfTwoIsWrong(self):
        lines = [call('write', 1, 2, key='a', arg=5), call('other', 3, 4, key='a', result=5), call('write', 1, 2, key='b', arg=5),
                 call('read', 3, 4, key='b', result=6)]
        status, out, _ = run('liar', lines, '--json')
        found = json.loads(out)
        self.assertEqual((1, 'false', 1), (status, found['ok'], found['wrong_partitions']))

    def test_FaultlessModel_IsJudged(self):
        lines = [call('write', 1, 2, arg=5), call('other', 3, 4, result=1)]
        self.assertEqual(0, run('counting', lines)[0])
        lines[1]['result'] = 2
        self.assertEqual(1, run('counting', lines)[0])

    def test_VerdictThatStepDoesNotConfirm_IsUnknown(self):
        # Calls that stand for each other are few for hooks, and 2^40 sets of them for Step() alone.
        lines = [call('write', 1, 10, client=i, arg=5) for i in range(40)] + [call('other', 11, 12, result=1)]
        status, out, err = run('counting', lines, '--timeout', '1s')
        self.assertEqual((3, ''), (status, err))
        self.assertIn(': unknown\n', out)


if __name__ == '__main__':
    unittest.main()
