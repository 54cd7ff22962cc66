"""Pages in a real browser: Debian's chromium, driven by chromium-driver (apt-get install chromium chromium-driver)."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request


def require_browser():
    """Skips the tests of a class, in its setUpClass, where there is no browser."""
    for program in ('chromedriver', 'chromium'):
        if shutil.which(program) is None:
            raise unittest.SkipTest(f'no {program} here (apt-get install chromium chromium-driver)')


class Browser:
    """The part of the protocol of chromedriver that the tests need."""

    def __init__(self, *switches):
        self.profile = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        self.driver = subprocess.Popen(['chromedriver', '--port=0'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.driver.stdout:
            match = re.search(r'started successfully on port (\d+)', line)
            if match:
                self.url = f'http://127.0.0.1:{match.group(1)}'
                break
        options = {'args': ['--headless=new', '--no-sandbox', '--disable-gpu', '--window-size=1400,1300', f'--user-data-dir={self.profile}', *switches]}
        answer = self.call('POST', '/session', {'capabilities': {'alwaysMatch': {
            'goog:chromeOptions': options, 'goog:loggingPrefs': {'browser': 'ALL'}}}})
        self.session = '/session/' + answer['sessionId']

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={'Content-Type': 'application/json'})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)['value']

    def open(self, path):
        self.call('POST', self.session + '/url', {'url': 'file://' + path})

    def run(self, script):
        return self.call('POST', self.session + '/execute/sync', {'script': script, 'args': []})

    def press(self, *keys):
        for key in keys:
            self.act({'type': 'key', 'id': 'keys', 'actions': [{'type': 'keyDown', 'value': key}, {'type': 'keyUp', 'value': key}]})

    def act(self, *inputs):
        self.call('POST', self.session + '/actions', {'actions': list(inputs)})

    def click(self, x, y):
        self.act({'type': 'pointer', 'id': 'mouse', 'actions': [
            {'type': 'pointerMove', 'duration': 0, 'x': int(x), 'y': int(y)}, {'type': 'pointerDown', 'button': 0}, {'type': 'pointerUp', 'button': 0}]})

    def drag(self, x, y, to_x):
        self.act({'type': 'pointer', 'id': 'mouse', 'actions': [
            {'type': 'pointerMove', 'duration': 0, 'x': int(x), 'y': int(y)}, {'type': 'pointerDown', 'button': 0},
            {'type': 'pointerMove', 'duration': 50, 'x': int(to_x), 'y': int(y)}, {'type': 'pointerUp', 'button': 0}]})

    def messages(self):
        return [m['message'] for m in self.call('POST', self.session + '/se/log', {'type': 'browser'})]

    def close(self):
        try:
            self.call('DELETE', self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(timeout=20)
            self.driver.stdout.close()
