"""The response times of the studio in a real browser: to a dropped clip, to an improvement, and to a turned knob.

The browser is Debian's chromium, driven through selenium; the times are those that a user waits, including network,
rendering and decoding. With ``--pictures`` screenshots of the page are written too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.browser import Server, browser, drop, eventually, missing, picture, set_size
from render.errors import FileError
from render.instruments.instrument import Program
from render.noisemaker.presets import write_program
from render.noisemaker.table import TABLE

_EXAMPLES = Path(__file__).parents[2] / "examples"
_KNOB = next(row.name for row in TABLE.parameters if row.curve.unit == "Hz")
_BETWEEN_SECONDS, _WATCHED_SECONDS = 0.4, 12.0
_PATIENCE_SECONDS = 180.0
_TURNS = """
const turns = [], log = studio.log;
for (const turn of log.filter((entry) => entry.what === "turn")) {
  const sound = log.find((entry) => entry.what === "sound" && entry.at >= turn.at);
  if (sound) turns.push(sound.at - turn.at);
}
return turns;
"""

_WATCH = """
studio.shown = [];
const card = document.querySelector(".cards .card");
new MutationObserver(() => studio.shown.push(Date.now() - Number(card.getAttribute("improved"))))
  .observe(card, { attributes: true, attributeFilter: ["improved"] });
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("clips", nargs="*", type=Path, help="clips to drop (default: those of examples/)")
    parser.add_argument("--turns", type=int, default=60, metavar="N", help="knob turns to measure (default: 60)")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="also write screenshots of the page")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if reason := missing():
        raise FileError(f"there is no browser to measure with: it {reason}")
    clips = arguments.clips or sorted(_EXAMPLES.glob("*.wav"))
    with tempfile.TemporaryDirectory() as folder, _studio(Path(folder)) as (server, driver):
        _wait_until_loaded(driver, server)
        for clip in clips:
            first, better, _ = _first_candidate(driver, server, clip)
            print(f"{clip.name}: {first:.2f} s from the drop to a card that plays, {better:.2f} s to one of the search")
        shown = [delay for clip in clips for delay in _first_candidate(driver, server, clip, _WATCHED_SECONDS)[2]]
        print(
            f"an improvement to its distance on the page, {len(shown)} improvements: median {np.median(shown):.0f} ms, "
            f"95 % {np.quantile(shown, 0.95):.0f} ms (bar: 300)"
        )
        turned = _turns(driver, arguments.turns)
        print(
            f"a knob's turn to its sound, {len(turned)} turns: median {np.median(turned):.0f} ms, "
            f"95 % {np.quantile(turned, 0.95):.0f} ms (bars: 150 and 300)"
        )
        if arguments.pictures is not None:
            _pictures(driver, server, arguments.pictures)
    return 0


@contextmanager
def _studio(folder: Path) -> Iterator[tuple[Server, Any]]:
    server = Server(folder / "sessions")
    try:
        with browser(folder) as driver:
            yield server, driver
    finally:
        server.stop()


def _wait_until_loaded(driver: Any, server: Server) -> None:
    """Drop a clip and stop its run, so that everything is loaded that a second one needs."""
    _first_candidate(driver, server, next(_EXAMPLES.glob("*.wav")))


def _first_candidate(
    driver: Any, server: Server, clip: Path, watch_seconds: float = 0.0
) -> tuple[float, float, list[float]]:
    """Seconds from the drop to the first card with a sound, and to the first that the search has measured.

    Then the page is watched for some seconds: the milliseconds from each improvement of the run to its distance on the
    page are the third result.
    """
    from selenium.webdriver.common.by import By

    driver.get(server.address)
    eventually(lambda: driver.find_element(By.CSS_SELECTOR, ".drop input[type=file]"), _PATIENCE_SECONDS)
    time.sleep(1.0)
    began = time.monotonic()
    drop(driver, clip)
    # Its distance in dB disappears when a closer candidate takes its place, the picture does not.
    eventually(lambda: driver.find_elements(By.CSS_SELECTOR, ".cards .card img.spectrum[src]"), _PATIENCE_SECONDS)
    shown = time.monotonic() - began
    eventually(lambda: "renders a second" in _status(driver), _PATIENCE_SECONDS)
    better = time.monotonic() - began
    driver.execute_script(_WATCH)
    time.sleep(watch_seconds)
    delays: list[float] = driver.execute_script("return studio.shown")
    driver.find_element(By.XPATH, "//button[contains(., 'Stop')]").click()
    eventually(lambda: _status(driver).startswith(("stopped", "finished")), _PATIENCE_SECONDS)
    return shown, better, delays


def _status(driver: Any) -> str:
    from selenium.webdriver.common.by import By

    return str(driver.find_element(By.CSS_SELECTOR, ".status").text)


def _turns(driver: Any, count: int) -> Sequence[float]:
    """Milliseconds from the press of an arrow key on a knob to the start of its sound."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    knob = driver.find_element(By.CSS_SELECTOR, f"[data-parameter={_KNOB}]")
    knob.send_keys(Keys.ARROW_DOWN)
    time.sleep(2.0)
    driver.execute_script("studio.log.length = 0")
    for number in range(count):
        knob.send_keys(Keys.ARROW_UP if number % 20 < 10 else Keys.ARROW_DOWN)
        time.sleep(_BETWEEN_SECONDS)
    time.sleep(1.0)
    turns: list[float] = driver.execute_script(_TURNS)
    return turns


def _pictures(driver: Any, server: Server, folder: Path) -> None:
    """The page while a run goes on, its variations, the explanation of a match, and the page in the dark on a phone."""
    from selenium.webdriver.common.by import By

    driver.get(server.address)
    time.sleep(1.0)
    drop(driver, _EXAMPLES / "bass.wav")
    eventually(lambda: "renders a second" in _status(driver), _PATIENCE_SECONDS)
    time.sleep(15.0)
    set_size(driver, 1280, 1000)
    time.sleep(1.0)
    picture(driver, folder / "studio.png")
    driver.find_element(By.XPATH, "//button[contains(., 'Stop')]").click()
    eventually(lambda: _status(driver).startswith(("stopped", "finished")), _PATIENCE_SECONDS)
    button = driver.find_element(By.XPATH, "//button[contains(., 'Twelve')]")
    button.click()
    eventually(lambda: len(driver.find_elements(By.CSS_SELECTOR, ".grid .card")) == 12, _PATIENCE_SECONDS)
    driver.execute_script("document.querySelector('.keys').scrollIntoView(); scrollBy(0, -140)")
    time.sleep(1.0)
    picture(driver, folder / "studio-vary.png")
    driver.find_element(By.XPATH, "//button[contains(., 'Parts and knobs')]").click()
    with tempfile.TemporaryDirectory() as known:
        preset = Path(known) / "Default.noisemakerpreset"
        write_program(preset, Program("Default", TABLE.default))
        driver.find_element(By.CSS_SELECTOR, "[aria-label='Explain'] input[type=file]").send_keys(str(preset))
        eventually(lambda: len(driver.find_elements(By.CSS_SELECTOR, ".explained table")) == 3, _PATIENCE_SECONDS)
    driver.execute_script("document.querySelector('[aria-label=Explain]').scrollIntoView(); scrollBy(0, -60)")
    time.sleep(1.0)
    picture(driver, folder / "studio-explain.png")
    driver.execute_script("scrollTo(0, 0)")
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    set_size(driver, 390, 844)
    time.sleep(1.0)
    picture(driver, folder / "studio-phone.png")
