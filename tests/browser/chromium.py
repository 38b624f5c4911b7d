"""A real headless Chromium, driven over DevTools messages on two pipes: no driver, no port, no further package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


class Chromium:
    """One page of a browser of its own; `events` are the DevTools events so far, each a dict of method and params."""

    def __init__(self, profile: Path) -> None:
        program = next(filter(None, map(shutil.which, _NAMES)), None)
        assert program, f"none of {', '.join(_NAMES)} is installed; .ci/run installs Debian's chromium"
        asks, self._ask = os.pipe()
        self._answer, answers = os.pipe()

        def connect() -> None:
            # Chromium reads at descriptor 3 and writes at 4; copies far above keep one from closing the other.
            read, write = (fcntl.fcntl(end, fcntl.F_DUPFD, 64) for end in (asks, answers))
            os.dup2(read, 3)
            os.dup2(write, 4)

        command = [program, *_FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        # What it says of a machine without a desktop is not about the page.
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, pass_fds=(3, 4), preexec_fn=connect, stdout=quiet, stderr=quiet)
        os.close(asks)
        os.close(answers)
        self._last, self._read, self.events = 0, b"", []
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(30)
        os.close(self._ask)
        os.close(self._answer)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of one DevTools command. Raises RuntimeError with Chromium's message."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._ask, data) :]
        while (answer := self._next()).get("id") != self._last:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, file: Path, width: int, height: int, dark: bool = False) -> None:
        """Open a local page in a window of that many CSS pixels and wait until it has loaded."""
        self.visit(file.resolve().as_uri(), width, height, dark)

    def visit(self, address: str, width: int, height: int, dark: bool = False) -> None:
        """Open the page at an address in a window of that many CSS pixels and wait until it has loaded."""
        self.events.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.value("window.before = true")
        self.call("Page.navigate", url=address)
        scheme = address.partition(":")[0]
        self.wait(
            f"window.before === undefined && document.readyState === 'complete' && location.protocol === '{scheme}:'"
        )

    def value(self, script: str) -> Any:
        """What a JavaScript expression, or the promise it gives, comes to."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, condition: str, seconds: float = 30.0) -> None:
        """Until a JavaScript expression is true. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not self.value(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"not so after {seconds:g} s: {condition}")
            time.sleep(0.05)

    def press(self, key: str, alt: bool = False, control: bool = False) -> None:
        """Press and release a key, by its JavaScript name; a single character also types itself without a modifier."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        number = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39}.get(key, ord(key[0].upper()))
        place = f"Digit{key}" if key.isdigit() else f"Key{key.upper()}" if len(key) == 1 and key.isalpha() else key
        facts = {"key": key, "code": place, "windowsVirtualKeyCode": number, "modifiers": alt + 2 * control}
        self.call("Input.dispatchKeyEvent", type="keyDown", **facts, **({} if alt or control else text))
        self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def screenshot(self, file: Path) -> None:
        """The whole page, however long, as PNG."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(picture["data"]))

    def complaints(self) -> list[str]:
        """Console errors and warnings, uncaught exceptions, log errors (a broken Content-Security-Policy), dialogs."""
        self.value("new Promise(done => setTimeout(done, 100))")
        said = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            loud = (
                (method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"))
                or (method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"))
                or method in ("Runtime.exceptionThrown", "Page.javascriptDialogOpening")
            )
            if loud:
                said.append(json.dumps(event)[:500])
        return said

    def requests(self) -> list[str]:
        """The addresses that the page asked for, but for the page itself and data within it."""
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return [address for address in asked[1:] if not address.startswith(("data:", "blob:"))]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answer], [], [], 60)
            data = os.read(self._answer, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError(f"chromium said nothing more; exit status {self._process.poll()}")
            self._read += data
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)
