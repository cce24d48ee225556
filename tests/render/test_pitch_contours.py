"""Pitch contours are found among the partials of sounds whose contours are known, and patches play them."""

from __future__ import annotations

import numpy as np
import pytest

from inference.clip.hints import estimate_hints
from inference.clip.partials import find_partials
from render.instruments.hints import Hints
from render.measures.metrics import mss
from render.noisemaker.changes import pitch_contours, strengths
from render.noisemaker.changes.contours import FALL, Contour
from render.noisemaker.changes.lfos import vibratos
from render.noisemaker.changes.modulators import modulators
from render.noisemaker.changes.pairings import Pairing, pairings, plain_patches
from render.noisemaker.changes.pitch_contours import find_contours
from render.noisemaker.facts import PITCH_REACH
from render.noisemaker.hosts import open_host
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

NOTE = Note(60, 100, 0.9, 1.0)
PLAIN = TABLE.patch({"osc1volume": 0.8, "osc1tune": 0.5, "osc3volume": 0.0})


def played(patch: object, note: Note = NOTE) -> np.ndarray:
    host = open_host("embedded")
    try:
        return host.render(patch, note)  # type: ignore[arg-type]
    finally:
        host.close()


def contour(semitones: float = 7.0, **changed: object) -> Contour:
    settings: dict[str, object] = {"waveform": "rectangle", "hz": 3.0, "semitones": semitones} | changed
    return Contour(60.0, True, 0.0, **settings)  # type: ignore[arg-type]


def test_a_still_pitch_is_found() -> None:
    partials = find_partials(played(PLAIN), NOTE.gate_seconds)
    still = find_contours(partials, NOTE.number, rich=True, moving=2)[0]
    assert (still.key, still.waveform) == (60.0, "")
    assert still.score > 0.6


def test_two_still_pitches_are_no_rectangle() -> None:
    """The pulse of one of them is modulated, so that now the one and now the other is louder."""
    note = Note(70, 127, 0.9, 1.0)
    moving = PLAIN.with_knobs({"osc2volume": 0.8}).with_settings(
        {"osc1waveform": "pulse", "osc2waveform": "pulse", "osc2tune": "+14", "filtertype": "LP 24", "cutoff": 952.0}
        | {"lfo1destination": "pulse width", "lfo1waveform": "triangle", "lfo1rate": 1.0, "lfo1amount": 0.83}
        | {"lfo1keytrigger": "on"}
    )
    partials = find_partials(played(moving, note), note.gate_seconds)
    found = find_contours(partials, note.number, rich=True, moving=4)
    assert (found[0].waveform, found[0].key) == ("", 70.0)
    assert not any(one.waveform == "rectangle" or one.score > found[0].score for one in found[1:])


@pytest.mark.parametrize(
    "wanted",
    [contour(), contour(waveform="saw", hz=1.5, semitones=-5.0), contour(waveform="sine", hz=2.0, semitones=3.0)],
    ids=lambda one: one.waveform,
)
def test_an_lfo_on_the_pitch_is_found(wanted: Contour) -> None:
    patch = Pairing("one", {1: wanted}).played(PLAIN, NOTE.number)
    partials = find_partials(played(patch), NOTE.gate_seconds)
    still, *moving = find_contours(partials, NOTE.number, rich=True, moving=3)
    found = moving[0]
    assert found.score > still.score
    assert found.waveform == wanted.waveform
    assert found.hz == pytest.approx(wanted.hz, rel=0.06)
    assert found.semitones == pytest.approx(wanted.semitones, abs=0.7)
    assert found.key == pytest.approx(wanted.key, abs=0.4)


