"""A headless Chromium, driven by the DevTools protocol over a pair of pipes.

Closes with the `with` block; its profile is a directory of its own.
"""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


class Browser:
    def __init__(self, patience_s=60):
        self._patience_s = patience_s
        self._next_id = 0
        self._buffer = b""
        self.events = []  # (method, params), as they come

    def __enter__(self):
        program = shutil.which("chromium")
        assert program, "chromium is not installed (scripts/setup installs it)"
        self._profile = tempfile.mkdtemp(prefix="guideway-chromium-")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def place():  # the browser reads from descriptor 3 and writes to 4
            high_in, high_out = os.dup(to_browser), os.dup(from_browser)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        self._process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--disable-extensions", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run", "--no-default-browser-check",
             "--remote-debugging-pipe", f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=place, close_fds=False, start_new_session=True,
            env={**os.environ, "HOME": self._profile})
        os.close(to_browser)
        os.close(from_browser)
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"],
                                  flatten=True)["sessionId"]
        return self

    def __exit__(self, *_):
        try:
            self._send("Browser.close", {}, None)
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _send(self, method, params, session):
        self._next_id += 1
        message = {"id": self._next_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._next_id

    def _receive(self, deadline):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._in, 1 << 16)
            assert data, "the browser is gone"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(line)
        if "method" in message:
            self.events.append((message["method"], message.get("params", {})))
        return message

    def _call(self, method, params, session):
        wanted = self._send(method, params, session)
        deadline = time.monotonic() + self._patience_s
        while True:
            message = self._receive(deadline)
            if message.get("id") == wanted:
                assert "error" not in message, (method, message)
                return message["result"]

    def call(self, method, **params):
        """A command to the browser."""
        return self._call(method, params, None)

    def page(self, method, **params):
        """A command to the page."""
        return self._call(method, params, self._session)

    def navigate(self, url):
        """Goes to a page and waits until it is loaded."""
        self.page("Page.enable")
        seen = len(self.events)
        self.page("Page.navigate", url=url)
        deadline = time.monotonic() + self._patience_s
        while "Page.loadEventFired" not in [method for method, _ in self.events[seen:]]:
            self._receive(deadline)

    def evaluate(self, expression):
        """The value of a JavaScript expression; promises are awaited."""
        result = self.page("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")
