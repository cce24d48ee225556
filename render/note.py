"""The note or chord that a patch is played with."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Self

from render.errors import OutOfRange

SAMPLE_RATE = 44100
"""Hertz. The instrument's formulas and all renders are at this rate."""

MAX_SECONDS = 60.0

LOWEST_NOTE, HIGHEST_NOTE = 0, 127
"""MIDI note numbers."""

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "##": 2, "b": -1, "bb": -2}
_SPELLINGS = str.maketrans({"♯": "#", "♭": "b", "♮": "", "𝄪": "##", "𝄫": "bb", "−": "-"})  # noqa: RUF001
Keys = int | tuple[int, ...]
"""A MIDI note number, or those of a chord."""

_ALLOWED = "0 to 127, or a name from C-1 to G9 such as C4 (60), F#2 or Bb-1"


@dataclass(frozen=True, slots=True)
class Note:
    """One key press, or a chord: several keys that are pressed and released together.

    Attributes:
        number: MIDI note number, 0 to 127 (60 is middle C, 261.6 Hz); of a chord, the lowest.
        velocity: MIDI velocity, 1 to 127.
        gate_seconds: how long the key is held, above 0.
        seconds: length of the render, from the key press, above 0 and at most ``MAX_SECONDS``.
        chord: the other keys of a chord in semitones above ``number``, ascending; so ``number`` moves all of them.

    Raises:
        OutOfRange: for a value outside these ranges, or one that is not finite.
    """

    number: int
    velocity: int = 100
    gate_seconds: float = 1.0
    seconds: float = 2.0
    chord: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, low in (("number", 0), ("velocity", 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or not low <= int(value) <= 127:
                raise OutOfRange(f"note {name}", value, f"whole numbers {low} to 127")
        for name in ("gate_seconds", "seconds"):
            value = getattr(self, name)
            if not math.isfinite(value) or not 0.0 < value <= MAX_SECONDS:
                raise OutOfRange(name, value, f"above 0, at most {MAX_SECONDS:g} s")
        if self.chord:
            self._check_chord()

    def _check_chord(self) -> None:
        above = (0, *self.chord)
        whole = all(isinstance(one, numbers.Integral) for one in above)
        if not whole or any(here >= there for here, there in pairwise(above)) or self.highest > HIGHEST_NOTE:
            raise OutOfRange(
                "chord", self.chord, f"ascending semitones above the lowest key, up to note {HIGHEST_NOTE}"
            )

    def __repr__(self) -> str:
        """As of any dataclass, but a single key has no chord: kept files hold hashes of these texts."""
        names = ("number", "velocity", "gate_seconds", "seconds", *(["chord"] if self.chord else []))
        return f"Note({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    @classmethod
    def of(
        cls, keys: int | Sequence[int], velocity: int = 100, gate_seconds: float = 1.0, seconds: float = 2.0
    ) -> Self:
        """A note of one key, or of several in any order.

        Example:
            >>> Note.of([64, 60, 67]).chord
            (4, 7)

        Raises:
            OutOfRange: for a value outside its range, no key, or one that is there twice.
        """
        several = sorted(keys) if isinstance(keys, Sequence) else [keys]
        if not several or len(set(several)) < len(several):
            raise OutOfRange("keys", several, "one or more, all different")
        chord = tuple(key - several[0] for key in several[1:])
        return cls(several[0], velocity, gate_seconds, seconds, chord)

    def as_data(self) -> dict[str, Any]:
        """All fields as JSON-ready data; ``from_data`` reads it."""
        return asdict(self) | {"chord": list(self.chord)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read ``as_data``, also as it was before there were chords.

        Raises:
            OutOfRange: for a value outside its range.
            TypeError: for an unknown field, or a chord that is no list.
        """
        return cls(**{**data, "chord": tuple(data.get("chord", ()))})

    @staticmethod
    def parse(text: str) -> int:
        """Read a MIDI note number, or a note's name in scientific pitch notation, where C4 is 60.

        Letters may be of either case; sharps are ``#`` or ``♯``, flats ``b`` or ``♭``, and both may be doubled.

        Example:
            >>> Note.parse("60"), Note.parse("C4"), Note.parse("F#2"), Note.parse("B♭-1")
            (60, 60, 42, 10)

        Raises:
            OutOfRange: for any other text, or a note outside 0 to 127.
        """
        plain = str(text).strip().translate(_SPELLINGS)
        if re.fullmatch(r"[0-9]{1,3}", plain):
            number = int(plain)
        else:
            name = re.fullmatch(r"([A-Ga-g])(##?|bb?)?(-?[0-9]{1,2})", plain)
            if name is None:
                raise OutOfRange("note", _shortened(text), _ALLOWED)
            letter, accidental, octave = name.groups(default="")
            number = _NATURALS[letter.upper()] + _ACCIDENTALS[accidental] + 12 * (int(octave) + 1)
        if not 0 <= number <= 127:
            raise OutOfRange("note", _shortened(text), _ALLOWED)
        return number

    @staticmethod
    def name(number: int) -> str:
        """Name of a MIDI note number, with sharps; the inverse of ``parse``.

        Example:
            >>> Note.name(60), Note.name(10)
            ('C4', 'A#-1')

        Raises:
            OutOfRange: for anything but a whole number from 0 to 127.
        """
        if not isinstance(number, numbers.Integral) or not 0 <= int(number) <= 127:
            raise OutOfRange("note number", number, "whole numbers 0 to 127")
        return f"{_NAMES[int(number) % 12]}{int(number) // 12 - 1}"

    @property
    def keys(self) -> tuple[int, ...]:
        """MIDI note numbers of all keys, ascending."""
        return (self.number, *(self.number + above for above in self.chord))

    @property
    def as_keys(self) -> Keys:
        """The key, or all keys of a chord, in the form that ``of`` takes."""
        return self.keys if self.chord else self.number

    @property
    def highest(self) -> int:
        """MIDI note number of the highest key."""
        return self.number + (self.chord[-1] if self.chord else 0)

    @property
    def title(self) -> str:
        """Names of all keys: ``C4``, or ``C4 E4 G4``."""
        return " ".join(map(self.name, self.keys))

    @property
    def n_samples(self) -> int:
        """Length of the render in samples at ``SAMPLE_RATE``."""
        return max(1, round(self.seconds * SAMPLE_RATE))

    @property
    def frequency_hz(self) -> float:
        """Frequency of the key, of a chord the lowest: equal temperament, A4 = 440 Hz."""
        return 440.0 * math.exp2((self.number - 69) / 12)


def _shortened(text: object) -> str:
    shown = str(text)
    return shown if len(shown) <= 40 else shown[:37] + "..."
