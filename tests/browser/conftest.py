"""A headless Chromium, driven by the DevTools protocol through a pair of pipes.

No driver and no library of another is needed: messages are JSON, ended by a zero byte,
on the descriptors 3 and 4 of a browser started with --remote-debugging-pipe.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
SECONDS = 30.0

_ARGUMENTS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
)


@dataclass(eq=False)
class Tab:
    """One page of the browser: commands go in, results and events come out."""

    commands: int
    answers: int
    session: str = ""
    ids: Iterator[int] = field(default_factory=itertools.count)
    events: list[dict[str, Any]] = field(default_factory=list)
    rest: bytes = b""

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and give its result; what comes before it are events."""
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while b"\0" not in self.rest:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.answers], [], [], max(0.0, left))
            part = os.read(self.answers, 1 << 20) if ready else b""
            assert part, "the browser does not answer"
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def ask(self, expression: str) -> Any:
        """Give the value of a JavaScript expression; a promise is awaited."""
        found = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def open(self, path: Path, *, width: int = 1000, **look: Any) -> None:
        """Open a file in a window of that width, and wait until it has been drawn.

        ``dark=True`` asks for the dark look, ``scripts=False`` runs no script.
        """
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = "dark" if look.get("dark") else "light"
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        off = not look.get("scripts", True)
        self.call("Emulation.setScriptExecutionDisabled", value=off)
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next())
        if not off:
            twice = "requestAnimationFrame(() => requestAnimationFrame(done))"
            self.ask(f"new Promise((done) => {twice})")

    def complaints(self) -> list[Any]:
        """Give what was logged or thrown since the page was opened."""
        self.ask("0")
        wrong = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [
            event["params"]
            for event in self.events
            if event["method"] in (*wrong, "Log.entryAdded")
        ]

    def requests(self) -> list[str]:
        """Give the addresses that were asked for since the page was opened."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        found = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True
        )
        path.write_bytes(base64.b64decode(found["data"]))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the browser's path; without one the tests fail in one line."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(
            "no Chromium; install Debian's with: apt-get install chromium",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """Give a tab of a browser that lasts for all tests."""
    profile = tmp_path_factory.mktemp("profile")
    read, commands = os.pipe()
    answers, write = os.pipe()
    # Out of the way of 3 and 4, which they become in the browser.
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (read, write)]
    process = subprocess.Popen(
        [chromium, *_ARGUMENTS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=partial(_as_three_and_four, *ends),
    )
    for end in (read, write, *ends):
        os.close(end)
    try:
        yield _attached(Tab(commands, answers))
    finally:
        process.kill()
        process.wait()
        os.close(commands)
        os.close(answers)


def _as_three_and_four(read: int, write: int) -> None:
    os.dup2(read, 3)
    os.dup2(write, 4)


def _attached(tab: Tab) -> Tab:
    target = tab.call("Target.createTarget", url="about:blank")["targetId"]
    found = tab.call("Target.attachToTarget", targetId=target, flatten=True)
    tab.session = found["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        tab.call(f"{domain}.enable")
    return tab
