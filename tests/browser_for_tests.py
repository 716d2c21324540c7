"""Headless Chromium by its debugging pipe: what a page shows, without any further package."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
_PATIENCE = 60  # seconds without an answer
# Chromium reads its commands from descriptor 3 and answers to 4; the pipes' may be those two, in
# the other order, so that they are moved away first.
_START = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def installed():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab. `complaints` holds what its console and log said."""

    def __init__(self, to_browser, from_browser):
        self._out, self._in = to_browser, from_browser
        self._number, self._session, self._buffer = 0, None, b''
        self.complaints, self.requests = [], []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    def _receive(self):
        while b'\0' not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], _PATIENCE)
            chunk = os.read(self._in, 1 << 20) if ready else b''
            if not chunk:
                raise OSError('Chromium has ended or hangs')
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b'\0')
        message = json.loads(message)
        method = message.get('method')
        if method in ('Runtime.exceptionThrown', 'Log.entryAdded', 'Runtime.consoleAPICalled'):
            self.complaints.append(message['params'])
        if method == 'Network.requestWillBeSent':
            self.requests.append(message['params']['request']['url'])
        return message

    def call(self, method, **parameters):
        """The result of a command of the DevTools protocol."""
        self._number += 1
        message = {'id': self._number, 'method': method, 'params': parameters}
        if self._session:
            message['sessionId'] = self._session
        os.write(self._out, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._receive()
            if answer.get('id') == self._number:
                if 'error' in answer:
                    raise OSError(f'{method}: {answer["error"]}')
                return answer['result']

    def open(self, path, width, scheme='light', media=''):
        """Shows a file in a window of so many pixels."""
        features = [{'name': 'prefers-color-scheme', 'value': scheme}]
        self.call('Emulation.setEmulatedMedia', media=media, features=features)
        size = {'width': width, 'height': 800, 'deviceScaleFactor': 1, 'mobile': False}
        self.call('Emulation.setDeviceMetricsOverride', **size)
        self.call('Page.navigate', url=path.resolve().as_uri())
        while self._receive().get('method') != 'Page.loadEventFired':
            pass

    def evaluate(self, expression):
        """The value of a JavaScript expression."""
        answer = self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        return answer['result'].get('value')

    def screenshot(self, path, whole=True):
        answer = self.call('Page.captureScreenshot', captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer['data']))


@contextlib.contextmanager
def browser(profile):
    """A Browser that keeps its files in the folder `profile`."""
    (browser_reads, to_browser), (from_browser, browser_writes) = os.pipe(), os.pipe()
    flags = '--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run'
    arguments = [installed(), *flags.split(), '--remote-debugging-pipe']
    arguments.append(f'--user-data-dir={profile}')
    process = subprocess.Popen(
        [sys.executable, '-c', _START, str(browser_reads), str(browser_writes), *arguments],
        pass_fds=(browser_reads, browser_writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(browser_reads)
    os.close(browser_writes)
    try:
        yield Browser(to_browser, from_browser)
    finally:
        os.close(to_browser)
        os.close(from_browser)
        process.terminate()
        process.wait()
