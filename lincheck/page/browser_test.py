"""The page in a real browser: Debian's chromium, driven by chromium-driver. Run by hand:

apt-get install chromium chromium-driver && ./bazelw test //lincheck/page:browser_test
"""

import json
import os
import random
import subprocess
import tempfile
import time
import unittest

from tests.browser.browser import Browser

PROGRAM = os.path.abspath('lincheck/cmd/lincheck')
FOLDER = os.path.abspath('lincheck/testdata')


def write_page(history, folder):
    page = os.path.join(folder, os.path.basename(history) + '.html')
    subprocess.run([PROGRAM, history, '--html', page], stdout=subprocess.DEVNULL, check=False, timeout=120)
    return page


def long_history(folder, operations=5000):
    """Twelve clients on three keys, one read of which is stale."""
    draw = random.Random(7)
    path = os.path.join(folder, 'long.jsonl')
    values = {key: [None] for key in 'abc'}
    with open(path, 'w', encoding='utf-8') as file:
        file.write('{"lincheck":1,"model":"kv","unit":"ns"}\n')
        file.write('{"event":"fault","at":1790000000020000000,"until":1790000000030000000,"node":"n1","text":"cut off"}\n')
        for i in range(operations):
            key, start = draw.choice('abc'), 1790000000000000000 + i * 10000
            line = {'client': i % 12, 'key': key, 'invoke': start, 'return': start + 50000 + draw.randrange(40000)}
            start_of_last = 12 * (i // 12)
            if draw.random() < 0.5:
                line.update(f='put', arg=f'v{i}', **{'return': start + 9000})
                values[key].append(f'v{i}')
            else:
                stale = i > operations // 2 and start_of_last >= 0 and len(values[key]) > 40
                line.update(f='get', result=values[key][-30] if stale and not values.get('done') else values[key][-1], **{'return': start + 9000})
                if stale:
                    values['done'] = True
            file.write(json.dumps(line) + '\n')
    return path


TEXT = 'return document.getElementById("%s").innerText'
BOX = 'const b = document.querySelector(%s).getBoundingClientRect(); return [b.x, b.y, b.width, b.height]'
WINDOW = 'const w = document.querySelector("#overview .window"); return [Number(w.getAttribute("x")), Number(w.getAttribute("width"))]'


class PageTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def open(self, history):
        self.browser.open(write_page(history, self.folder))
        self.assertEqual([], self.browser.messages())

    def box(self, selector):
        return self.browser.run(BOX % json.dumps(selector))

    def test_EveryExample_OpensWithoutAMessage_LoadsNothing(self):
        for name in sorted(os.listdir(FOLDER)):
            if name.endswith(('.jsonl', '.edn', '.log')):
                with self.subTest(name):
                    self.open(os.path.join(FOLDER, name))
                    self.assertIn(self.browser.run(TEXT % 'verdict'), ('Linearizable', 'Not linearizable'))
                    self.assertEqual(0, self.browser.run('return performance.getEntriesByType("resource").length'))

    def test_CounterExample_IsShownInWordsAndPicture(self):
        self.open(f'{FOLDER}/stale_read.jsonl')
        self.assertIn('get() = "old"', self.browser.run(TEXT % 'why'))
        self.assertEqual(3, self.browser.run('return document.querySelectorAll("#core-table tr.pick").length'))
        self.assertEqual(1, self.browser.run('return document.querySelectorAll("#core-table tr.stuck").length'))
        self.assertIn('n1 is cut off', self.browser.run('return document.querySelector("#history-figure .body").textContent'))
        self.assertIn('cannot follow', self.browser.run(TEXT % 'orders'))

    def test_CounterExample_NamesItsKeyAndWhatIsInAState(self):
        self.open(f'{FOLDER}/two_holders.jsonl')
        self.assertIn('Why: key "leader"', self.browser.run(TEXT % 'why'))
        self.assertIn('cannot follow: the object is held by token 33', self.browser.run(TEXT % 'orders'))

    def test_CounterExample_IsInViewWithItsContext(self):
        self.open(f'{FOLDER}/transactions.jsonl')
        bars = 'return document.querySelector("#history-figure path.context").getAttribute("d").match(/M/g).length'
        self.assertEqual(2, self.browser.run(bars))
        self.browser.press('a', '+', '+', '+', 'c')
        self.assertEqual(2, self.browser.run(bars))
        self.assertIn('Whether and when it took effect does not matter here.', self.browser.run(TEXT % 'core-table'))

    def test_ContextLongBefore_IsInViewWithoutQuietTimes(self):
        path = os.path.join(self.folder, 'long_before.jsonl')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('{"lincheck":1,"model":"cas-register","unit":"us"}\n{"client":9,"f":"write","arg":9,"invoke":50}\n')
            for f, value, invoke, end in (('read', 9, 500100, 500350), ('write', 2, 500360, 500380), ('read', 9, 500390, 500395), ('write', 2, 500490, 500495)):
                line = {'client': 7, 'f': f, 'arg' if f == 'write' else 'result': value, 'invoke': invoke, 'return': end}
                file.write(json.dumps(line) + '\n')
        self.open(path)
        bars = 'return ["core", "context", "blocked"].map((role) => document.querySelector("#history-figure path." + role).getAttribute("d").match(/M/g).length)'
        self.assertEqual([2, 1, 1], self.browser.run(bars))
        self.assertEqual('true', self.browser.run('return document.querySelector("#toolbar [aria-pressed]").getAttribute("aria-pressed")'))

    def test_WhatFailed_IsPartOfTheCounterExample(self):
        path = os.path.join(self.folder, 'failed.jsonl')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('{"lincheck":1,"model":"cas-register"}\n{"client":1,"f":"write","arg":1,"invoke":1,"return":2}\n'
                       '{"client":2,"f":"cas","expected":1,"arg":3,"result":false,"invoke":3,"return":4}\n'
                       '{"client":3,"f":"read","result":3,"invoke":5,"return":6}\n')
        self.open(path)
        self.assertIn('These 2 operations', self.browser.run('return document.querySelector("#core-note").innerText'))
        self.assertIn('cas(1 -> 3) = false', self.browser.run('return document.querySelector("#core-table").innerText'))

    def test_AxisOfAnOrder_HasWholeNumbers(self):
        self.open(f'{FOLDER}/failed_cas_saw_another.jepsen.log')
        ticks = self.browser.run('return [...document.querySelectorAll("#history-figure text.tick")].map((t) => t.textContent)')
        self.assertEqual(['0', '1', '2', '3'], ticks[:4])

    def test_MomentsOfAnOrder_FollowOneAnother(self):
        places = 'return [...document.querySelectorAll("#core-figure .point")].map((p) => Number(p.getAttribute("transform").match(/[0-9.]+/)[0]))'
        for name in ('stale_read.jsonl', 'lost_update.jsonl', 'queue_out_of_order.jsonl', 'going_back.jsonl'):
            with self.subTest(name):
                self.open(f'{FOLDER}/{name}')
                moments = self.browser.run(places)
                self.assertGreater(len(moments), 1)
                self.assertEqual(sorted(moments), moments)

    def test_Legend_NamesWhatIsThere(self):
        self.open(f'{FOLDER}/duplicate_append.jsonl')
        self.assertEqual(['cannot be placed', 'may have taken effect at any time after its call, or never'],
                         self.browser.run('return [...document.querySelectorAll("#why .legend .sample")].map((s) => s.innerText.trim())'))
        self.assertTrue(self.browser.run('return document.getElementById("orders").hidden'))

    def test_Transaction_IsToldInWords(self):
        self.open(f'{FOLDER}/transactions.jsonl')
        self.assertIn('txn(read "a" = 4, read "b" = 5)', self.browser.run(TEXT % 'core-table'))
        self.assertNotIn('\\', self.browser.run(TEXT % 'core-table'))

    def test_LargeCounterExample_BeginsWithWhatIsNearest(self):
        path = os.path.join(self.folder, 'large.jsonl')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('{"lincheck":1,"model":"cas-register","unit":"ns"}\n')
            for i in range(60):
                file.write(json.dumps({'client': i % 3, 'f': 'write', 'arg': i % 2, 'invoke': 10 * i, 'return': 10 * i + 5}) + '\n')
            file.write('{"client":7,"f":"read","result":0,"invoke":700,"return":700}\n')
        self.open(path)
        rows = 'return document.querySelectorAll("#core-table tr.pick").length'
        self.assertEqual(12, self.browser.run(rows))
        self.assertEqual(1, self.browser.run('return document.querySelectorAll("#core-table tr.stuck").length'))
        # It took no time, and there is no room to its right.
        self.assertIn('read() = 0', self.browser.run('return document.querySelector("#core-figure .body").textContent'))
        self.assertEqual([], self.browser.messages())
        self.browser.run('document.getElementById("core-all").click()')
        self.assertEqual(32, self.browser.run(rows))

    def test_VeryLargeCounterExample_ShowsTheEndOfItsOrder(self):
        path = os.path.join(self.folder, 'very_large.jsonl')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('{"lincheck":1,"model":"cas-register","unit":"ns"}\n')
            for i in range(100):
                file.write(json.dumps({'client': i % 3, 'f': 'write', 'arg': i % 2, 'invoke': 10 * i, 'return': 10 * i + 5}) + '\n')
            file.write('{"client":7,"f":"read","result":0,"invoke":1000,"return":1001}\n')
        self.open(path)
        orders = self.browser.run(TEXT % 'orders')
        self.assertIn('the first 11 are left out', orders)
        self.assertIn('cannot follow: the object is 1', orders)
        self.assertEqual(40, self.browser.run('return document.querySelectorAll("#core-figure .point:not(.stuck)").length'))
        self.assertEqual([], self.browser.messages())

    def test_OtherWrongKeys_AreNamed(self):
        path = os.path.join(self.folder, 'wrong_keys.jsonl')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('{"lincheck":1,"model":"register"}\n')
            for i in range(9):
                file.write(json.dumps({'client': 1, 'key': f'k{i}', 'f': 'read', 'result': 7, 'invoke': 1, 'return': 2}) + '\n')
        self.open(path)
        self.assertIn('Why: key "k0"', self.browser.run(TEXT % 'why'))
        self.assertIn('8 other keys are wrong, too: k1, k2, k3, k4, k5, and 3 more.', self.browser.run(TEXT % 'why'))

    def test_ClickOnABar_ShowsTheOperation(self):
        self.open(f'{FOLDER}/stale_read.jsonl')
        self.assertTrue(self.browser.run('return document.getElementById("details").hidden'))
        x, y, width, height = self.box('#core-figure path.blocked')
        self.browser.click(x + width / 2, y + height / 2)
        self.assertIn('Client 2 called get() and was told "old".', self.browser.run(TEXT % 'details'))
        self.assertNotIn('null', self.browser.run(TEXT % 'details'))
        self.browser.press('\ue00c')
        self.assertTrue(self.browser.run('return document.getElementById("details").hidden'))

    def test_Keyboard_WalksAndZooms(self):
        self.open(f'{FOLDER}/stale_read.jsonl')
        self.browser.press('a')
        everything = self.browser.run(WINDOW)
        self.browser.press('+', '+')
        nearer = self.browser.run(WINDOW)
        self.assertLess(nearer[1], everything[1])
        self.browser.press('\ue014')
        self.assertGreater(self.browser.run(WINDOW)[0], nearer[0])
        self.browser.press('a', 'j', 'j')
        self.assertIn('Client 3 called put("other")', self.browser.run(TEXT % 'details'))
        points = 'return document.querySelectorAll("#core-figure .point:not(.stuck)").length'
        self.assertEqual(2, self.browser.run(points))
        self.browser.press('[')
        self.assertEqual(1, self.browser.run(points))
        self.browser.press(']')
        self.assertEqual(2, self.browser.run(points))

    def test_Drag_MovesTheView(self):
        self.open(f'{FOLDER}/stale_read.jsonl')
        self.browser.press('a', '+', '+', '+')
        before = self.browser.run(WINDOW)
        self.browser.run('document.getElementById("history-figure").scrollIntoView({block: "center"})')
        x, y, width, height = self.box('#history-figure')
        self.browser.drag(x + width * 0.6, y + height - 20, x + width * 0.4)
        self.assertGreater(self.browser.run(WINDOW)[0], before[0])

    def test_LongHistory_BeginsAtTheCounterExample(self):
        self.open(long_history(self.folder))
        self.assertEqual('Not linearizable', self.browser.run(TEXT % 'verdict'))
        self.assertEqual(1, self.browser.run('return document.querySelectorAll("#history-figure path.blocked").length'))
        self.assertLess(self.browser.run(WINDOW)[1], 300)
        self.browser.press('a')
        self.assertGreater(self.browser.run(WINDOW)[1], 900)
        self.browser.run('document.querySelector("#toolbar select").value = "*"; document.querySelector("#toolbar select").dispatchEvent(new Event("change"))')
        self.assertEqual(13, self.browser.run('return document.querySelectorAll("#history-figure text.lane").length') - 1)
        self.assertEqual([], self.browser.messages())

    def test_WhatFilesSay_IsText(self):
        path = os.path.join(self.folder, 'hostile</title><script>window.hurt=1</script>.jsonl'.replace('/', '_'))
        with open(path, 'w', encoding='utf-8') as file:
            file.write('{"lincheck":1,"model":"register"}\n{"event":"note","at":1,"text":"</script><script>window.hurt=1</script>"}\n'
                       '{"client":0,"key":"<img src=x onerror=window.hurt=1>","f":"read","result":"<b>@SCRIPT@","invoke":1,"return":2}\n')
        self.open(path)
        self.assertIsNone(self.browser.run('return window.hurt === undefined ? null : window.hurt'))
        self.assertIn('<b>@SCRIPT@', self.browser.run(TEXT % 'why'))

    def test_DarkScheme_IsDark(self):
        dark = Browser('--blink-settings=preferredColorScheme=0')
        try:
            dark.open(write_page(f'{FOLDER}/stale_read.jsonl', self.folder))
            self.assertEqual('rgb(18, 21, 26)', dark.run('return getComputedStyle(document.body).backgroundColor'))
        finally:
            dark.close()
        self.open(f'{FOLDER}/stale_read.jsonl')
        self.assertEqual('rgb(255, 255, 255)', self.browser.run('return getComputedStyle(document.body).backgroundColor'))

    def test_NarrowWindow_NothingIsCutOff(self):
        self.browser.call('POST', self.browser.session + '/window/rect', {'width': 520, 'height': 900})
        try:
            self.open(f'{FOLDER}/stale_read.jsonl')
            time.sleep(0.2)
            self.assertLessEqual(self.browser.run('return document.documentElement.scrollWidth - innerWidth'), 0)
        finally:
            self.browser.call('POST', self.browser.session + '/window/rect', {'width': 1400, 'height': 1300})


if __name__ == '__main__':
    unittest.main()
