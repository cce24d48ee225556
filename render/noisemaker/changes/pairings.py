"""Patches whose oscillators follow the pitch contours of a clip (``pitch_contours.py``)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import product

from render.instruments.hints import Hints, Partials
from render.instruments.patch import Patch
from render.noisemaker.changes.contours import FALL, Contour
from render.noisemaker.changes.lfos import Change, with_lfo
from render.noisemaker.changes.pitch_contours import find_contours, scored
from render.noisemaker.changes.whistles import whistles
from render.noisemaker.curves import BIPOLAR
from render.noisemaker.facts import PITCH_REACH, TRANSPOSITIONS, TUNE_SEMITONES
from render.noisemaker.pitches import tuning
from render.noisemaker.table import TABLE
from render.note import Note

_CLEAR_RICH, _CLEAR_PURE = 0.12, 0.3
"""Scores from which a contour counts as found, for a sound with harmonics and for one without."""
_CLEAR_SWEPT, _CLEARER, _SWEEPS = 0.35, 0.08, 6
"""The same for a sweep, how much higher its score must be than that of a still pitch, and the number of sweeps of which
the best of each waveform is tried: at this resolution they resemble each other too much to tell."""
_FIRST = 2  # contours of the louder oscillator that are tried
_MOVING = 2  # modulated contours that are tried, beside the constant one
_ON = 0.75  # level of an oscillator
RICH, PURE = ("saw", "pulse"), ("sine", "triangle")
"""Waveforms with harmonics, and those that hardly have any."""
_CUTOFFS = (1.0, 0.75, 0.5, 0.35)
_MOST = 8  # pairings of each kind that give a new patch


@dataclass(frozen=True)
class Pairing:
    """Contours for one oscillator, or for both.

    Attributes:
        kind: name of the kind of pairing.
        contours: contours by number of the oscillator; an oscillator without one is left unchanged.
        waveform2: waveform of oscillator 2; left unchanged if empty.
        alone: whether the other oscillator is switched off.
    """

    kind: str
    contours: Mapping[int, Contour]
    waveform2: str = ""
    alone: bool = field(default=False, kw_only=True)

    @property
    def moving(self) -> bool:
        """Whether one of the contours is modulated."""
        return any(contour.waveform for contour in self.contours.values())

    def played(self, patch: Patch, number: int) -> Patch:
        """A patch with these contours.

        Args:
            patch: patch to change.
            number: MIDI note number of the key.
        """
        knobs, chosen = _tuned(self.contours, number), dict[str, str | bool]()
        for index in self.contours:
            knobs[f"osc{index}volume"] = max(patch[f"osc{index}volume"], _ON)
        if self.alone:
            knobs |= {f"osc{index}volume": 0.0 for index in (1, 2) if index not in self.contours}
        if self.waveform2:
            chosen["osc2waveform"] = self.waveform2
        free = [name for name in ("lfo1", "lfo2") if not patch.sounds(f"{name}rate")]
        lfos = [*free, *(name for name in ("lfo1", "lfo2") if name not in free)]
        modulations: list[tuple[str, Contour]] = []
        both = self.contours.get(1) == self.contours.get(2)
        for index, contour in self.contours.items():
            if contour.waveform == FALL:
                knobs |= {"freeadattack": 0.0, "freeaddecay": contour.fall}
                knobs["freeadamount"] = BIPOLAR.nearest_knob(contour.semitones / PITCH_REACH)
                chosen["freeaddestination"] = f"osc{index}"
            elif contour.waveform and not (both and index == 2):
                destination = "osc1&2" if both else f"osc{index}"
                parts = (contour,) if contour.second is None else (contour, contour.second)
                modulations += [(destination, one) for one in parts]
        changed = patch.with_knobs(knobs).with_settings(chosen)
        for name, (destination, one) in zip(lfos, modulations, strict=False):
            amount = one.semitones / PITCH_REACH
            changed = with_lfo(changed, name, destination, one.hz, amount, waveform=one.waveform, phase=one.phase)
        return changed


def pairings(hints: Hints, number: int) -> Iterator[Pairing]:
    """The contours that the oscillators may follow, the clearest first.

    Args:
        hints: values estimated from the clip, its partials among them.
        number: MIDI note number of the key.
    """
    partials = hints.partials
    if partials is None:
        return
    firsts = [one for one in find_contours(partials, number, rich=True, moving=_MOVING) if one.score > _CLEAR_RICH]
    firsts = sorted(firsts, key=lambda one: -one.score)[:_FIRST]
    yield from _swept(hints, number, firsts)
    for first in firsts:
        for index in (1, 2):
            yield Pairing("one contour", {index: first})
        yield Pairing("contour of both", {1: first, 2: first})
        rest = _rest(partials, first)
        for second in find_contours(rest, number, rich=False, moving=_MOVING):
            if second.score > _CLEAR_PURE:
                for waveform in PURE:
                    yield Pairing("two contours", {1: first, 2: second}, waveform)
        for second in find_contours(rest, number, rich=True, moving=_MOVING):
            if second.score > _CLEAR_RICH:
                for waveform in RICH:
                    yield Pairing("two contours", {1: first, 2: second}, waveform)
                    yield Pairing("two contours", {1: second, 2: first}, waveform)
    for only in find_contours(partials, number, rich=False, moving=_MOVING):
        if only.score > _CLEAR_PURE:
            yield Pairing("pure contour", {2: only}, PURE[0], alone=True)


def _swept(hints: Hints, number: int, firsts: Sequence[Contour]) -> Iterator[Pairing]:
    """Contours that sweep too fast to be found among partials, for one oscillator, or beside another's contour."""
    if hints.sweeps is None:
        return
    for contour in sorted(find_swept(hints.sweeps, number), key=lambda one: -one.score):
        waveforms = RICH if contour.rich else PURE
        yield Pairing("sweep", {2: contour}, waveforms[0], alone=True)
        for first in firsts:
            yield from (Pairing("sweep and contour", {1: first, 2: contour}, waveform) for waveform in waveforms)
            if contour.rich:
                yield Pairing("sweep and contour", {1: contour, 2: first})