@pytest.mark.parametrize(
    "wanted",
    [contour(waveform="sine", hz=6.0, semitones=0.12), contour(waveform="triangle", hz=3.0, semitones=0.4)],
    ids=lambda one: one.waveform,
)
def test_a_faint_vibrato_is_found(wanted: Contour) -> None:
    patch = Pairing("one", {1: wanted}).played(PLAIN, NOTE.number)
    partials = find_partials(played(patch), NOTE.gate_seconds)
    bends = strengths.pitch_bends(partials)[3:-3]
    assert np.ptp(bends) == pytest.approx(2.0 * wanted.semitones, rel=0.2)
    _, best = next(vibratos(PLAIN, partials))
    assert best.choice("lfo1destination") == "osc1&2"
    for name, expected in (("lfo1rate", wanted.hz), ("lfo1amount", wanted.semitones / PITCH_REACH)):
        assert TABLE.parameter(name).curve.setting(best[name]) == pytest.approx(expected, rel=0.2)


def test_a_still_pitch_has_no_vibrato() -> None:
    partials = find_partials(played(PLAIN), NOTE.gate_seconds)
    assert np.abs(strengths.pitch_bends(partials)[3:-3]).max() < 0.03


@pytest.mark.parametrize(("cutoff", "rise"), [(0.35, 0.0), (0.25, 0.2)])
def test_a_filter_that_oscillates_by_itself_is_found(cutoff: float, rise: float) -> None:
    silent = TABLE.patch({"osc1volume": 0.0, "osc3volume": 0.0, "resonance": 1.0, "cutoff": cutoff})
    rising = silent.with_knobs({"filtercontour": 0.5 + 0.5 * rise ** (1 / 3), "filterattack": 0.6})
    note = Note(50, 100, 1.4, 1.5)
    clip = played(rising, note)
    hints = estimate_hints(clip, note.gate_seconds)
    found = [patch for kind, patch in plain_patches(note, hints) if kind == "from the clip: whistle"]
    assert len(found) == (2 + len(hints.delays_seconds) if rise else 1)
    distances = [mss(clip, played(patch, note), SAMPLE_RATE) for patch in found]
    assert min(distances) < (2.5 if rise else 0.5)
    assert found[0]["resonance"] == 1.0
    assert not any(found[0].sounds(f"osc{index}finetune") for index in (1, 2))


def test_the_free_ad_on_the_pitch_is_found() -> None:
    wanted = Contour(60.0, True, 0.0, waveform=FALL, fall=0.45, semitones=12.0)
    patch = Pairing("one", {1: wanted}).played(PLAIN, NOTE.number)
    found = find_contours(find_partials(played(patch), NOTE.gate_seconds), NOTE.number, rich=True, moving=3)
    falls = [one for one in found if one.waveform == FALL]
    assert falls
    assert falls[0].semitones == pytest.approx(12.0, abs=1.5)
    assert falls[0].fall == pytest.approx(0.45, abs=0.08)


def test_the_second_oscillator_is_heard_beside_the_first() -> None:
    still = Contour(60.0, True, 0.0)
    moving = Contour(67.0, False, 0.0, waveform="rectangle", hz=3.0, semitones=4.0)
    patch = Pairing("two", {1: still, 2: moving}, "sine").played(PLAIN, NOTE.number)
    hints = estimate_hints(played(patch), NOTE.gate_seconds)
    assert hints.partials is not None
    found = [pairing.contours for pairing in pairings(hints, NOTE.number)]
    seconds = [contours[2] for contours in found if set(contours) == {1, 2}]
    close = [
        one
        for one in seconds
        if one.waveform == "rectangle" and abs(one.hz - 3.0) < 0.2 and abs(abs(one.semitones) - 4.0) < 0.5
    ]
    assert close


def test_patches_of_what_is_heard_are_plain_and_have_its_pitches() -> None:
    hints = estimate_hints(played(PLAIN), NOTE.gate_seconds)
    found = list(plain_patches(NOTE, hints))
    assert found
    assert all(kind.startswith("from the clip") for kind, _ in found)
    assert any(patch.choice("osc1tune") == "0" and patch["osc1volume"] > 0.0 for _, patch in found)
    assert all(patch["reverbwet"] == 0.0 for _, patch in found)
    assert list(plain_patches(NOTE, Hints())) == []


