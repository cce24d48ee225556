"""``refine --calibrate``: renders of the plug-in, a fit, a file of its own, and runs that use it."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

import proxy.fitting.calibrate
from benchmarks.common.targets import PRIOR_SEED
from inference.cli import main
from inference.command.calibrate import SEED, advice
from inference.network.training.live import FIRST_SET, VALIDATION_SET
from inference.options import Options
from inference.output.claims import Claims
from inference.stages.models import load_models
from proxy.fitting.settings import Settings
from proxy.synth.calibrations import Calibration, calibration_path, read_calibration, save_calibration
from proxy.synth.weights import load_corrections
from render.commands.dataset import DEFAULT_SEED
from render.data import library
from tests.brighter_plugin import BRIGHTER

FOUND = Calibration("TAL-NoiseMaker", "9.1", 300, 100, (0.52, 0.41), (0.021, 0.018), 0.77, True)
TINY = (Settings(steps=2, items=2, part=2, rate=2e-3),)


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.cli.synth", lambda name, plugin: BRIGHTER)
    monkeypatch.setattr("inference.command.calibrate.RENDERS", 8)
    monkeypatch.setattr("inference.command.calibrate.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("proxy.synth.calibrations.data_folder", lambda: tmp_path / "data")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "NoiseMaker.vst3"
    path.write_text("9.1")
    return path


def test_an_interrupted_calibration_is_continued_and_kept(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = functools.partial(proxy.fitting.calibrate.calibrate, fits=TINY)
    command = ["--calibrate", "--plugin", str(plugin), "--workers", "1"]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("proxy.fitting.calibrate.calibrate", interrupted)
    assert main(command) == 130
    said = capsys.readouterr().err
    assert "calibrating the proxy to TAL-NoiseMaker 9.1: 8 renders" in said
    assert "rendering: 8 of 8" in said
    assert "refine: interrupted; refine --calibrate goes on from there" in said
    assert not list((tmp_path / "data").rglob("*.*"))
    monkeypatch.setattr("proxy.fitting.calibrate.calibrate", tiny)
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "rendering" not in said
    assert "fit 1 of 1: 2 of 2" in said
    assert "of 2 renders that were kept aside" in said
    path = calibration_path(plugin)
    calibration = read_calibration(path)[1]
    assert (calibration.plugin, calibration.fitted, calibration.judged) == ("TAL-NoiseMaker 9.1", 6, 2)
    assert calibration.sentence() in said
    assert list(path.parent.iterdir()) == [path]
    assert not list((tmp_path / "cache" / "calibration").iterdir())


def test_a_run_on_the_plugin_uses_its_calibration(plugin: Path) -> None:
    save_calibration(calibration_path(plugin), load_corrections(), FOUND)
    options = Options(BRIGHTER, where=str(plugin), stages=("descend",), workers=1)
    assert load_models(options).notices == (f"the proxy is calibrated to TAL-NoiseMaker 9.1: {FOUND.sentence()}",)
    assert load_models(Options(BRIGHTER, str(plugin), stages=("descend",), workers=1, calibration=False)).notices == ()
    plugin.write_text("9.2")
    assert load_models(options).notices == ()


def test_a_plugin_that_was_never_calibrated_is_said_once(plugin: Path, tmp_path: Path) -> None:
    said = advice(Options(BRIGHTER, where=str(plugin)))
    assert said is not None
    assert "refine --calibrate" in said
    assert advice(Options(BRIGHTER)) is None
    assert advice(Options(BRIGHTER, where=str(plugin), stages=("search",))) is None
    assert advice(Options(BRIGHTER, where=str(plugin), calibration=False)) is None
    assert advice(Options(BRIGHTER, where=str(tmp_path / "missing"))) is None
    save_calibration(calibration_path(plugin), load_corrections(), FOUND)
    assert advice(Options(BRIGHTER, where=str(plugin))) is None
    plugin.write_text("9.2")
    assert advice(Options(BRIGHTER, where=str(plugin))) == said


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--calibrate"], 2, "--plugin is 'embedded'; allowed: the path of a plug-in"),
        (["--calibrate", "--no-calibration"], 2, "not allowed with"),
        (["--calibrate", "--plugin", "{missing}", "--workers", "1"], 1, "no plug-in at"),
    ],
)
def test_what_cannot_be_calibrated_is_one_line(
    arguments: list[str], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [argument.format(missing=tmp_path / "missing") for argument in arguments]
    try:
        found = main(filled)
    except SystemExit as stop:
        found = int(stop.code or 0)
    assert found == code
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert not (tmp_path / "data").exists()


def test_two_at_once_do_not_calibrate_the_same_plugin(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = calibration_path(plugin)
    with Claims() as claims:
        assert claims.claim(path.parent, [path.stem])
        assert main(["--calibrate", "--plugin", str(plugin), "--workers", "1"]) == 1
    assert "another run is calibrating" in capsys.readouterr().err


def test_its_renders_are_drawn_for_nothing_else() -> None:
    others = {library.SEED, DEFAULT_SEED, PRIOR_SEED, VALIDATION_SET}
    assert SEED not in others
    assert min(VALIDATION_SET, FIRST_SET) > SEED
