"""Which of several sounds is used, and which belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.clip.sound import find_sound, sounding_range
from inference.clip.target import Target, read_target
from render.audio import Recording
from render.measures.golden import read_rows
from render.note import SAMPLE_RATE
from tests.paths import GOLDEN, needs_golden
from tests.signals import hiss, joined, pluck, silence, times, write


def read(folder: Path, *pieces: np.ndarray) -> Target:
    return read_target(write(folder / "clip.wav", np.asarray(joined(*pieces), np.float32)), note=45)


def tone(seconds: float) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * 220.0 * times(seconds))).astype(np.float32)


REST = silence(0.5)
SEVERAL = {
    "the note again": ((pluck(), REST, pluck()), (1.5,)),
    "four stabs": ((pluck(decay=8.0, seconds=0.2), silence(0.3)) * 4, (0.5, 1.0, 1.5)),
    "an organ key twice": ((tone(0.7), REST, tone(0.7)), (1.2,)),
    "a melody": ((pluck(262.0, 0.5), REST, 0.6 * pluck(330.0, 0.5), REST, pluck(392.0, 0.5)), (1.0, 2.0)),
    "a softer note at another pitch": ((pluck(), REST, 0.5 * pluck(165.0)), (1.5,)),
    "a louder one later": ((0.3 * pluck(), REST, pluck()), (1.5,)),
    "one after a long time": ((pluck(), silence(8.0), 0.5 * pluck()), (9.0,)),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_of_several_key_presses_the_first_is_used(tmp_path: Path, name: str) -> None:
    pieces, others = SEVERAL[name]
    target = read(tmp_path, *pieces)
    assert target.onset_seconds == 0.0
    assert target.events == pytest.approx(others, abs=0.01)
    assert target.note.seconds <= len(pieces[0]) / SAMPLE_RATE + 0.26
    (notice,) = target.notices
    assert notice.startswith("the first sound, at 0.00 s, is used; ")
    assert all(f"{other:.2f}" in notice for other in others)


def test_in_hiss_too(tmp_path: Path) -> None:
    clip = joined(REST, pluck(), REST, pluck(), REST)
    target = read(tmp_path, clip + hiss(3.5, -50.0))
    assert target.onset_seconds == pytest.approx(0.5, abs=0.005)
    assert target.events == pytest.approx((2.0,), abs=0.015)


@pytest.mark.parametrize("first_seconds", [0.0, 0.3])
def test_a_soft_sound_before_the_one_that_is_meant_is_left_out(tmp_path: Path, first_seconds: float) -> None:
    bump = 0.05 * pluck(60.0, 0.2, decay=20.0)
    target = read(tmp_path, silence(first_seconds), bump, silence(1.0), pluck())
    assert target.onset_seconds == pytest.approx(first_seconds + 1.2, abs=0.005)
    assert target.events == pytest.approx((first_seconds,), abs=0.01)
    assert "first loud sound" in target.notices[0]


@pytest.mark.parametrize("clicks", [1, 4])
def test_clicks_that_silence_follows_are_left_out(tmp_path: Path, clicks: int) -> None:
    click = (0.9 * np.ones(1, np.float32), silence(0.5))
    target = read(tmp_path, *click * clicks, pluck())
    assert target.onset_seconds == pytest.approx(0.5 * clicks, abs=0.005)
    assert "clicks before the sound are left out" in target.notices


def test_a_click_that_a_key_press_begins_with_is_kept(tmp_path: Path) -> None:
    swell = np.linspace(0.0, 1.0, SAMPLE_RATE, dtype=np.float32) ** 4 * tone(1.0)
    assert read(tmp_path, 0.5 * np.ones(1, np.float32), swell).onset_seconds == 0.0


def test_a_late_sound_is_found_and_said(tmp_path: Path) -> None:
    target = read(tmp_path, silence(100.0), pluck())
    assert target.onset_seconds == pytest.approx(100.0, abs=0.005)
    assert target.notices == ("the sound begins at 100.00 s",)


def test_a_notice_does_not_list_every_one_of_many(tmp_path: Path) -> None:
    (notice,) = read(tmp_path, *(pluck(decay=8.0), REST) * 9).notices
    assert notice.endswith("others begin at 1.50, 3.00, 4.50, 6.00, 7.50 s and 3 later times")


def echoes(gain: float, count: int = 5) -> np.ndarray:
    dry = joined(pluck(220.0, 0.15, decay=20.0), silence(2.0))
    return np.sum([np.roll(dry, round(0.4 * k * SAMPLE_RATE)) * gain**k for k in range(count)], axis=0)


SWELL = tone(1.5) * np.sin(np.pi * times(1.5) / 1.5) ** 2
ONE = {
    "an echo": echoes(0.6),
    "a long echo": echoes(0.85),
    "one echo": echoes(0.5, 2),
    "a tremolo": tone(3.0) * (0.5 + 0.5 * np.cos(2 * np.pi * times(3.0))),
    "a gate": tone(3.0) * ((2.0 * times(3.0)) % 1.0 < 0.5),
    "a gate over a decay": tone(3.0) * np.exp(-times(3.0)) * ((3.0 * times(3.0)) % 1.0 < 0.5),
    "an arpeggio": joined(*[pluck(hertz, 0.125, 2.0) for hertz in (220, 277, 330, 440)] * 4),
    "two swells": joined(SWELL, SWELL),
    "two swells and a short rest": joined(SWELL, silence(0.2), SWELL),
}


@pytest.mark.parametrize("name", ONE)
def test_what_one_key_press_can_make_stays_together(tmp_path: Path, name: str) -> None:
    target = read(tmp_path, ONE[name])
    assert target.events == ()
    heard = np.flatnonzero(np.abs(ONE[name]) > 1e-3)[-1] / SAMPLE_RATE
    assert target.onset_seconds < 0.02
    assert target.onset_seconds + target.note.seconds > heard
    assert all("echoes" in notice for notice in target.notices)


@needs_golden
def test_no_render_of_the_plug_in_is_cut_but_by_its_own_silence() -> None:
    """A third of the factory presets and whole patches: onset and end are those that their levels alone give."""
    rows = [row for row in read_rows(GOLDEN) if row.group in ("factory", "whole") and row.audible][::3]
    changed = []
    for row in rows:
        audio = row.audio()
        start, stop = sounding_range(audio)
        sound = find_sound(Recording(audio, SAMPLE_RATE, row.note.seconds), row.name)
        if (sound.onset_seconds, sound.audio.shape[1]) != (start / SAMPLE_RATE, min(stop - start, 4 * SAMPLE_RATE)):
            changed.append(row.stem)
    assert len(rows) > 90
    assert changed == []
