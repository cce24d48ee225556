"""The note that a patch is played with."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass

from render.errors import OutOfRange

SAMPLE_RATE = 44100
"""Hertz. The instrument's formulas and all renders are at this rate."""

MAX_SECONDS = 60.0

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "##": 2, "b": -1, "bb": -2}
_SPELLINGS = str.maketrans({"♯": "#", "♭": "b", "♮": "", "𝄪": "##", "𝄫": "bb", "−": "-"})  # noqa: RUF001
_ALLOWED = "0 to 127, or a name from C-1 to G9 such as C4 (60), F#2 or Bb-1"


@dataclass(frozen=True, slots=True)
class Note:
    """One key press.

    Attributes:
        number: MIDI note number, 0 to 127 (60 is middle C, 261.6 Hz).
        velocity: MIDI velocity, 1 to 127.
        gate_seconds: how long the key is held, above 0.
        seconds: length of the render, from the key press, above 0 and at most ``MAX_SECONDS``.

    Raises:
        OutOfRange: for a value outside these ranges, or one that is not finite.
    """

    number: int
    velocity: int = 100
    gate_seconds: float = 1.0
    seconds: float = 2.0

    def __post_init__(self) -> None:
        for name, low in (("number", 0), ("velocity", 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or not low <= int(value) <= 127:
                raise OutOfRange(f"note {name}", value, f"whole numbers {low} to 127")
        for name in ("gate_seconds", "seconds"):
            value = getattr(self, name)
            if not math.isfinite(value) or not 0.0 < value <= MAX_SECONDS:
                raise OutOfRange(name, value, f"above 0, at most {MAX_SECONDS:g} s")

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
    def n_samples(self) -> int:
        """Length of the render in samples at ``SAMPLE_RATE``."""
        return max(1, round(self.seconds * SAMPLE_RATE))

    @property
    def frequency_hz(self) -> float:
        """Equal temperament, A4 = 440 Hz."""
        return 440.0 * math.exp2((self.number - 69) / 12)


def _shortened(text: object) -> str:
    shown = str(text)
    return shown if len(shown) <= 40 else shown[:37] + "..."
