"""Headless Chromium, driven through its debugging pipe (Chrome DevTools protocol). Python's standard library alone.

A browser has a profile of its own in a temporary folder and no way to any host: whatever a page asks for is seen, and
does not leave the machine.
"""
import base64
import json
import pathlib
import select
import shutil
import subprocess
import tempfile
import time
from typing import Any, Optional

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_SECONDS = 60
# A sandbox of its own needs rights that a container does not give; a page is opened that was written by this machine.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--hide-scrollbars",
         "--force-color-profile=srgb", "--remote-debugging-pipe")


class BrowserFault(Exception):
    """The browser did not do what it must: one line."""


def find() -> Optional[str]:
    """The path of a Chromium; None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Chromium:
    """One browser with one tab; a context manager. Throws BrowserFault."""

    def __init__(self, program: str) -> None:
        self.profile = tempfile.TemporaryDirectory(prefix="torchlap-chromium-", ignore_cleanup_errors=True)
        folder = pathlib.Path(self.profile.name)
        self.log = open(folder / "log", "w+", encoding="utf-8", errors="replace")
        # The pipe is descriptors 3 and 4 of the browser.
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null', "sh", program, *FLAGS,
             f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
        self.rest, self.last_id, self.session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        try:
            self._open_tab()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            try:
                stream.close()
            except BrokenPipeError:
                pass
        self.profile.cleanup()

    def _open_tab(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def _read_message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))
            chunk = self.process.stdout.read1(1 << 20) if ready else b""
            if not chunk:
                raise BrowserFault("it said nothing in time" if not ready else f"it ended: {self._last_words()}")
            self.rest += chunk
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def _last_words(self) -> str:
        self.log.seek(0)
        lines = [line.strip() for line in self.log if line.strip()]
        return lines[-1] if lines else "no word of a reason"

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a method of the protocol; what happens meanwhile is kept in `events`."""
        self.last_id += 1
        request = {"id": self.last_id, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\0")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise BrowserFault(f"it ended: {self._last_words()}") from error
        until = time.monotonic() + ANSWER_SECONDS
        while (message := self._read_message(until)).get("id") != self.last_id:
            self.events.append(message)
        if "error" in message:
            raise BrowserFault(f"{method}: {message['error']['message']}")
        return message["result"]

    def _await_load(self, loader: str) -> None:
        until = time.monotonic() + ANSWER_SECONDS
        loaded = {"loaderId": loader, "name": "load"}
        while not any(event.get("method") == "Page.lifecycleEvent" and loaded.items() <= event["params"].items()
                      for event in self.events):
            self.events.append(self._read_message(until))

    def show(self, file: pathlib.Path, width: int, dark: bool = False, height: int = 900) -> None:
        """Opens a file in a window of this width. `events` are those of this page alone."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events.clear()
        self._await_load(self.call("Page.navigate", url=file.resolve().as_uri())["loaderId"])
        # Two frames later everything has been laid out and drawn.
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression, or the promise that it gives, is in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserFault(f"in the page: {answer['exceptionDetails'].get('exception', {}).get('description')}")
        return answer["result"].get("value")

    def requests(self) -> list[str]:
        """URLs that the page asked for, in order, itself included."""
        return [event["params"]["request"]["url"] for event in self.events
                if event.get("method") == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the page wrote to the console as a warning or an error, and exceptions."""
        found = []
        for event in self.events:
            what = event.get("params", {})
            if event.get("method") == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
                found.append(" ".join(str(part.get("value", part.get("description"))) for part in what["args"]))
            elif event.get("method") == "Runtime.exceptionThrown":
                found.append(what["exceptionDetails"]["text"])
            elif event.get("method") == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
                found.append(what["entry"]["text"])
        return found

    def picture(self, file: pathlib.Path) -> None:
        """The whole page as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(data))
