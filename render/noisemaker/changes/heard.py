"""Patches whose oscillators follow the courses of pitch that are heard in a clip (``courses.py``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

from render.instruments.hints import Hints, Partials
from render.instruments.patch import Patch
from render.noisemaker.changes.courses import FALL, Course, courses
from render.noisemaker.curves import BIPOLAR
from render.noisemaker.facts import PITCH_REACH, TRANSPOSITIONS, TUNE_SEMITONES
from render.noisemaker.routes import SOURCES
from render.noisemaker.table import TABLE
from render.note import Note

Change = tuple[str, Patch]
"""What is changed, as one word for every change of the same kind, and the changed patch."""

_CLEAR_RICH, _CLEAR_PURE = 0.12, 0.3
"""Scores from which a course of a sound with harmonics, or of one without, is believed."""
_FIRST = 2  # courses of the louder oscillator that are tried
_MOVING = 2  # moving courses that are tried, beside the still one
_ON = 0.75  # level of an oscillator
_RICH, _PURE = ("saw", "pulse"), ("sine", "triangle")
_CUTOFFS = (1.0, 0.75, 0.5, 0.35)
_MOST = 8  # pairings of which a new patch is made


@dataclass(frozen=True)
class Pairing:
    """Courses of one oscillator, or of both.

    Attributes:
        kind: one word for pairings of the same kind.
        heard: by number of the oscillator; the other one is left as it is.
        waveform2: waveform of oscillator 2; left as it is where empty.
        alone: whether the other oscillator is switched off.
    """

    kind: str
    heard: Mapping[int, Course]
    waveform2: str = ""
    alone: bool = field(default=False, kw_only=True)

    @property
    def moving(self) -> bool:
        """Whether some course moves."""
        return any(course.waveform for course in self.heard.values())

    def played(self, patch: Patch, number: int) -> Patch:
        """A patch with these courses.

        Args:
            patch: patch that is changed.
            number: MIDI note number of the key.
        """
        knobs, chosen = _tuned(self.heard, number), dict[str, str | bool]()
        for index in self.heard:
            knobs[f"osc{index}volume"] = max(patch[f"osc{index}volume"], _ON)
        if self.alone:
            knobs |= {f"osc{index}volume": 0.0 for index in (1, 2) if index not in self.heard}
        if self.waveform2:
            chosen["osc2waveform"] = self.waveform2
        free = [name for name in ("lfo1", "lfo2") if not patch.sounds(f"{name}rate")]
        lfos = [*free, *(name for name in ("lfo1", "lfo2") if name not in free)]
        both = self.heard.get(1) == self.heard.get(2)
        for index, course in self.heard.items():
            if course.waveform == FALL:
                knobs |= {"freeadattack": 0.0, "freeaddecay": course.fall}
                knobs["freeadamount"] = BIPOLAR.nearest_knob(course.semitones / PITCH_REACH)
                chosen["freeaddestination"] = f"osc{index}"
            elif course.waveform and not (both and index == 2):
                for one in (course,) if course.second is None else (course, course.second):
                    if not lfos:
                        break
                    name = lfos.pop(0)
                    rate = TABLE.parameter(f"{name}rate")
                    knobs |= {
                        SOURCES[name].amount: BIPOLAR.nearest_knob(one.semitones / PITCH_REACH),
                        rate.name: rate.curve.nearest_knob(one.hz),
                        f"{name}phase": one.phase,
                    }
                    chosen |= {
                        SOURCES[name].destination: "osc1&2" if both else f"osc{index}",
                        f"{name}waveform": one.waveform,
                        f"{name}sync": False,
                        f"{name}keytrigger": True,
                    }
        return patch.with_knobs(knobs).with_settings(chosen)


def pairings(partials: Partials, number: int) -> Iterator[Pairing]:
    """The courses that the oscillators may follow, the clearest first.

    Args:
        partials: where the partials of the clip lie.
        number: MIDI note number of the key.
    """
    firsts = [one for one in courses(partials, number, rich=True, moving=_MOVING) if one.score > _CLEAR_RICH]
    for first in sorted(firsts, key=lambda one: -one.score)[:_FIRST]:
        for index in (1, 2):
            yield Pairing("one course", {index: first})
        yield Pairing("course of both", {1: first, 2: first})
        rest = _rest(partials, first)
        for second in courses(rest, number, rich=False, moving=_MOVING):
            if second.score > _CLEAR_PURE:
                for waveform in _PURE:
                    yield Pairing("two courses", {1: first, 2: second}, waveform)
        for second in courses(rest, number, rich=True, moving=_MOVING):
            if second.score > _CLEAR_RICH:
                for waveform in _RICH:
                    yield Pairing("two courses", {1: first, 2: second}, waveform)
                    yield Pairing("two courses", {1: second, 2: first}, waveform)
    for only in courses(partials, number, rich=False, moving=_MOVING):
        if only.score > _CLEAR_PURE:
            yield Pairing("pure course", {2: only}, _PURE[0], alone=True)


def heard(note: Note, hints: Hints) -> Iterator[Change]:
    """Plain patches of what is heard alone: the default patch with the courses and a still filter.

    Args:
        note: key press.
        hints: what was heard in the clip.
    """
    if hints.partials is None:
        return
    silent = TABLE.default.with_knobs({f"osc{index}volume": 0.0 for index in (1, 2, 3)})
    kinds: dict[str, int] = {}
    for pairing in pairings(hints.partials, note.number):
        kinds[pairing.kind] = kinds.get(pairing.kind, 0) + 1
        if kinds[pairing.kind] > _MOST:
            continue
        for cutoff, waveform in product(_CUTOFFS, _RICH if 1 in pairing.heard else _RICH[:1]):
            plain = pairing.played(silent, note.number).with_knobs({"cutoff": cutoff})
            yield f"heard: {pairing.kind}", plain.with_settings({"osc1waveform": waveform})


@lru_cache(maxsize=8)
def _rest(partials: Partials, course: Course) -> Partials:
    """The partials that a sound with harmonics does not explain; kept, so that its courses are found once."""
    return partials.without(course.keys(partials), harmonics=True)


def _tuned(heard: Mapping[int, Course], number: int) -> dict[str, float]:
    """Tunings for the courses' keys, at the transposition that reaches them."""
    row = TABLE.parameter("transpose")
    away = {index: course.key - number for index, course in heard.items()}

    def badness(semitones: int) -> tuple[bool, int]:
        return max(abs(one - semitones) for one in away.values()) > TUNE_SEMITONES, abs(semitones)

    transposed = min(TRANSPOSITIONS, key=badness)
    knobs = {row.name: row.choice_knobs[TRANSPOSITIONS.index(transposed)], "oscmastertune": 0.5}
    for index, semitones in away.items():
        tune = TABLE.parameter(f"osc{index}tune")
        whole = min(max(round(semitones - transposed), -TUNE_SEMITONES), TUNE_SEMITONES)
        knobs[tune.name] = tune.choice_knobs[whole + TUNE_SEMITONES]
        knobs[f"osc{index}finetune"] = min(max(0.5 + 0.5 * (semitones - transposed - whole), 0.0), 1.0)
    return knobs
