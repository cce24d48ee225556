"""Vital, really rendering: the table against the live engine, presets that come back, and clean renders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.cli import main
from render.errors import HostError, PresetError
from render.instruments.instrument import Program
from render.measures.metrics import mss
from render.note import SAMPLE_RATE, Note
from render.vital import engine as engine_module
from render.vital import host as host_module
from render.vital.controls import CONTROLS, ENGINE, as_json, read_controls
from render.vital.drawn import drawn_frames, drawn_patches
from render.vital.instrument import VITAL, settled
from render.vital.presets import parse_program, read_programs, to_text, write_program
from render.vital.prior import draw
from render.vital.state import State
from render.vital.table import OSCILLATORS, TABLE

pytest.importorskip("vita")

NOTE = Note(57, 100, 0.25, 0.4)
FULL = (
    settled(TABLE.default)
    .with_settings(
        {
            "octave": "-12",
            "osc_1_wavetable": "basic shapes",
            "osc_2_on": "on",
            "osc_2_transpose": "+7",
            "filter_1_on": "on",
            "filter_1_model": "Ladder",
            "modulation_1_source": "env_2",
            "modulation_1_destination": "filter_1_cutoff",
            "modulation_3_source": "lfo_1",
            "modulation_3_destination": "osc_1_level",
            "lfo_1_shape": "square",
            "delay_on": "on",
        }
    )
    .with_knobs({"modulation_1_amount": 0.8, "modulation_3_amount": 0.3, "osc_1_wave_frame": 0.4, "env_2_decay": 0.3})
)


@pytest.fixture(scope="module")
def host() -> Iterator[host_module.VitalHost]:
    host = host_module.VitalHost()
    yield host
    host.close()


def test_the_table_is_that_of_the_live_engine(host: host_module.VitalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.info.version == ENGINE
    assert len(CONTROLS) == 772
    other = {name: control for name, control in CONTROLS.items() if name != "osc_1_level"}
    monkeypatch.setattr(host_module, "CONTROLS", other | {"osc_9_level": CONTROLS["osc_1_level"]})
    with pytest.raises(HostError, match=r"differs from the table, which was made for vita 0\.1\.0: osc_9_level"):
        host_module.check_controls(engine_module.Engine())


def test_the_controls_are_written_as_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "controls.json").write_text(as_json(ENGINE, CONTROLS))
    assert read_controls(tmp_path / "controls.json") == (ENGINE, CONTROLS)


def test_clean_renders_are_equal_in_any_order_and_the_seed_moves_random_phases(host: host_module.VitalHost) -> None:
    random, fixed = (
        TABLE.patch({"osc_1_random_phase": 1.0}),
        settled(TABLE.default).with_knobs({"reverb_on": 1.0, "chorus_on": 1.0}),
    )
    first = host.render(random, NOTE), host.render(fixed, NOTE)
    host.render(fixed, NOTE, clean=False)
    again = host.render(random, NOTE), host.render(fixed, NOTE)
    for one, other in zip(first, again, strict=True):
        assert one.shape == (2, NOTE.n_samples)
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)
    assert np.abs(first[0] - host.render(random, NOTE, seed=1)).max() > 0.05


def test_a_fast_render_is_as_good_as_a_clean_one(host: host_module.VitalHost) -> None:
    clean = host.render(FULL, NOTE)
    assert np.abs(clean).max() > 0.01
    for patch in (FULL, settled(TABLE.default), FULL, FULL.with_knobs({"reverb_on": 1.0}), FULL):
        fast = host.render(patch, NOTE, clean=False)
    assert mss(clean, fast, SAMPLE_RATE) < 0.3


def test_the_volume_is_a_gain(host: host_module.VitalHost) -> None:
    patch = settled(TABLE.default)
    level = TABLE.level
    assert level is not None
    loud, quiet = (host.render(patch.with_knobs({"volume": knob}), NOTE, clean=False) for knob in (0.7, 0.4))
    gain = level.curve.setting(0.4) / level.curve.setting(0.7)
    assert level.curve.nearest_knob(level.curve.setting(0.4)) == pytest.approx(0.4)
    np.testing.assert_allclose(quiet, gain * loud, atol=1e-4 * np.abs(loud).max())


def test_a_preset_comes_back_and_sounds_the_same(host: host_module.VitalHost, tmp_path: Path) -> None:
    write_program(tmp_path / "full.vital", Program("full", FULL))
    (program,) = read_programs(tmp_path / "full.vital")
    assert program == Program("full", FULL)
    np.testing.assert_array_equal(host.render(program.patch, NOTE), host.render(FULL, NOTE))
    content = json.loads((tmp_path / "full.vital").read_text())
    assert content["synth_version"] == "1.0.7"
    assert content["settings"]["modulations"][2] == {"destination": "osc_1_level", "source": "lfo_1"}
    assert "oscillators 1 and 2 is 0 %" in content["comments"]


def test_what_the_table_cannot_express_is_kept(host: host_module.VitalHost) -> None:
    content = json.loads(to_text(Program("a", FULL)))
    settings = content["settings"]
    settings |= {"voice_transpose": -5.0, "polyphony": 3.0, "env_5_attack": 1.0, "modulation_2_amount": 0.5}
    settings["modulations"][1] = {"source": "macro_control_1", "destination": "osc_1_tune"}
    settings["wavetables"][1]["groups"][0]["components"][0]["keyframes"][0]["position"] = 3
    patch = parse_program(json.dumps(content)).patch
    assert patch.choice("octave") == "0"
    assert patch.choice("osc_2_wavetable") == "own"
    assert State(patch).pairs()[9] == ("macro_control_1", "osc_1_tune")
    again = json.loads(to_text(Program("a", patch)))["settings"]
    for name in ("voice_transpose", "polyphony", "env_5_attack"):
        assert again[name] == settings[name]
    assert again["modulation_9_amount"] == 0.5
    assert again["wavetables"][1] == settings["wavetables"][1]
    assert VITAL.extra is not None
    assert patch.with_extra(VITAL.extra.from_data(VITAL.extra.as_data(patch))) == patch
    assert np.isfinite(host.render(patch, NOTE, clean=False)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(synth_version="2.0.0"), r"version 2\.0\.0 is not known; allowed: 0\.9 to 1\.5"),
        (lambda c: c.update(synth_version="0.7.1"), r"version 0\.7\.1"),
        (lambda c: c.update(settings={"cutoff": 1.0}), "no settings of the synth"),
        (lambda c: c["settings"].update(filter_1_cutoff="high"), "filter_1_cutoff is 'high'; allowed: a number"),
        (lambda c: c["settings"].update(wavetables=[{"name": "x"}]), "wavetable of oscillator 1 is not known"),
    ],
)
def test_other_presets_are_refused_in_one_line(change: object, message: str, tmp_path: Path) -> None:
    content = json.loads(to_text(Program("a", TABLE.default)))
    change(content)  # type: ignore[operator]
    (tmp_path / "a.vital").write_text(json.dumps(content))
    with pytest.raises(PresetError, match=message) as caught:
        read_programs(tmp_path / "a.vital")
    assert "\n" not in str(caught.value)


def test_draws_are_pure_sparse_and_mostly_heard(host: host_module.VitalHost) -> None:
    draws = [draw(29, index) for index in range(30)]
    assert draws == [draw(29, index) for index in range(30)]
    n_on = [sum(patch.choice(f"osc_{k}_on") == "on" for k in OSCILLATORS) for patch, _ in draws]
    assert set(n_on) == {1, 2, 3}
    assert all(len(TABLE.default.diff(patch)) < 110 for patch, _ in draws)
    heard = [np.abs(host.render(patch, NOTE, clean=False)).max() > 1e-3 for patch, _ in draws[:6]]
    assert sum(heard) >= 5


def _tone(partials: dict[int, float], hz: float) -> NDArray[np.float64]:
    seconds = np.arange(NOTE.n_samples) / SAMPLE_RATE
    return sum((a * np.sin(2 * np.pi * k * hz * seconds) for k, a in partials.items()), start=np.zeros(NOTE.n_samples))


def test_a_wavetable_is_drawn_from_a_clip_that_changes(host: host_module.VitalHost) -> None:
    seconds = np.arange(NOTE.n_samples) / SAMPLE_RATE
    held = _tone({2: 1.0, 5: 0.8, 9: 0.6}, NOTE.frequency_hz) * np.exp(-6.0 * seconds)
    faded = _tone({1: 1.0, 7: 0.7, 14: 0.5}, NOTE.frequency_hz) * np.exp(-20.0 * seconds)
    clip = np.float32([0.2 * (held + faded)])
    patches = drawn_patches(clip, NOTE)
    best = min(mss(clip, host.render(patch, NOTE, clean=False), SAMPLE_RATE) for patch in patches)
    assert len(patches) == 6
    assert best < 0.2 * mss(clip, host.render(settled(TABLE.default), NOTE, clean=False), SAMPLE_RATE)
    assert drawn_patches(np.zeros((1, 100), np.float32), NOTE) == []
    assert drawn_patches(np.zeros((1, NOTE.n_samples), np.float32), NOTE) == []


def test_the_frames_of_a_wavetable_change_like_the_clip_and_cancel_nothing_between_them() -> None:
    seconds = np.arange(NOTE.n_samples) / SAMPLE_RATE
    rise = seconds / seconds[-1]  # of the third partial, whose phase turns by a half at the same time
    third = (1.0 + 2.0 * rise) * np.sin(2.0 * np.pi * 3.0 * NOTE.frequency_hz * seconds + np.pi * rise)
    tone = _tone({1: 1.0}, NOTE.frequency_hz) + third
    frames = drawn_frames(tone, NOTE.frequency_hz)
    assert frames is not None
    assert frames.positions[0] == 0
    assert frames.positions[-1] == 256
    assert all(np.diff(frames.positions) > 0)
    assert np.abs(frames.waves).max() == pytest.approx(1.0)
    spectra = np.abs(np.fft.rfft(frames.waves, axis=1))
    shares = spectra[:, 3] / spectra[:, 1]
    assert shares[1] < 1.3 < 2.0 < shares[-3]
    between = np.abs(np.fft.rfft(0.5 * (frames.waves[:-1] + frames.waves[1:]), axis=1))
    assert between[:, (1, 3)] == pytest.approx(0.5 * (spectra[:-1] + spectra[1:])[:, (1, 3)])


def test_a_drawn_patch_is_tuned_to_the_clip() -> None:
    clip = np.float32([0.2 * _tone({1: 1.0, 2: 0.5, 3: 0.3}, NOTE.frequency_hz * 2.0 ** (30.0 / 1200.0))])
    tuned = drawn_patches(clip, NOTE)[0]
    assert State(tuned).row_values()["osc_1_tune"] == pytest.approx(0.3, abs=0.05)


def test_a_missing_engine_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine_module, "find_spec", lambda name: None)
    (tmp_path / "clip.wav").write_bytes(b"")
    assert main([str(tmp_path / "clip.wav"), "--synth", "vital", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == ("refine: Vital needs the package vita: pip install 'synth-reconstruct[vital]'\n")
    assert not (tmp_path / "out").exists()
