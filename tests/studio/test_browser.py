"""The studio as a person uses it: a real browser, a real server, a real run."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.browser import Server, browser, drop, eventually, missing, picture, set_size
from inference.cli import main
from inference.output.record import read_record
from inference.studio.sessions import SessionFiles, Sessions
from render.instruments.instrument import Program
from render.noisemaker.presets import read_programs, write_program
from render.noisemaker.table import TABLE
from tests.paths import ROOT

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "a browser is there"),
    # NiceGUI and selenium are not ours to mend.
    pytest.mark.filterwarnings("default"),
]

CLIP = ROOT / "examples" / "pluck.wav"
PATIENCE = 150.0  # the first run on a machine compiles for half a minute


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def servers(folder: Path) -> Iterator[list[Server]]:
    running = [Server(folder / "sessions")]
    yield running
    for server in running:
        server.stop()


@pytest.fixture(scope="module")
def driver(folder: Path, servers: list[Server]) -> Iterator[Any]:
    with browser(folder) as driver:
        yield driver


@pytest.fixture(scope="module")
def session(folder: Path) -> SessionFiles:
    """A session of an earlier visit, with the results of a short run."""
    made = Sessions(folder / "sessions").add(CLIP.name, CLIP.read_bytes())
    few = ["--renders", "24", "--stages", "search", "--candidates", "3", "--plugin", "embedded", "--quiet"]
    assert main([str(made.source), "--out", str(made.new_results()), *few]) == 0
    return made


@pytest.fixture
def page(driver: Any, servers: list[Server], session: SessionFiles) -> Any:
    """The driver, on the page of that session."""
    set_size(driver, 1280, 900)
    driver.get(f"{servers[0].address}session/{session.name}")
    eventually(lambda: cards(driver) and "dB" in find(driver, ".cards .card .db").text, PATIENCE)
    return driver


def find(driver: Any, selector: str) -> Any:
    return driver.find_element("css selector", selector)


def press(driver: Any, text: str) -> None:
    button = eventually(lambda: driver.find_element("xpath", f"//button[contains(., '{text}')]"))
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    eventually(lambda: button.is_enabled())
    driver.execute_script("arguments[0].click()", button)


def status(driver: Any) -> str:
    return str(find(driver, ".status").text)


def cards(driver: Any) -> list[Any]:
    return [card for card in driver.find_elements("css selector", ".cards .card") if card.is_displayed()]


def requested(driver: Any) -> set[str]:
    """Addresses that the browser asked for since this was called last."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }


