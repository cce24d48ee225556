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
_EARLIER_INPUTS = ("aligned", "modulation")


@dataclass(frozen=True, slots=True)
class Size:
    """The architecture, inputs and outputs of a network, and how large it is.

    Attributes:
        channels: widths of the encoder's convolutions; each after the first halves mels and frames.
        hidden: width of the clip's embedding and of the chain, or of the transformers.
        coding: name of the coding, one of ``CODINGS``.
        spectrogram: kind of spectrogram, one of ``SPECTROGRAMS``.
        architecture: one of ``ARCHITECTURES``.
        layers: attention layers of a transformer's encoder and of its chain.

    Raises:
        UnknownName: for an architecture, coding or kind of spectrogram that does not exist.
        OutOfRange: for a width that cannot be divided into a transformer's heads.
    """

    channels: tuple[int, ...] = (32, 64, 128, 256)
    hidden: int = 256
    coding: str = "sound"
    spectrogram: str = "mel"
    architecture: str = "chain"
    layers: tuple[int, int] = (5, 2)

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise UnknownName("architecture", self.architecture, ARCHITECTURES)
        if self.architecture == "transformer" and self.hidden % HEAD_WIDTH:
            raise OutOfRange("hidden", self.hidden, f"a multiple of {HEAD_WIDTH} for a transformer")
        if self.coding not in CODINGS:
            raise UnknownName("coding", self.coding, CODINGS)
        if self.spectrogram not in SPECTROGRAMS:
            raise UnknownName("spectrogram", self.spectrogram, SPECTROGRAMS)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of ``as_json``; raises ``UnknownName`` for inputs that networks had in earlier versions."""
        fields = {"spectrogram" if name == _SPECTROGRAM_FIELD else name: value for name, value in content.items()}
        for name in _EARLIER_INPUTS:
            if fields.pop(name, False):
                raise UnknownName("input", name, [_SPECTROGRAM_FIELD])
        for name in {"channels", "layers"} & set(fields):
            fields[name] = tuple(fields[name])
        return cls(**fields)

    def as_json(self) -> dict[str, Any]:
        """The form that is stored in files of weights and checkpoints."""
        fields = asdict(self)
        fields[_SPECTROGRAM_FIELD] = fields.pop("spectrogram")
        return fields


def default_size(architecture: str) -> Size:
    """The size in which an architecture is trained; raises ``UnknownName``."""
    if architecture != "transformer":
        return Size(architecture=architecture)
    return Size((48, 96, 160), spectrogram="stretched", architecture=architecture, layers=(8, 2))
