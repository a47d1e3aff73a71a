"""Real browsers, driven by the W3C's WebDriver BiDi: Debian's Chromium and Firefox as they are.

Firefox speaks it itself; Chromium through its `chromedriver`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import aiohttp
from running import DEADLINE_S

KEYS = {
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Left": "\ue012",
    "Up": "\ue013",
    "Right": "\ue014",
    "Down": "\ue015",
    "Home": "\ue011",
    "End": "\ue010",
    "PageUp": "\ue00e",
    "PageDown": "\ue00f",
    "Shift": "\ue008",
    "Tab": "\ue004",
}


def installed():
    """Return the kinds of browsers that can be driven here."""
    found = []
    if _chromium() and shutil.which("chromedriver"):
        found.append("chromium")
    if _firefox():
        found.append("firefox")
    return found


def _chromium():
    return shutil.which("chromium") or shutil.which("google-chrome")


def _firefox():
    return shutil.which("firefox-esr") or shutil.which("firefox")


class ScriptError(AssertionError):
    """A script in the page has raised an error."""


class Browser:
    """One browser with one window.

    Args:
        kind: "chromium" or "firefox".
        dark: what `prefers-color-scheme` says.

    Attributes:
        downloads: the folder where it puts what is downloaded, without asking.
    """

    def __init__(self, kind, *, dark=False):
        self.kind = kind
        self._profile = tempfile.mkdtemp(prefix="browser")
        self.downloads = pathlib.Path(self._profile, "downloads")
        self.downloads.mkdir()
        self._loop = asyncio.new_event_loop()
        self._next = 0
        self.requested = []
        try:
            self._run(self._start(dark))
        except BaseException:
            self.close()
            raise

    async def _start(self, dark):
        self._log = open(os.path.join(self._profile, "log"), "w+b")  # noqa: SIM115  # until `close`
        self._http = aiohttp.ClientSession()
        if self.kind == "firefox":
            address = await self._start_firefox(dark)
        else:
            address = await self._start_chromium(dark)
        self._socket = await self._http.ws_connect(address, max_msg_size=0, timeout=None)
        if self.kind == "firefox":
            await self._ask("session.new", {"capabilities": {}})
        tree = await self._ask("browsingContext.getTree", {})
        self.context = tree["contexts"][0]["context"]
        await self._ask("session.subscribe", {"events": ["network.beforeRequestSent"]})

    async def _start_firefox(self, dark):
        preferences = {
            "layout.css.prefers-color-scheme.content-override": 0 if dark else 1,
            "browser.shell.checkDefaultBrowser": False,
            "datareporting.policy.dataSubmissionEnabled": False,
            "network.captive-portal-service.enabled": False,
            "network.connectivity-service.enabled": False,
            "browser.download.folderList": 2,  # the one named here
            "browser.download.dir": str(self.downloads),
        }
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in preferences.items()
        )
        with open(os.path.join(self._profile, "user.js"), "w") as file:
            file.writelines(lines)
        command = [_firefox(), "--headless", "--no-remote", "--profile", self._profile]
        self._process = subprocess.Popen(  # noqa: ASYNC220  # at once
            [*command, "--remote-debugging-port", "0", "about:blank"],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "HOME": self._profile, "MOZ_CRASHREPORTER_DISABLE": "1"},
        )
        found = await self._logged(rb"WebDriver BiDi listening on (ws://\S+)")
        return f"{found}/session"

    async def _start_chromium(self, dark):
        self._process = subprocess.Popen(  # noqa: ASYNC220  # at once
            ["chromedriver", "--port=0"], stdout=self._log, stderr=self._log
        )
        port = await self._logged(rb"started successfully on port (\d+)")
        arguments = [
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={self._profile}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        ]
        if os.getuid() == 0:
            arguments.append("--no-sandbox")  # Chromium has none for root
        preferences = {"download.default_directory": str(self.downloads)}
        options = {"binary": _chromium(), "args": arguments, "prefs": preferences}
        wanted = {"webSocketUrl": True, "goog:chromeOptions": options}
        body = {"capabilities": {"alwaysMatch": wanted}}
        async with self._http.post(f"http://127.0.0.1:{port}/session", json=body) as response:
            answer = await response.json()
        self._session = f"http://127.0.0.1:{port}/session/{answer['value']['sessionId']}"
        return answer["value"]["capabilities"]["webSocketUrl"]

    async def _logged(self, pattern):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with open(self._log.name, "rb") as file:
                found = re.search(pattern, file.read())
            if found:
                return found[1].decode()
            await asyncio.sleep(0.05)
        with open(self._log.name, "rb") as file:
            raise AssertionError(f"{self.kind} does not start: {file.read()[-2000:]!r}")

    async def _ask(self, method, params):
        self._next += 1
        await self._socket.send_json({"id": self._next, "method": method, "params": params})
        while True:
            message = await asyncio.wait_for(self._socket.receive_json(), DEADLINE_S)
            if message.get("method") == "network.beforeRequestSent":
                self.requested.append(message["params"]["request"]["url"])
            if message.get("id") == self._next:
                if message["type"] == "error":
                    raise AssertionError(f"{method}: {message['error']}: {message['message']}")
                return message["result"]

    def _run(self, step):
        return self._loop.run_until_complete(step)

    def ask(self, method, **params):
        """Send one command of WebDriver BiDi; return its result."""
        return self._run(self._ask(method, params))

    def open(self, url, wait="complete"):
        """Go to an address as somebody who typed it, whatever the page itself is about to open."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                return self.ask(
                    "browsingContext.navigate", context=self.context, url=url, wait=wait
                )
            except AssertionError as error:
                if "concurrent navigation" not in str(error) or time.monotonic() > deadline:
                    raise

    def js(self, expression, *, context=None):
        """Return the value of an expression, which may be a promise, by way of JSON."""
        wrapped = (
            f"(async () => {{ const value = await ({expression});"
            " return JSON.stringify(value instanceof Node ? true : value) })()"
        )
        answer = self.ask(
            "script.evaluate",
            expression=wrapped,
            target={"context": context or self.context},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise ScriptError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"].get("value") or "null")

    def until(self, expression, timeout_s=DEADLINE_S):
        """Return the first true value of an expression."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):  # it is being replaced
                value = self.js(expression)
                if value:
                    return value
            time.sleep(0.03)
        raise AssertionError(f"{expression} does not come true; the page: {self.text()[:800]}")

    def text(self):
        return self.js("document.body.innerText")

    def press(self, *keys, held=()):
        """Press keys one after the other: names of `KEYS`, or what they write."""
        codes = [KEYS.get(key, key) for key in keys]
        actions = [{"type": "keyDown", "value": KEYS[key]} for key in held]
        for code in codes:
            for each in [code] if code in KEYS.values() else code:
                actions += [{"type": "keyDown", "value": each}, {"type": "keyUp", "value": each}]
        actions += [{"type": "keyUp", "value": KEYS[key]} for key in held]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self.ask("input.performActions", context=self.context, actions=[source])

    def click(self, selector):
        """Click in the middle of the first element that fits."""
        box = self.js(
            f"(b => [b.x + b.width / 2, b.y + b.height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        x, y = (round(value) for value in box)
        actions = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        source = {"type": "pointer", "id": "mouse", "actions": actions}
        self.ask("input.performActions", context=self.context, actions=[source])

    def drag(self, start, end):
        """Press the mouse at (x, y), move it to another place, and let it go there."""
        (x, y), (to_x, to_y) = start, end
        actions = [
            {"type": "pointerMove", "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "x": (x + to_x) // 2, "y": (y + to_y) // 2},
            {"type": "pointerMove", "x": to_x, "y": to_y},
            {"type": "pointerUp", "button": 0},
        ]
        source = {"type": "pointer", "id": "mouse", "actions": actions}
        self.ask("input.performActions", context=self.context, actions=[source])

    def scroll(self, at, by):
        """Turn the wheel by some pixels at (x, y)."""
        action = {"type": "scroll", "x": at[0], "y": at[1], "deltaX": 0, "deltaY": by}
        source = {"type": "wheel", "id": "wheel", "actions": [action]}
        self.ask("input.performActions", context=self.context, actions=[source])

    def resize(self, width, height):
        viewport = {"width": width, "height": height}
        self.ask("browsingContext.setViewport", context=self.context, viewport=viewport)

    def picture(self, path):
        """Keep what is seen as a PNG."""
        answer = self.ask("browsingContext.captureScreenshot", context=self.context)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def close(self):
        """End it, whatever state it is in."""
        try:
            if getattr(self, "_session", None):
                self._run(self._http.delete(self._session))
        finally:
            self._run(self._http.close())
            if getattr(self, "_process", None) is not None:
                self._process.terminate()
                try:
                    self._process.wait(DEADLINE_S)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._log.close()
            self._loop.close()
            shutil.rmtree(self._profile, ignore_errors=True)