def test_from_a_dropped_clip_to_a_preset_in_hand(driver: Any, servers: list[Server], folder: Path) -> None:
    server = servers[0]
    driver.get(server.address)
    drop(driver, CLIP)
    eventually(lambda: "/session/" in driver.current_url)
    eventually(lambda: "dB" in find(driver, ".cards .card .db").text, PATIENCE)
    eventually(lambda: "C5" in find(driver, ".clip + .tools").text)  # what was heard
    eventually(lambda: "renders a second" in status(driver), PATIENCE)
    eventually(
        lambda: "begun" in driver.find_elements("css selector", ".stages li")[0].get_attribute("class"), PATIENCE
    )
    press(driver, "Stop")
    eventually(lambda: "stopped" in status(driver), PATIENCE)
    name = driver.current_url.rpartition("/")[2]
    record = read_record(folder / "sessions" / name / "refined" / "pluck.json")
    assert record["ended"] == "interrupted"
    assert len(cards(driver)) == len(record["candidates"])
    # The best is on the panel, and what is downloaded is that patch.
    assert float(find(driver, "[data-parameter=cutoff]").get_attribute("aria-valuenow")) == pytest.approx(
        record["best"]["knobs"]["cutoff"], abs=1e-4
    )
    find(driver, "[data-download='.noisemakerpreset']").click()
    preset = folder / "pluck.noisemakerpreset"
    eventually(preset.exists)
    (program,) = read_programs(preset)
    assert dict(zip(program.patch.table.names, program.patch.knobs, strict=True)) == record["best"]["knobs"]
    foreign = {url for url in requested(driver) if not url.startswith((server.address, "data:", "blob:"))}
    assert {url for url in foreign if not url.startswith(("chrome", f"ws://127.0.0.1:{server.port}/"))} == set()
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_turned_knob_is_heard_and_a_locked_one_stays(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    driver = page
    knob = find(driver, "[data-parameter=cutoff]")
    driver.execute_script("studio.log.length = 0; arguments[0].scrollIntoView({block: 'center'})", knob)
    before = float(knob.get_attribute("aria-valuenow"))
    knob.send_keys(Keys.ARROW_DOWN)  # by keyboard: a knob is a slider
    eventually(lambda: driver.execute_script("return studio.log.some((entry) => entry.what === 'sound')"))
    assert float(knob.get_attribute("aria-valuenow")) < before
    assert "edited" in find(driver, ".panel").find_element("xpath", "..").text
    lock = find(driver, "[aria-label='lock Cutoff']")
    driver.execute_script("arguments[0].click()", lock)
    eventually(lambda: find(driver, "[aria-label='lock Cutoff']").get_attribute("aria-pressed") == "true")
    press(driver, "As found")
    eventually(lambda: float(find(driver, "[data-parameter=cutoff]").get_attribute("aria-valuenow")) > before - 0.001)


def test_keys_play_the_patch_and_one_key_compares(page: Any) -> None:
    driver = page
    driver.execute_script("studio.log.length = 0")
    key = find(driver, "[data-key]")
    driver.execute_script("arguments[0].focus()", key)
    key.send_keys("a")
    eventually(lambda: driver.execute_script("return studio.log.length"))
    find(driver, "h1").click()
    driver.execute_script("document.activeElement.blur()")
    for side in ("clip", "patch", "clip"):
        find(driver, "body").send_keys("x")
        eventually(lambda side=side: find(driver, "[data-side]").get_attribute("data-side") == side)
    from selenium.webdriver.common.keys import Keys

    find(driver, "body").send_keys(Keys.ESCAPE)
    eventually(lambda: find(driver, "[data-side]").get_attribute("data-side") == "")


def test_a_patch_is_explained_and_the_steps_from_a_known_preset_are_shown(page: Any, tmp_path: Path) -> None:
    driver = page
    preset = tmp_path / "plain.noisemakerpreset"
    write_program(preset, Program("plain <b>", TABLE.default))
    press(driver, "Parts and knobs")
    find(driver, "[aria-label='Explain'] input[type=file]").send_keys(str(preset))  # which waits for the former
    tables = eventually(lambda: find(driver, ".explained").find_elements("css selector", "table"), PATIENCE)
    assert ["switched off" in tables[0].text, "knob moved by 0.05" in tables[1].text] == [True, True]
    differences = [float(row.text.split()[-1]) for row in tables[0].find_elements("css selector", "tr")[1:]]
    assert len(differences) > 2
    assert differences == sorted(differences, reverse=True)
    steps = eventually(
        lambda: [box for box in driver.find_elements("css selector", ".explained") if "From plain <b>" in box.text],
        PATIENCE,
    )
    assert " to " in steps[0].find_element("css selector", "table").text


def test_several_keys_in_the_notes_field_are_a_chord(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    driver = page

    def name(text: str) -> None:
        field = find(driver, "input[aria-label='Note']")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.ENTER)

    name("C5 E5 C5")
    eventually(lambda: "all different" in find(driver, "body").text)
    name("C5 E5 G5")
    eventually(lambda: "C5 E5 G5 (the note you named)" in find(driver, "body").text)


def test_two_tabs_show_one_session_and_a_closed_one_does_no_harm(page: Any) -> None:
    driver = page
    address, first = driver.current_url, driver.current_window_handle
    shown = len(cards(driver))
    driver.switch_to.new_window("tab")
    driver.get(address)
    eventually(lambda: len(cards(driver)) == shown)
    press(driver, "Another minute")
    eventually(lambda: "renders a second" in status(driver), PATIENCE)
    driver.close()
    driver.switch_to.window(first)
    eventually(lambda: "renders a second" in status(driver), PATIENCE)  # the run goes on, and the other tab shows it
    press(driver, "Stop")
    eventually(lambda: "stopped" in status(driver), PATIENCE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_nothing_is_wider_than_the_screen(page: Any, tmp_path: Path, width: int, height: int, scheme: str) -> None:
    driver = page
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    set_size(driver, width, height)
    time.sleep(0.3)
    wide = driver.execute_script(
        "return [...document.querySelectorAll('main *')].filter((node) => node.getBoundingClientRect().right > "
        "innerWidth + 1 && !node.closest('.keys, .q-slider, .q-range, svg')).map((node) => node.outerHTML.slice(0, 99))"
    )
    assert wide == []
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    dark = driver.execute_script("return document.body.classList.contains('body--dark')")
    assert dark is (scheme == "dark")
    picture(driver, tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20_000


def test_sessions_survive_a_killed_server(
    page: Any, servers: list[Server], folder: Path, session: SessionFiles
) -> None:
    driver = page
    shown = len(cards(driver))
    server = servers.pop()
    server.stop(signal.SIGKILL)
    servers.append(Server(folder / "sessions"))
    driver.get(servers[0].address)
    assert "pluck" in eventually(lambda: find(driver, ".sessions").text)
    driver.get(f"{servers[0].address}session/{session.name}")
    eventually(lambda: len(cards(driver)) == shown and "dB" in find(driver, ".cards .card .db").text, PATIENCE)
    assert status(driver).startswith(("stopped", "finished"))


def test_what_is_no_clip_is_said_in_words(driver: Any, servers: list[Server], tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)>.wav"
    hostile.write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 4096)
    driver.get(servers[0].address)
    drop(driver, hostile)
    eventually(lambda: "/session/" in driver.current_url)
    problem = eventually(lambda: find(driver, ".problem").text, PATIENCE)
    assert "not an audio file" in problem
    assert driver.execute_script("return document.querySelector('main img[src=x]') === null")
    driver.get(servers[0].address)
    assert "img_src" in eventually(lambda: find(driver, ".sessions").text)


def test_a_recording_becomes_a_session(driver: Any, servers: list[Server]) -> None:
    driver.get(servers[0].address)
    press(driver, "Record")
    time.sleep(2.5)
    press(driver, "Record")
    eventually(lambda: "/session/" in driver.current_url, PATIENCE)
    assert "recording" in driver.current_url
    eventually(lambda: " s, " in find(driver, ".box-inner .hint").text, PATIENCE)
    press(driver, "Stop")
    eventually(lambda: status(driver).startswith(("stopped", "finished")), PATIENCE)


def test_a_preset_is_varied_and_kept_without_a_clip(
    driver: Any, servers: list[Server], folder: Path, tmp_path: Path
) -> None:
    preset = tmp_path / "plain.noisemakerpreset"
    write_program(preset, Program("plain", TABLE.default))
    driver.get(servers[0].address)
    drop(driver, preset)
    eventually(lambda: "/session/" in driver.current_url)
    press(driver, "Twelve variations")
    eventually(lambda: len(driver.find_elements("css selector", ".grid .card")) == 12, PATIENCE)
    keep = find(driver, "[aria-label='keep: variation 3']")
    driver.execute_script("arguments[0].click()", keep)
    eventually(lambda: "plain 1" in find(driver, ".kept").text)
    (kept,) = (folder / "sessions").glob("*/kept/plain 1.noisemakerpreset")
    assert read_programs(kept)[0].patch != TABLE.default
