"""The guess networks: an encoder of spectrograms, and two heads on it.

``GuessNetwork`` gives a distribution over whole patches: a chain over a coding's variables in which each is
conditioned on the clip and on the ones before (NADE: Larochelle and Murray 2011), so that samples are consistent
patches and not independent knobs. ``RegressionNetwork`` is the direct approach, a knob vector trained with squared
error.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional

from inference.network.coding.codings import CODINGS
from inference.network.features.estimated_note import N_NOTES
from inference.network.features.log_mel import N_CHANNELS, N_FRAMES, N_MELS
from inference.network.features.semitones import aligned
from inference.network.features.spectrograms import SPECTROGRAMS
from render.errors import UnknownName
from render.noisemaker.table import TABLE

_STEM = 4  # mels and frames of a patch that the first layer reads
_NOTE_WIDTH = 32
_SPECTROGRAM_FIELD = "picture"  # name of ``Size.spectrogram`` in files
_DROPOUT = 0.3  # without it, 20,000 sounds are memorised after four epochs


@dataclass(frozen=True, slots=True)
class Size:
    """The inputs, outputs and size of a network.

    Attributes:
        channels: widths of the encoder's layers; each after the first halves mels and frames.
        hidden: width of the clip's embedding and of the chain.
        coding: name of the coding, one of ``CODINGS``.
        spectrogram: kind of spectrogram, one of ``SPECTROGRAMS``.
        aligned: whether the mid signal is also an input with the estimated note in a fixed band (``semitones`` only).
        modulation: whether modulation spectra are an input too (``Modulation``).

    Raises:
        UnknownName: for a coding or kind of spectrogram that does not exist.
    """

    channels: tuple[int, ...] = (32, 64, 128, 256)
    hidden: int = 256
    coding: str = "sound"
    spectrogram: str = "mel"
    aligned: bool = False
    modulation: bool = False

    def __post_init__(self) -> None:
        if self.coding not in CODINGS:
            raise UnknownName("coding", self.coding, CODINGS)
        allowed = ["semitones"] if self.aligned else list(SPECTROGRAMS)
        if self.spectrogram not in allowed:
            raise UnknownName("spectrogram", self.spectrogram, allowed)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of ``as_json``; weights from before there were several codings have ``knobs``."""
        fields = {"coding": "knobs", **content, "channels": tuple(content["channels"])}
        return cls(spectrogram=fields.pop(_SPECTROGRAM_FIELD, "mel"), **fields)

    def as_json(self) -> dict[str, Any]:
        """The form that is stored in files of weights and checkpoints."""
        fields = asdict(self)
        fields[_SPECTROGRAM_FIELD] = fields.pop("spectrogram")
        return fields


