"""What the studio asks of its worker processes beside the runs, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.clip.focus import EVERYTHING, Focus
from render.note import Keys, Note

if TYPE_CHECKING:  # for the types; a worker loads what its job needs
    from inference.after.lesson import Lesson
    from inference.after.vary import Variety
    from inference.candidate import Candidate
    from inference.clip.target import Target
    from render.instruments.instrument import Program
    from render.instruments.patch import Patch


@dataclass(frozen=True)
class Analyse:
    """Asks for the analysis of a clip; see ``inference.clip.target.read_target``."""

    clip: Path
    focus: Focus = EVERYTHING
    note: Keys | None = None
    velocity: int = 100
    gate_seconds: float | None = None


@dataclass(frozen=True)
class ClipAnalysis:
    """What was found in a clip, and its pictures.

    Attributes:
        target: what is matched.
        seconds: length of the file, as far as it is shown.
        waveform: lowest and highest sample of each column, shape ``(columns, 2)``.
        picture: its spectrogram, as a PNG file.
        wav: what is matched, as a WAV file to play.
    """

    target: Target
    seconds: float
    waveform: NDArray[np.float32]
    picture: bytes
    wav: bytes


@dataclass(frozen=True)
class Play:
    """Asks for a sound, at its own level."""

    patch: Patch
    note: Note


@dataclass(frozen=True)
class Compare:
    """Asks for a sound beside a clip: as loud as the clip, with pictures and the distance."""

    patch: Patch
    note: Note
    target: Target


@dataclass(frozen=True)
class Vary:
    """Asks for children of a patch, or of two; see ``inference.after.vary``."""

    instrument: str
    parent: Patch
    other: Patch | None
    note: Note
    variety: Variety


@dataclass(frozen=True)
class Nearest:
    """Asks for the closest patches of the library that comes with the instrument, as loud as the clip."""

    instrument: str
    target: Target
    count: int


@dataclass(frozen=True)
class Explain:
    """Asks for what brings a patch close to a clip: its distance without each part, and with each knob moved."""

    instrument: str
    patch: Patch
    note: Note
    target: Target


@dataclass(frozen=True)
class Teach:
    """Asks for the steps to a patch from the closest preset of a bank; see ``inference.after.lesson``."""

    instrument: str
    bank: tuple[Program, ...]
    patch: Patch
    note: Note
    target: Target


@dataclass(frozen=True)
class Sound:
    """A rendered patch.

    Attributes:
        wav: WAV file to play.
        picture: spectrogram as a PNG file.
        peak: largest absolute sample of the render, 1 for full scale.
        mss: distance from the clip in dB, if there is one.
        residual: where it differs from the clip, as a PNG file.
        verdict: where most of the difference is, in words.
    """

    wav: bytes
    picture: bytes
    peak: float
    mss: float | None = None
    residual: bytes = b""
    verdict: str = ""


@dataclass(frozen=True)
class Offspring:
    """A child with its sound."""

    patch: Patch
    sound: Sound


@dataclass(frozen=True)
class Explanation:
    """What brings a patch close to a clip; all distances are MSS in dB.

    Attributes:
        mss: distance of the patch from the clip.
        parts: without each of its parts, by the part's name for people.
        knobs: with each of its audible knobs moved, by the name of the parameter.
    """

    mss: float
    parts: Mapping[str, float]
    knobs: Mapping[str, float]


Job = Analyse | Play | Compare | Vary | Nearest | Explain | Teach
Done: TypeAlias = "ClipAnalysis | Sound | tuple[Offspring, ...] | tuple[Candidate, ...] | Explanation | Lesson | None"