def test_the_strengths_of_a_beginning_are_the_beginning_of_the_strengths(monkeypatch: pytest.MonkeyPatch) -> None:
    partials = find_partials(played(PLAIN), NOTE.gate_seconds)
    early = partials.first(0.3)
    at, beginning = (strengths.at_all_keys(one.strengths, one.per_semitone) for one in (partials, early))
    step = partials.per_semitone
    low = strengths.MARGIN * step + 100
    places, swept, frames = np.array([[low, low + 1, low + 7]]), np.array([[2, 3, 2]]), np.array([7, 8, 11])
    found = at.along(places, swept, frames)
    np.testing.assert_array_equal(found, beginning.along(places, swept, frames))
    assert step == 4
    widest = [partials.strengths[s, f, k - 2 : k + 3].max() for s, f, k in ((2, 7, 100), (3, 8, 101), (2, 11, 107))]
    assert found[0, 0] == pytest.approx(np.mean(widest))
    semitone = [partials.strengths[s, f, k + 2 : k + 7].max() for s, f, k in ((2, 7, 100), (3, 8, 101), (2, 11, 107))]
    assert found[0, 1] == pytest.approx(np.mean(semitone))
    calls: list[int] = []

    def counted(*given: object) -> object:
        calls.append(1)
        return at

    monkeypatch.setattr(pitch_contours, "at_all_keys", counted)
    find_contours.cache_clear()
    find_contours(partials, NOTE.number, rich=False, moving=3)
    assert len(calls) == 1


def test_a_course_beyond_the_tuning_is_reached_by_the_transposition() -> None:
    patch = Pairing("one", {1: Contour(60.0 + 30.0, True, 0.0)}).played(PLAIN, NOTE.number)
    assert int(patch.choice("osc1tune")) + int(patch.choice("transpose")) == 30


@pytest.mark.parametrize("wanted", [("sine", 2.0, 0.0), ("rectangle", 3.0, 0.25), ("saw", 1.6, 0.5)])
def test_an_lfo_that_resembles_a_course_of_levels(wanted: tuple[str, float, float]) -> None:
    waveform, hz, phase = wanted
    cycles = hz * np.arange(400) / 200.0 + phase
    shapes = {
        "sine": np.sin(2.0 * np.pi * cycles),
        "rectangle": np.sign(0.5 - cycles % 1.0),
        "saw": 2.0 * (cycles % 1.0) - 1.0,
    }
    best = modulators(tuple((0.5 - 0.2 * shapes[waveform] + 0.001 * np.arange(400)).tolist()), 2.0, 2.0, 3)[0][0]
    assert best.waveform == waveform
    assert best.hz == pytest.approx(hz, rel=0.05)
    assert best.score > 0.9
    same_phase = min((best.phase - phase) % 1.0, (phase - best.phase) % 1.0) < 0.1
    assert best.semitones == (-1.0 if same_phase else 1.0)


def test_too_short_a_course_resembles_nothing() -> None:
    assert modulators((0.0,) * 8, 0.04, 0.04, 3) == ()


def test_two_lfos_that_resemble_a_course_together() -> None:
    seconds = np.arange(400) / 200.0
    sine, saw = np.sin(2.0 * np.pi * (3.1 * seconds + 0.06)), 2.0 * (1.3 * seconds % 1.0) - 1.0
    found = modulators(tuple((0.5 + 0.2 * sine - 0.1 * saw).tolist()), 2.0, 2.0, 3)
    first, second = next(lfos for lfos in found if [lfo.waveform for lfo in lfos] == ["sine", "saw"])
    assert (first.hz, second.hz) == (pytest.approx(3.1, rel=0.03), pytest.approx(1.3, rel=0.03))
    assert first.score > 0.98
    assert abs(second.semitones) == pytest.approx(0.5, rel=0.15)