class Encoder(nn.Module):
    """Spectrograms and estimated notes to embeddings.

    Shape:
        ``(batch, 2, mels, frames)`` floats 0 to 1 and ``(batch,)`` whole numbers to ``(batch, hidden)``.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        first, *rest = size.channels
        self.aligned = size.aligned
        self.note = nn.Embedding(N_NOTES + 1, _NOTE_WIDTH)
        self.stem = nn.Conv2d(N_CHANNELS + size.aligned, first, _STEM, _STEM)
        # A convolution does not know which frequency it is at.
        self.place = nn.Parameter(torch.zeros(first, N_MELS // _STEM, 1))
        self.stem_norm = nn.BatchNorm2d(first)
        self.layers = nn.ModuleList(
            _Layer(before, after) for before, after in zip(size.channels[:-1], rest, strict=True)
        )
        halvings = 2 ** len(rest)
        cells = (N_MELS // _STEM // halvings) * (N_FRAMES // _STEM // halvings)
        self.dropout = nn.Dropout(_DROPOUT)
        self.modulation = Modulation() if size.modulation else None
        width = 0 if self.modulation is None else self.modulation.width
        self.out = nn.Linear(size.channels[-1] * cells + width + _NOTE_WIDTH, size.hidden)

    def forward(self, spectrograms: torch.Tensor, notes: torch.Tensor) -> torch.Tensor:
        """See the class."""
        note = self.note(notes)
        if self.aligned:
            spectrograms = torch.cat([spectrograms, aligned(spectrograms[:, :1], notes)], dim=1)
        x = functional.relu(self.stem_norm(self.stem(spectrograms - 0.3) + self.place))
        for layer in self.layers:
            x = layer(x, note)
        x = x.flatten(1)
        if self.modulation is not None:
            x = torch.cat([x, self.modulation(spectrograms[:, 0])], dim=1)
        embedding: torch.Tensor = self.out(torch.cat([self.dropout(x), note], dim=1))
        return embedding


class Modulation(nn.Module):
    """Modulation spectra, the spectra of band levels over time: an LFO of 7 Hz is a line there.

    Shape:
        ``(batch, bands, frames)`` to ``(batch, width)``.
    """

    window: torch.Tensor
    width = 128
    _BANDS = 32  # of neighbouring bands, averaged
    _GAIN = 3.0  # in front of the logarithm, which a quarter of full scale then leaves at 1

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FRAMES - 1), persistent=False)
        self.norm = nn.LayerNorm(N_FRAMES // 2)
        self.mix = nn.Linear(self._BANDS * (N_FRAMES // 2), self.width)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """See the class."""
        bands = spectrograms.float().reshape(len(spectrograms), self._BANDS, -1, N_FRAMES).mean(dim=2)
        moves = bands.diff(dim=2) * self.window
        lines = torch.log1p(self._GAIN * torch.fft.rfft(moves.float(), dim=2).abs())
        mixed: torch.Tensor = functional.relu(self.mix(self.norm(lines).flatten(1)))
        return mixed


class _Layer(nn.Module):
    """Halves mels and frames, then applies a 1x1 convolution; the estimated note adds a bias to every channel."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.halve = nn.Conv2d(before, after, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.shift = nn.Linear(_NOTE_WIDTH, after)
        self.mix = nn.Conv2d(after, after, 1, bias=False)
        self.mix_norm = nn.BatchNorm2d(after)

    def forward(self, x: torch.Tensor, note: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm(self.halve(x)) + self.shift(note)[:, :, None, None])
        return functional.relu(x + self.mix_norm(self.mix(x)))


