"""How a match plays on other keys, and the way to it from a preset that somebody knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from inference.after.lesson import lesson_from
from inference.after.play import Trial, sentences, try_out
from inference.budget import Budget
from inference.candidate import Candidate
from inference.clip.target import Target
from inference.evaluate import Evaluator
from inference.judge import Judge
from inference.leaderboard import Leaderboard
from render.audio import Audio
from render.instruments.instrument import Program
from render.note import SAMPLE_RATE, Note
from tests.toy import TABLE, TOY, ToyHost

NOTE = Note(57, 100, 0.4, 0.5)


class Player:
    """Stands in for an evaluator: plays sines, with some faults."""

    def __init__(self, *, stretch: float = 1.0, noisy: bool = False) -> None:
        self.stretch, self.noisy = stretch, noisy

    def render(self, candidates: Iterable[Candidate]) -> Iterator[tuple[Audio] | None]:
        for candidate in candidates:
            note = candidate.note
            seconds = np.arange(note.n_samples) / SAMPLE_RATE
            hertz = 440.0 * 2.0 ** (self.stretch * (note.number - 57) / 12.0)
            tone = sum(np.sin(2.0 * np.pi * k * hertz * seconds) / k for k in range(1, 9))
            if self.noisy:
                tone = np.random.default_rng(0).standard_normal(note.n_samples)
            level = 0.0 if note.number > 60 and note.velocity < 60 else 0.005 * note.velocity
            yield (np.float32([level * tone] * 2),)


def trials(player: Any, *, pitched: bool = True) -> tuple[Trial, ...]:
    return try_out(player, Candidate(TABLE.default, NOTE), pitched=pitched)


def test_faults_are_found_where_they_are() -> None:
    found = trials(Player())
    assert [(trial.note, trial.velocity) for trial in found] == [(k, v) for k in (45, 57, 69) for v in (40, 100, 127)]
    assert [trial.fault for trial in found] == ["", "", "clips", "", "", "clips", "silent", "", "clips"]
    assert list(sentences(found)) == [
        "is silent on A4 at velocity 40",
        "clips on A2 at velocity 127 and A3 at velocity 127 and A4 at velocity 127",
    ]


def test_all_keys_of_a_chord_move_and_none_beyond_the_highest() -> None:
    high = Candidate(TABLE.default, dataclasses.replace(NOTE, number=100, chord=(4, 20)))
    assert {trial.note for trial in try_out(Player(), high, pitched=True)} == {88, 100}  # type: ignore[arg-type]


@pytest.mark.parametrize(("stretch", "cents"), [(1.0, 0.0), (1.1, 120.0), (0.8, -240.0)])
def test_a_sound_that_does_not_follow_the_keys_is_out_of_tune(stretch: float, cents: float) -> None:
    found = {trial.note: trial for trial in trials(Player(stretch=stretch)) if trial.velocity == 100}
    assert found[57].cents is None
    assert found[69].cents == pytest.approx(cents, abs=10.0)
    assert found[45].cents == pytest.approx(-cents, abs=10.0)
    assert found[69].out_of_tune is (cents != 0.0)


def test_noise_is_never_out_of_tune() -> None:
    assert all(trial.cents is None for trial in trials(Player(noisy=True)))
    assert all(trial.cents is None for trial in trials(Player(stretch=1.2), pitched=False))


@pytest.mark.parametrize("silent", ["no time", "held part", "sum of the sides"])
def test_what_is_silent_while_the_key_is_held_has_no_pitch(silent: str) -> None:
    class Late:
        def render(self, candidates: Iterable[Candidate]) -> Iterator[tuple[Audio]]:
            audio = np.float32([np.ones(NOTE.n_samples), -np.ones(NOTE.n_samples)])
            audio[:, : 0 if silent == "sum of the sides" else NOTE.n_samples // 2] = 0.0
            return ((audio,) for _ in candidates)

    note = dataclasses.replace(NOTE, gate_seconds=1e-9 if silent == "no time" else 0.1)
    found = try_out(Late(), Candidate(TABLE.default, note), pitched=True)  # type: ignore[arg-type]
    assert all(trial.cents is None for trial in found)


def test_keys_beyond_the_keyboard_are_left_out() -> None:
    low = try_out(Player(), Candidate(TABLE.default, Note(5, 100, 0.4, 0.5)), pitched=True)  # type: ignore[arg-type]
    assert {trial.note for trial in low} == {5, 17}


def test_the_way_from_a_known_preset_ends_at_the_match() -> None:
    wanted = TABLE.patch({"loud": 0.4, "shape": 1.0, "colour": 0.8, "fade": 0.2, "shake": 0.6})
    audio = ToyHost().render(wanted, NOTE)[:1]
    target = Target("a", audio, NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0)
    near = TABLE.patch({"loud": 0.2, "shape": 1.0, "colour": 0.75, "fade": 0.6, "shake": 0.6})
    far = TABLE.patch({"fade": 1.0})
    bank = [Program("far", far), Program("near", near)]
    with Evaluator([target], ToyHost, workers=1, board=Leaderboard(Budget(10.0))) as evaluator:
        lesson = lesson_from(bank, Candidate(wanted, NOTE), evaluator.measure, TOY)
    assert lesson is not None
    assert lesson.preset == "near"
    assert [step.section for step in lesson.steps] == ["out", "tone"]  # what brings more comes first
    losses = [lesson.loss, *(step.loss for step in lesson.steps)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(0.0, abs=1e-3)
    assert lesson.steps[1].changes == {"colour": (0.75, 0.8)}
    assert "loud" not in lesson.steps[0].changes  # the level is matched anyway
    assert lesson.as_data()["steps"][1]["changes"] == {"colour": [0.75, 0.8]}


def test_without_a_bank_there_is_no_lesson() -> None:
    assert lesson_from([], Candidate(TABLE.default, NOTE), list, TOY) is None


def test_of_equally_close_matches_one_that_plays_well_is_preferred() -> None:
    audio = ToyHost().render(TABLE.patch({"loud": 0.4, "shape": 1.0, "colour": 0.4, "fade": 0.2}), NOTE)[:1]
    target = Target("a", audio, NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0)
    truth = TABLE.patch({"loud": 0.4, "shape": 1.0, "colour": 0.4, "fade": 0.2})
    close = [Candidate(truth.with_knobs({"fade": 0.2 + moved}), NOTE) for moved in (0.0, 0.0002, 0.0004, 0.1)]

    def faults_of(bad: set[float]) -> Callable[[Candidate], int]:
        return lambda candidate: 3 if round(candidate.patch["fade"], 4) in bad else 1

    for bad, wanted, changed in (
        ({0.2, 0.2002}, 0.2004, (3, 1)),
        ({0.2, 0.2002, 0.2004}, 0.2, None),
        (set(), 0.2, None),
    ):
        with Evaluator([target], ToyHost, workers=1) as evaluator:
            judge = Judge([target], 1)
            judge.confirm(close, evaluator)
            assert judge.prefer(faults_of(bad), evaluator) == changed
            assert judge.best is not None
            assert judge.best.candidate.patch["fade"] == pytest.approx(wanted)
            assert judge.matches()[0] is judge.best
