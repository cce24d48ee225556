"""The size of a guess network: its architecture, its inputs and its outputs, as files of weights state them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from inference.network.coding.codings import CODINGS
from inference.network.features.spectrograms import SPECTROGRAMS
from render.errors import OutOfRange, UnknownName

ARCHITECTURES = ("chain", "transformer")
HEAD_WIDTH = 32
"""Width of each head of a transformer's attention."""
_SPECTROGRAM_FIELD = "picture"  # name of ``Size.spectrogram`` in files


@dataclass(frozen=True, slots=True)
class Size:
    """The architecture, inputs and outputs of a network, and how large it is.

    Attributes:
        channels: widths of the encoder's convolutions; each after the first halves mels and frames.
        hidden: width of the clip's embedding and of the chain, or of the transformers.
        coding: name of the coding, one of ``CODINGS``.
        spectrogram: kind of spectrogram, one of ``SPECTROGRAMS``.
        aligned: whether the mid signal is also an input with the estimated note in a fixed band (``semitones`` only).
        modulation: whether modulation spectra are an input too (``Modulation``).
        architecture: one of ``ARCHITECTURES``; a transformer sees neither aligned spectrograms nor modulation spectra.
        layers: attention layers of a transformer's encoder and of its chain.

    Raises:
        UnknownName: for an architecture, coding or kind of spectrogram that does not exist, or that do not go together.
        OutOfRange: for a width that cannot be divided into a transformer's heads.
    """

    channels: tuple[int, ...] = (32, 64, 128, 256)
    hidden: int = 256
    coding: str = "sound"
    spectrogram: str = "mel"
    aligned: bool = False
    modulation: bool = False
    architecture: str = "chain"
    layers: tuple[int, int] = (5, 2)

    def __post_init__(self) -> None:
        seen_by = ("chain",) if self.aligned or self.modulation else ARCHITECTURES
        if self.architecture not in seen_by:
            raise UnknownName("architecture", self.architecture, seen_by)
        if self.architecture == "transformer" and self.hidden % HEAD_WIDTH:
            raise OutOfRange("hidden", self.hidden, f"a multiple of {HEAD_WIDTH} for a transformer")
        if self.coding not in CODINGS:
            raise UnknownName("coding", self.coding, CODINGS)
        allowed = ["semitones"] if self.aligned else list(SPECTROGRAMS)
        if self.spectrogram not in allowed:
            raise UnknownName("spectrogram", self.spectrogram, allowed)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of ``as_json``; weights from before there were several codings have ``knobs``."""
        fields = {"coding": "knobs", **content}
        for name in {"channels", "layers"} & set(fields):
            fields[name] = tuple(fields[name])
        return cls(spectrogram=fields.pop(_SPECTROGRAM_FIELD, "mel"), **fields)

    def as_json(self) -> dict[str, Any]:
        """The form that is stored in files of weights and checkpoints."""
        fields = asdict(self)
        fields[_SPECTROGRAM_FIELD] = fields.pop("spectrogram")
        return fields


def default_size(architecture: str) -> Size:
    """The size in which an architecture is trained; raises ``UnknownName``."""
    if architecture != "transformer":
        return Size(architecture=architecture)
    return Size((48, 96, 160), spectrogram="stretched", architecture=architecture)