class Chain(nn.Module):
    """Distributions of the variables, each given an embedding of the clip and the variables before it."""

    table: torch.Tensor
    order: torch.Tensor
    place: torch.Tensor
    rows: torch.Tensor

    def __init__(self, hidden: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes, self.total = tuple(sizes), sum(sizes)
        n_variables, total = len(self.sizes), self.total
        self.clip = nn.Linear(hidden, hidden)
        # A direct path from the clip to each variable, past the chain's state; initialised to zero.
        self.direct = nn.Linear(hidden, total + 1, bias=False)
        nn.init.zeros_(self.direct.weight)
        self.start = nn.Parameter(0.1 * torch.randn(n_variables, hidden))
        self.value = nn.Embedding(total + 1, hidden)  # the last is silence
        nn.init.normal_(self.value.weight, std=0.05)
        self.mix_norm = nn.LayerNorm(hidden)
        self.mix = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.weight = nn.Parameter(0.3 * torch.randn(total + 1, hidden) * hidden**-0.5)
        self.bias = nn.Parameter(torch.zeros(total + 1))
        offsets = torch.tensor([0, *self.sizes[:-1]]).cumsum(0)
        columns = torch.arange(max(self.sizes))
        inside = columns < torch.tensor(self.sizes)[:, None]
        table = torch.where(inside, offsets[:, None] + columns, total)
        # (variables, categories + 1): row of each category, the padding's where there is none; silence is index -1
        self.register_buffer("table", torch.cat([table, torch.full((n_variables, 1), total)], 1), persistent=False)
        order = sorted(range(n_variables), key=lambda k: self.sizes[k])
        self.groups = [(size, len(list(group))) for size, group in itertools.groupby(self.sizes[k] for k in order)]
        rows = torch.cat([table[k, : self.sizes[k]] for k in order])
        for name, tensor in (("order", torch.tensor(order)), ("place", torch.tensor(order).argsort()), ("rows", rows)):
            self.register_buffer(name, tensor, persistent=False)

    @torch.no_grad()
    def begin_with(self, frequencies: list[torch.Tensor]) -> None:
        """Initialise the biases with the frequencies of each variable's categories."""
        self.bias.copy_(torch.cat([*(f.clamp(min=1e-9).log() for f in frequencies), torch.zeros(1)]))

    def forward(self, embedding: torch.Tensor, codes: torch.Tensor, blur: torch.Tensor | None = None) -> torch.Tensor:
        """Negative log likelihood in nats of all variables, each given the true earlier ones.

        Args:
            embedding: embeddings of clips.
            codes: categories; -1 where a variable is silent, whose nats are then those of category 0.
            blur: target distribution for each category, for variables with as many categories as it has rows.

        Shape:
            embedding: ``(batch, hidden)``.
            codes: ``(batch, variables)``.
            blur: ``(categories, categories)``, rows of sum 1.
            Returns: ``(batch, variables)``.
        """
        values = self.value(self.table[torch.arange(len(self.sizes), device=codes.device), codes]).float()
        before = values.cumsum(1) - values
        state = before + self.start + self.clip(embedding).float()[:, None]
        # Variables with equally many categories are next to each other from here on: a matrix product for each size.
        mixed = self._mixed(state).index_select(1, self.order)
        known = codes.index_select(1, self.order).clamp(min=0)
        weight, bias = self.weight.index_select(0, self.rows), self.bias.index_select(0, self.rows)
        direct = self.direct(embedding).index_select(1, self.rows)
        nats, first, row = [], 0, 0
        for size, count in self.groups:
            variables, rows = slice(first, first + count), slice(row, row + size * count)
            logits = torch.einsum("bvh,vch->bvc", mixed[:, variables], weight[rows].reshape(count, size, -1))
            logits = logits.float() + (bias[rows] + direct[:, rows].float()).reshape(-1, count, size)
            log_probs = functional.log_softmax(logits, dim=2)
            if blur is not None and len(blur) == size:
                nats.append(-(log_probs * blur[known[:, variables]]).sum(2))
            else:
                nats.append(-log_probs.gather(2, known[:, variables, None])[..., 0])
            first, row = first + count, row + size * count
        return torch.cat(nats, dim=1).index_select(1, self.place)

    def step(self, k: int, embedding: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """Logits of variable ``k``, shape ``(rows, its categories)``; embedding and state are ``(rows, hidden)``."""
        rows = self.table[k, : self.sizes[k]]
        logits = functional.linear(self._mixed(state + self.start[k]), self.weight[rows], self.bias[rows])
        return logits + functional.linear(embedding, self.direct.weight[rows])

    def extend(self, k: int, state: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """The state once variable ``k`` is known; ``codes`` has shape ``(rows,)``."""
        extended: torch.Tensor = state + self.value(self.table[k, codes])
        return extended

    def _mixed(self, state: torch.Tensor) -> torch.Tensor:
        state = functional.relu(state)
        mixed: torch.Tensor = state + self.mix(self.mix_norm(state))
        return mixed


class GuessNetwork(nn.Module):
    """Encoder and chain."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size, self.coding = size, CODINGS[size.coding]
        self.encoder, self.chain = Encoder(size), Chain(size.hidden, self.coding.sizes)

    def forward(
        self, spectrograms: torch.Tensor, notes: torch.Tensor, codes: torch.Tensor, blur: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Negative log likelihood in nats of each variable, 0 where it is silent.

        Shape:
            ``(batch, 2, mels, frames)``, ``(batch,)`` and ``(batch, variables)`` to ``(batch, variables)``; for
            ``blur`` see ``Chain``.
        """
        nats: torch.Tensor = self.chain(functional.relu(self.encoder(spectrograms, notes)), codes, blur)
        return nats * (codes >= 0)


class RegressionNetwork(nn.Module):
    """Encoder and one linear layer: every knob of the table, 0 to 1."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.encoder = Encoder(size)
        self.knobs = nn.Linear(size.hidden, len(TABLE.parameters))

    def forward(self, spectrograms: torch.Tensor, notes: torch.Tensor) -> torch.Tensor:
        """Shape: ``(batch, 2, mels, frames)`` and ``(batch,)`` to ``(batch, parameters)``."""
        return torch.sigmoid(self.knobs(functional.relu(self.encoder(spectrograms, notes))).float())
