"""The page of a simulated run in a real browser: an example made by hand, and a seed."""

import os
import subprocess
import tempfile
import unittest

from tests.browser.browser import Browser, require_browser
from tests.clients import case_report

EXAMPLE = os.path.abspath('sim/tools/page/example_page')
SIMULATE = os.path.abspath('sim/cmd/simulate')
LEFT, RIGHT = '\ue012', '\ue014'
SIZES = ((1600, 1000), (1100, 800), (480, 900))


def text_of(name):
    return f'return document.getElementById("{name}").innerText'


class RunPageTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        require_browser()
        cls.folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        cls.example = os.path.join(cls.folder, 'example.html')
        subprocess.run([EXAMPLE, cls.example], check=True, timeout=60)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def setUp(self):
        self.resize(*SIZES[0])
        self.open(self.example)

    def open(self, page):
        self.browser.open(page)
        self.assertEqual([], self.browser.messages())

    def resize(self, width, height):
        self.browser.call('POST', self.browser.session + '/window/rect', {'width': width, 'height': height})

    def text(self, name):
        return self.browser.run(text_of(name))

    def test_Opened_LoadsNothing_ShowsTheViolatingCall(self):
        self.assertEqual(0, self.browser.run('return performance.getEntriesByType("resource").length'))
        self.assertIn('get() = nil on k </script>', self.text('violations'))
        self.assertIn('client 5: k: get() → nil', self.text('details'))
        first = self.browser.run('return document.querySelector("#causes .bad").innerText')
        self.assertIn('client 5 called k: get()', first)
        self.assertIn('n1 had not applied group 1, index 1 (set k 7)', self.text('causes'))

    def test_Causes_ClickShowsTheEventAndTheStatesThen(self):
        self.browser.run('[...document.querySelectorAll("#causes li")].find((l) => l.innerText.includes("had not applied")).click()')
        self.assertIn('disk_completion', self.text('details'))
        self.assertIn('0.026000 s', self.text('moment'))
        state = self.text('state')
        self.assertIn('leader of term 2', state)
        self.assertIn('leader of term 3', state)

    def test_Messages_LostLateAndDoubledAreToldApart(self):
        kinds = self.browser.run('return [events.filter(isLost).length, events.filter((e) => e.late).length, events.filter((e) => e.doubled).length]')
        self.assertEqual([1, 1, 2], kinds)
        self.browser.run('select(events.find((e) => e.late), true)')
        self.assertIn('It was late.', self.text('details'))
        self.browser.run('select(events.find((e) => e.doubled), true)')
        self.assertIn('It was delivered twice.', self.text('details'))
        # Each has a colour or a mark of its own in the picture.
        colors = self.browser.run('''
            const colors = new Set();
            const was = arrow;
            arrow = (x1, y1, x2, y2, style, dashed) => { colors.add(`${style} ${dashed}`); was(x1, y1, x2, y2, style, dashed); };
            get('all').click();
            arrow = was;
            return [colors.has(`${palette.bad} true`), colors.has(`${palette.odd} false`), colors.has(`${palette.message} false`)];''')
        self.assertEqual([True, True, True], colors)

    def test_Bars_AreTheTimesOfFaults(self):
        bars = self.browser.run('return bars.map((b) => `${nameOf(b.lane)} ${b.words} ${(b.to.ns - b.from.ns) / 1e6}`).sort()')
        self.assertEqual(['n2 paused 3', 'n3 down 2', 'world n1 apart 37'], bars)

    def test_Keys_WalkThroughEventsAndCauses(self):
        at = 'return selected.number'
        before = self.browser.run(at)
        self.browser.press(LEFT)
        self.assertLess(self.browser.run(at), before)
        self.browser.press(RIGHT)
        self.assertEqual(before, self.browser.run(at))
        self.browser.press('c')
        self.assertEqual(self.browser.run(f'return byNumber({before}).cause'), self.browser.run(at))
        self.browser.press('v')
        self.assertEqual(before, self.browser.run(at))

    def test_Slider_ShowsTheStatesAtItsPlace(self):
        self.browser.run('get("slider").value = 0; get("slider").dispatchEvent(new Event("input"))')
        self.assertNotIn('leader', self.text('state'))
        self.browser.run('get("slider").value = get("slider").max; get("slider").dispatchEvent(new Event("input"))')
        self.assertIn('leader of term 3', self.text('state'))

    def test_Search_FindsEntriesAndFilters_HideMessages(self):
        self.browser.run('get("search").value = "set k 7"; get("search").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}))')
        self.assertRegex(self.text('found'), r'^[1-9]\d* found$')
        count = 'return visible.filter((e) => e.group === "messages").length'
        self.assertGreater(self.browser.run(count), 0)
        self.browser.run('get("show-messages").click()')
        left = self.browser.run('return visible.filter((e) => e.group === "messages" && !e.call && !e.pins.length && e !== selected).length')
        self.assertEqual(0, left)

    def test_ThreeSizes_NothingIsCutOff(self):
        for width, height in SIZES:
            with self.subTest(width):
                self.resize(width, height)
                self.open(self.example)
                self.assertLessEqual(self.browser.run('return document.documentElement.scrollWidth - innerWidth'), 0)
                self.assertGreater(self.browser.run('return get("canvas").clientWidth'), 0.4 * width)

    def test_Seed_AroundAnEvent_IsDrawnWithItsStates(self):
        page = os.path.join(self.folder, 'seed.html')
        subprocess.run([SIMULATE, 'view', '3', '--around', '30000', '--html', page], stdout=subprocess.DEVNULL, check=True, timeout=240)
        self.open(page)
        first, last = self.browser.run('return [events[0].number, events[events.length - 1].number]')
        self.assertLess(first, 30000)
        self.assertGreater(last, 30000)
        self.assertGreater(self.browser.run('return get("state").rows.length'), 1)
        self.assertLess(abs(30000 - self.browser.run('return selected.number')), 100)
        self.browser.press(LEFT, LEFT)
        self.assertEqual([], self.browser.messages())


if __name__ == '__main__':
    case_report.main()