def is_modulated(hints: Hints, number: int) -> bool:
    """Whether a modulated pitch explains more of a clip than any still one does, or sweeps clearly.

    Args:
        hints: values estimated from the clip.
        number: MIDI note number of the key.
    """
    if hints.partials is None:
        return False
    still, *moving = find_contours(hints.partials, number, rich=True, moving=_MOVING)
    swept = hints.sweeps is not None and any(True for _ in find_swept(hints.sweeps, number))
    return swept or any(one.score > still.score for one in moving)


def find_swept(sweeps: tuple[Partials, Partials], number: int) -> Iterator[Contour]:
    """The clear contours that sweep, the best of each waveform, with harmonics and without.

    Args:
        sweeps: resemblance to tones with harmonics that sweep, and to pure ones.
        number: MIDI note number of the key.
    """
    clear_rich = math.inf
    for rich, resemblance in zip((True, False), sweeps, strict=True):
        still, *moving = find_contours(resemblance, number, rich=False, moving=_SWEEPS)
        clear = max(_CLEAR_SWEPT, still.score + _CLEARER)
        of_waveform = {one.waveform: one for one in reversed(moving) if one.score > clear}
        for one in of_waveform.values():
            yield replace(one, rich=rich)
            with_harmonics = scored(one, sweeps[0], sweeps[0].strengths)
            if with_harmonics.score > clear_rich:  # it may be the fundamental that was found
                yield replace(with_harmonics, rich=True)
        clear_rich = clear


def plain_patches(note: Note, hints: Hints) -> Iterator[Change]:
    """Plain patches made from the clip alone: the default patch with its pitch contours and a fixed filter; whistles.

    Args:
        note: key press.
        hints: values estimated from the clip.
    """
    if hints.partials is None:
        return
    silent = TABLE.default.with_knobs({f"osc{index}volume": 0.0 for index in (1, 2, 3)})
    kinds: dict[str, int] = {}
    for pairing in pairings(hints, note.number):
        kinds[pairing.kind] = kinds.get(pairing.kind, 0) + 1
        if kinds[pairing.kind] > _MOST:
            continue
        for cutoff, waveform in product(_CUTOFFS, RICH if 1 in pairing.contours else RICH[:1]):
            plain = pairing.played(silent, note.number).with_knobs({"cutoff": cutoff})
            yield f"from the clip: {pairing.kind}", plain.with_settings({"osc1waveform": waveform})
    yield from whistles(hints)


@lru_cache(maxsize=8)
def _rest(partials: Partials, contour: Contour) -> Partials:
    """The partials that are left without a sound with harmonics; cached, so that their contours are found once."""
    return partials.without(contour.keys(partials), harmonics=True)


def _tuned(contours: Mapping[int, Contour], number: int) -> dict[str, float]:
    """Tunings for the contours' keys, at the transposition that reaches them."""
    row = TABLE.parameter("transpose")
    away = {index: contour.key - number for index, contour in contours.items()}

    def badness(semitones: int) -> tuple[bool, int]:
        return max(abs(one - semitones) for one in away.values()) > TUNE_SEMITONES, abs(semitones)

    transposed = min(TRANSPOSITIONS, key=badness)
    knobs = {row.name: row.choice_knobs[TRANSPOSITIONS.index(transposed)], "oscmastertune": 0.5}
    for index, semitones in away.items():
        knobs |= tuning(index, semitones - transposed)
    return knobs
