"""
A headless Chromium, spoken to over a pipe by the DevTools protocol: no driver, no port.

    with browser.Browser(folder) as b:
        b.show('file:///tmp/page.html', width=360, height=800, dark=True)
        b.ask('document.documentElement.scrollWidth')
        b.asked             # the addresses that were asked for, the page's own first
"""
import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time

PROGRAM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
ANSWER_SECONDS = 60
# Nothing of its own may reach the network or outlast the test.
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--no-default-browser-check',
         '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-extensions',
         '--disable-dev-shm-usage', '--hide-scrollbars', '--remote-debugging-pipe']
# Chromium reads commands at 3 and writes answers to 4.
EXEC = '''
import fcntl, os, sys
ends = [fcntl.fcntl(int(n), fcntl.F_DUPFD, 10) for n in sys.argv[1:3]]
for end, wanted in zip(ends, (3, 4)):
    os.dup2(end, wanted)
    os.close(end)
os.execv(sys.argv[3], sys.argv[3:])
'''


class Browser:
    def __init__(self, folder):
        self.folder = os.path.join(str(folder), 'chromium')
        self.asked, self.complaints = [], []
        self.number, self.unread, self.loaded = 0, b'', False

    def __enter__(self):
        read_commands, self.commands = os.pipe()
        self.answers, write_answers = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, '-S', '-c', EXEC, str(read_commands), str(write_answers), PROGRAM, *FLAGS,
             f'--user-data-dir={self.folder}', 'about:blank'],
            pass_fds=(read_commands, write_answers), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, 'HOME': os.path.dirname(self.folder)}, start_new_session=True)
        os.close(read_commands)
        os.close(write_answers)
        self.session = None
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Network', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')
        return self

    def __exit__(self, *_):
        self.session = None
        try:
            self.call('Browser.close')
        except (OSError, EOFError, TimeoutError):
            self.process.kill()
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)

    def _read(self, deadline):
        while b'\0' not in self.unread:
            ready, _, _ = select.select([self.answers], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f'chromium said nothing for {ANSWER_SECONDS} s')
            more = os.read(self.answers, 1 << 20)
            if not more:
                raise EOFError('chromium has ended')
            self.unread += more
        message, self.unread = self.unread.split(b'\0', 1)
        return json.loads(message)

    def _note(self, event):
        method, params = event.get('method'), event.get('params', {})
        if method == 'Network.requestWillBeSent':
            self.asked.append(params['request']['url'])
        elif method == 'Page.loadEventFired':
            self.loaded = True
        elif method == 'Log.entryAdded':
            self.complaints.append(params['entry']['text'])
        elif method == 'Runtime.exceptionThrown':
            self.complaints.append(params['exceptionDetails']['text'])

    def call(self, method, **params):
        """A command of the protocol and its result."""
        self.number += 1
        command = {'id': self.number, 'method': method, 'params': params}
        if self.session:
            command['sessionId'] = self.session
        os.write(self.commands, json.dumps(command).encode() + b'\0')
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            message = self._read(deadline)
            if message.get('id') == self.number:
                assert 'error' not in message, f'{method}: {message["error"]}'
                return message['result']
            self._note(message)

    def show(self, url, width, height, dark=False, media='screen'):
        """Loads a page in a window of so many CSS pixels, on a phone when it is narrow."""
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call('Emulation.setEmulatedMedia', media=media,
                  features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
        self.asked, self.complaints, self.loaded = [], [], False
        self.call('Page.navigate', url=url)
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.loaded:
            self._note(self._read(deadline))

    def ask(self, expression):
        """The value of a JavaScript expression in the page."""
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        assert 'exceptionDetails' not in result, result['exceptionDetails']
        return result['result'].get('value')

    def picture(self, path=None, whole=False):
        """A PNG of the window, or of the whole page; also written to a file."""
        png = base64.b64decode(self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole)['data'])
        if path:
            with open(path, 'wb') as f:
                f.write(png)
        return png
