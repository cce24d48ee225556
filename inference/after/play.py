"""Trials of a match at other notes and velocities: whether it is silent, clipped or out of tune there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.candidate import Candidate
from inference.evaluate import Evaluator
from render.audio import Audio
from render.note import HIGHEST_NOTE, LOWEST_NOTE, SAMPLE_RATE, Note

_OCTAVES = (-12, 0, 12)
_VELOCITIES = (40, 100, 127)
_SILENT_DB = 60.0  # below the loudest of the trials
_CLIPPED_PEAK = 1.0
_OUT_OF_TUNE_CENTS = 60.0
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 12_000.0
_STEP_CENTS = 5
_FARTHEST_CENTS = 500
_ALIKE = 0.6  # correlation of the partials of two octaves; white noise has 0.45, a saw 0.92, a low one may be anything


@dataclass(frozen=True)
class Trial:
    """A match played on one key at one velocity.

    Attributes:
        note: MIDI note number, of a chord its lowest.
        velocity: MIDI velocity.
        peak: largest absolute sample, 1 for full scale; 0 if the render failed.
        silent: whether the sound is nearly silent.
        cents: deviation in cents from the expected interval to the clip's note; None if unknown.
    """

    note: int
    velocity: int
    peak: float
    silent: bool
    cents: float | None = None

    @property
    def clipped(self) -> bool:
        """Whether the sound is above full scale."""
        return self.peak > _CLIPPED_PEAK

    @property
    def out_of_tune(self) -> bool:
        """Whether the sound is more than half a semitone from its expected pitch."""
        return self.cents is not None and abs(self.cents) > _OUT_OF_TUNE_CENTS

    @property
    def fault(self) -> str:
        """A description of the fault; empty if there is none."""
        return "silent" if self.silent else "clips" if self.clipped else "out of tune" if self.out_of_tune else ""


def try_out(evaluator: Evaluator, candidate: Candidate, *, pitched: bool) -> tuple[Trial, ...]:
    """Play a match on three octaves and at three velocities.

    Args:
        evaluator: renders it.
        candidate: the match, with the clip's note.
        pitched: whether the clip has a pitch, without which nothing can be out of tune.
    """
    base = candidate.note
    octaves = [o for o in _OCTAVES if base.number + o >= LOWEST_NOTE and base.highest + o <= HIGHEST_NOTE]
    numbers = [base.number + octave for octave in octaves]
    notes = [replace(base, number=number, velocity=velocity) for number in numbers for velocity in _VELOCITIES]
    rendered = evaluator.render(replace(candidate, note=note) for note in notes)
    audios = [audios[0] if audios is not None else None for audios in rendered]
    peaks = [float(np.abs(audio).max(initial=0.0)) if audio is not None else 0.0 for audio in audios]
    limit = max(peaks) * 10.0 ** (-_SILENT_DB / 20.0)
    loud = {note.number: audio for note, audio in zip(notes, audios, strict=True) if note.velocity == _VELOCITIES[1]}
    reference = loud[base.number] if pitched else None
    cents = {number: _cents(reference, audio, number - base.number, base) for number, audio in loud.items()}
    return tuple(
        Trial(note.number, note.velocity, peak, peak <= limit, cents[note.number] if peak > limit else None)
        for note, peak in zip(notes, peaks, strict=True)
    )


def faults(evaluator: Evaluator, candidate: Candidate, *, pitched: bool) -> int:
    """How many of the keys and velocities of ``try_out`` have a fault."""
    return sum(bool(trial.fault) for trial in try_out(evaluator, candidate, pitched=pitched))


def sentences(trials: Sequence[Trial]) -> Iterator[str]:
    """Notices about the trials, one sentence for each fault."""
    for fault in ("silent", "clips", "out of tune"):
        where = [trial for trial in trials if trial.fault == fault]
        if not where:
            continue
        keys: dict[int, list[int]] = {}
        for trial in where:
            keys.setdefault(trial.note, []).append(trial.velocity)
        every = len({trial.velocity for trial in trials})
        texts = [
            Note.name(key) if len(found) == every else f"{Note.name(key)} at velocity {', '.join(map(str, found))}"
            for key, found in keys.items()
        ]
        yield f"{'is ' if fault != 'clips' else ''}{fault} on {' and '.join(texts)}"


def _cents(base: Audio | None, other: Audio | None, semitones: int, note: Note) -> float | None:
    """Deviation in cents of a sound from another one transposed by some semitones."""
    if base is None or other is None or semitones == 0 or not base.any() or not other.any():
        return None
    n_held = min(round(note.gate_seconds * SAMPLE_RATE), SAMPLE_RATE, base.shape[1], other.shape[1])
    here, there = (_partials(audio[:, :n_held]) for audio in (base, other))
    expected = semitones * 100 // _STEP_CENTS
    reach = _FARTHEST_CENTS // _STEP_CENTS
    alike = [_alike(here, there, expected + shift) for shift in range(-reach, reach + 1)]
    best = int(np.argmax(alike))
    return float((best - reach) * _STEP_CENTS) if alike[best] >= _ALIKE else None


def _partials(audio: Audio) -> NDArray[np.float64]:
    """Prominence of each frequency over its surroundings, on a logarithmic frequency axis."""
    mono = audio.mean(axis=0, dtype=np.float64) * np.hanning(audio.shape[1])
    power = np.abs(np.fft.rfft(mono, 1 << 17)) ** 2
    count = int(1200.0 * np.log2(_HIGHEST_HZ / _LOWEST_HZ) / _STEP_CENTS)
    if not power.any():  # nothing is heard while the key is held, or the sides cancel each other
        return np.zeros(count)
    hertz = _LOWEST_HZ * 2.0 ** (np.arange(count) * _STEP_CENTS / 1200.0)
    levels = 10.0 * np.log10(np.interp(hertz, np.fft.rfftfreq(1 << 17, 1.0 / SAMPLE_RATE), power) + power.max() * 1e-8)
    width = 1200 // _STEP_CENTS
    wide = np.pad(levels, (width // 2, width - width // 2 - 1), "edge")
    around = np.convolve(wide, np.full(width, 1.0 / width), "valid")
    partials: NDArray[np.float64] = np.maximum(levels - around, 0.0)
    return partials


def _alike(here: NDArray[np.float64], there: NDArray[np.float64], shift: int) -> float:
    """Correlation of one spectrum with another that is some steps higher."""
    one, other = (here[: len(here) - shift], there[shift:]) if shift >= 0 else (here[-shift:], there[:shift])
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size > 0.0 else 0.0
