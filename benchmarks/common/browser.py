"""A real browser and a real server for the measurements and tests of the studio."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--mute-audio",
    "--use-fake-device-for-media-stream",  # a microphone that hears a beep every second
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # No name but the studio's own is resolved, so a page that asks for anything else fails.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


def missing() -> str:
    """The reason why there is no browser; empty if there is one."""
    if CHROMIUM is None or CHROMEDRIVER is None:
        return "needs Debian's chromium and chromium-driver"
    for name in ("selenium", "nicegui"):
        try:
            __import__(name)
        except ImportError:
            return f"needs the package {name}"
    return ""


class Server:
    """``refine studio`` in a process of its own.

    Args:
        folder: folder of its sessions.
        port: where it looks for a free port.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "inference.cli", "studio", "--no-browser", "--folder", str(folder)]
        command += ["--plugin", "embedded", "--port", str(port or free_port())]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._found: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        address = self._found.get(timeout=60.0)
        if address is None:
            raise AssertionError(f"the studio did not start: {''.join(self.lines)}")
        self.address = address

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.address.rstrip("/").rpartition(":")[2])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"the studio is at (\S+)", line):
                self._found.put(found[1])
        self._found.put(None)

    def stop(self, number: int = signal.SIGINT) -> int:
        """End it with a signal; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=30.0)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def browser(downloads: Path, width: int = 1280, height: int = 900) -> Iterator[Any]:
    """A driver of a headless Chromium that reaches this machine only."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    environment = os.environ | {"HOME": str(downloads), "SE_AVOID_STATS": "true"}
    driver = webdriver.Chrome(options, Service(str(CHROMEDRIVER), env=environment))
    allowed = {"behavior": "allow", "downloadPath": str(downloads)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    try:
        yield driver
    finally:
        driver.quit()


def eventually(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true value of a function that is called again and again; fails after some seconds."""
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException

    until, last = time.monotonic() + seconds, None
    while time.monotonic() < until:
        try:
            last = what()
            if last:
                return last
        except (NoSuchElementException, StaleElementReferenceException):
            pass
        except WebDriverException as error:  # Chromium's other word for a stale element
            if "does not belong to the document" not in str(error):
                raise
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s; last: {last!r}")


def drop(driver: Any, path: Path) -> None:
    """Drop a file on the page."""
    from selenium.webdriver.common.by import By

    box = eventually(lambda: driver.find_element(By.CSS_SELECTOR, ".drop input[type=file]"))
    box.send_keys(str(path.resolve()))


def set_size(driver: Any, width: int, height: int) -> None:
    """Set the size of the page, such as that of a phone."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def picture(driver: Any, path: Path, *, whole: bool = False) -> None:
    """Write a screenshot of the visible part, or of the whole page."""
    import base64

    size = driver.execute_script("return [document.documentElement.clientWidth, document.body.scrollHeight]")
    options: dict[str, Any] = {"format": "png"}
    if whole:
        options["captureBeyondViewport"] = True
        options["clip"] = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
    taken = driver.execute_cdp_cmd("Page.captureScreenshot", options)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(taken["data"]))
