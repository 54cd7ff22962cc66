"""The example behaves as docs/lincheck.md says, and the page shows its code."""

import json
import subprocess
import unittest

PROGRAM = 'examples/account/account'


def run(*words):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


class AccountTest(unittest.TestCase):

    def test_Overdrawn_IsNotLinearizable(self):
        status, out, err = run('examples/account/overdrawn.jsonl', '--json')
        self.assertEqual((1, ''), (status, err))
        found = json.loads(out)
        self.assertEqual(('account', 4), (found['model'], found['operations']))
        self.assertEqual(['deposit', 'withdraw', 'withdraw'][-2:], [o['f'] for o in found['counter_example']['operations']][-2:])

    def test_Help_NamesTheModel(self):
        self.assertIn('account: deposit, withdraw, balance', run('--help')[1])

    def test_Page_ShowsTheCode(self):
        with open('docs/lincheck.md', encoding='utf-8') as page:
            text = page.read()
        for name in ('account.h', 'main.cc'):
            with open(f'examples/account/{name}', encoding='utf-8') as file:
                code = file.read()
            shown = code[code.index('struct Account') if name == 'account.h' else code.index('constexpr'):].split('\n#endif')[0].strip()
            self.assertIn(shown, text, name)


if __name__ == '__main__':
    unittest.main()
