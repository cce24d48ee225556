"""The level of a clip is free: it decides nothing, the volume knob goes as far as it can, and the rest is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from inference.candidate import Candidate
from inference.clip.target import Target
from inference.command.batch import Batch
from inference.command.console import Console
from inference.command.jobs import Job, in_groups
from inference.constraints import Constraints
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.match import Match
from inference.options import Options
from inference.output.files import suffixes
from inference.output.names import plan_results
from inference.output.record import read_record
from inference.pipeline import refine
from inference.ports import Models
from inference.worker import Measure, Measurement, Worker
from render.audio import Audio
from render.instruments.patch import Patch
from render.measures.conditions import Conditions
from render.measures.distance import DEFAULT_WEIGHTS
from render.measures.loudness import amplified, band_energy
from render.measures.metrics import mss
from render.note import SAMPLE_RATE, Note
from tests.toy import TABLE, TOY, ToyHost

NOTE = Note(57, 100, 0.4, 0.6)
TRUE = TABLE.patch({"loud": 0.4, "shape": 1.0, "colour": 0.3, "fade": 0.2})


def target(gain_db: float = 0.0, note: Note = NOTE, audio: Audio | None = None) -> Target:
    audio = ToyHost().render(TRUE, note) if audio is None else audio
    return Target("clip", amplified(audio[:1], gain_db), note, pitched=True, gate_fixed=True, onset_seconds=0.0)


def found(*targets: Target, **chosen: object) -> Match:
    near = Candidate(TRUE.with_knobs({"fade": 0.25, "loud": 0.1}), NOTE)
    options = Options(TOY, seconds=None, renders=20, workers=1, stages=(), resumed=(near,), tidy=False, **chosen)  # type: ignore[arg-type]
    return refine(targets, options, make_host=ToyHost, models=Models())


def apart_db(match: Match) -> float:
    """How much louder the clip is than the preset by itself."""
    own, clip = (band_energy(one, SAMPLE_RATE) for one in (match.best[0].audios[0], match.targets[0].audio))
    return 10.0 * float(np.log10(clip / own))


@pytest.mark.parametrize("gain_db", [-40.0, 0.0, 5.0])
def test_the_volume_knob_makes_the_preset_as_loud_as_the_clip(gain_db: float) -> None:
    match = found(target(gain_db))
    best = match.best[0]
    assert best.gain_db == 0.0
    assert apart_db(match) == pytest.approx(0.0, abs=0.01)
    np.testing.assert_array_equal(best.audios[0], ToyHost().render(best.candidate.patch, best.candidate.note))
    assert not any("the match is" in notice for notice in match.notices)


def test_what_the_knob_cannot_do_is_a_gain_and_costs_nothing() -> None:
    match = found(target(20.0))
    loud = match.best[0]
    assert loud.candidate.patch["loud"] == 1.0
    assert loud.gain_db == pytest.approx(apart_db(match), abs=1e-6)
    assert loud.gain_db == pytest.approx(20.0 - 20.0 * np.log10(1.0 / 0.4), abs=1.0)
    assert loud.mss == pytest.approx(found(target()).best[0].mss, abs=0.02)
    assert loud.own_mss[0] > loud.mss + 1.0
    np.testing.assert_array_equal(loud.matches[0], amplified(loud.audios[0], loud.gain_db))


def test_a_locked_level_holds_and_is_judged_as_it_is() -> None:
    locked = Constraints.parse(TABLE, ["loud=0.1"])
    match = found(target(), constraints=locked)
    best = match.best[0]
    assert best.candidate.patch["loud"] == 0.1
    assert best.gain_db == 0.0
    assert best.mss == mss(match.targets[0].audio, best.audios[0], SAMPLE_RATE)
    assert best.mss > found(target()).best[0].mss + 1.0


def test_a_quiet_wrong_sound_does_not_win() -> None:
    near, wrong = TRUE.with_knobs({"fade": 0.9, "shake": 0.9}), TRUE.with_knobs({"shape": 0.0, "octave": 1.0})
    clip = target(20.0)  # both are too quiet by some 12 dB, whatever the knob does
    with Evaluator([clip], ToyHost, workers=1) as evaluator:
        judge = Judge([clip], 1)
        evaluator.measure([Candidate(patch, NOTE) for patch in (near, wrong)])
        assert judge.judge(evaluator)
        assert judge.best is not None
        assert judge.best.candidate.patch["octave"] == TRUE["octave"]
        assert judge.best.candidate.patch["loud"] == 1.0


def test_clips_together_have_one_gain() -> None:
    other = Note(69, 60, 0.3, 0.4)
    match = found(target(20.0), target(14.0, other))
    one, two = (clip.answers[0] for clip in match.clips)
    assert one.gain_db == two.gain_db == pytest.approx(17.0 - 20.0 * np.log10(1.0 / 0.4), abs=1.0)


def test_a_clip_beyond_full_scale_is_written_at_its_level(tmp_path: Path) -> None:
    clip = tmp_path / "loud.wav"
    soundfile.write(clip, ToyHost().render(TRUE, NOTE)[0] * 42.0, SAMPLE_RATE, subtype="FLOAT")
    (files,) = plan_results([clip], tmp_path / "out", suffixes(TOY), 1)
    options = Options(TOY, seconds=None, renders=40, workers=1)
    batch = Batch(in_groups([Job(clip, files, note=57)], options, together=False), Console(quiet=True))
    batch.run()
    record = read_record(files.record)
    best = record["best"]
    assert best["knobs"]["loud"] == 1.0
    assert best["gain_db"] > 15.0
    assert best["own_mss"] > best["distance"]["mss"]
    (notice,) = (notice for notice in record["notices"] if "softer than the clip" in notice)
    assert f"{best['gain_db']:.1f} dB" in notice
    match, _ = soundfile.read(tmp_path / "out" / "loud.match.wav")
    there, _ = soundfile.read(clip)
    assert band_energy(match.T, SAMPLE_RATE) == pytest.approx(band_energy(there, SAMPLE_RATE), rel=0.01)
    assert np.abs(there).max() > 8.0
    assert f"with a gain of {best['gain_db']:+.1f} dB" in (tmp_path / "out" / "loud.html").read_text()


def test_a_render_that_is_next_to_silent_does_not_match_by_its_noise_floor() -> None:
    noise = np.random.default_rng(1).normal(size=(2, NOTE.n_samples)).astype(np.float32)

    class Hissing(ToyHost):
        def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
            return np.float32(10.0 ** (-1.0 if patch["loud"] > 0.1 else -5.0)) * noise

    clips = (noise[:1] + noise[1:],)
    worker = Worker(clips, (Conditions(),), DEFAULT_WEIGHTS, 0, True, Hissing())
    loud, silent = (worker(Measure(TRUE.with_knobs({"loud": level}), (NOTE,))) for level in (0.5, 0.0))
    assert isinstance(loud, Measurement)
    assert isinstance(silent, Measurement)
    assert loud.loss == pytest.approx(0.0, abs=1e-3)
    assert silent.gain == 1.0
    assert silent.loss > 1.0
