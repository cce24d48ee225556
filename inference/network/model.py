"""The guess networks: an encoder of spectrograms, and two heads on it.

``GuessNetwork`` gives a distribution over whole patches: a chain over a coding's variables in which each is
conditioned on the clip and on the ones before, so that samples are consistent patches and not independent knobs. There
are two architectures: convolutions and NADE (Larochelle and Murray 2011) here, and the transformers of
``transformer.py``. ``RegressionNetwork`` is the direct approach, a knob vector trained with squared error.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from inference.network.categories import Categories, Drawing
from inference.network.coding.codings import CODINGS
from inference.network.features.estimated_note import N_NOTES
from inference.network.features.log_mel import N_CHANNELS, N_FRAMES, N_MELS
from inference.network.size import Size
from inference.network.transformer import TransformerChain, TransformerEncoder
from render.noisemaker.table import TABLE

_STEM = 4  # mels and frames of a patch that the first layer reads
_NOTE_WIDTH = 32
_DROPOUT = 0.3  # without it, 20,000 sounds are memorised after four epochs


class Encoder(nn.Module):
    """Spectrograms and estimated notes to embeddings, the activation included.

    Shape:
        ``(batch, 2, mels, frames)`` floats 0 to 1 and ``(batch,)`` whole numbers to ``(batch, hidden)``.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        first, *rest = size.channels
        self.note = nn.Embedding(N_NOTES + 1, _NOTE_WIDTH)
        self.stem = nn.Conv2d(N_CHANNELS, first, _STEM, _STEM)
        # A convolution does not know which frequency it is at.
        self.place = nn.Parameter(torch.zeros(first, N_MELS // _STEM, 1))
        self.stem_norm = nn.BatchNorm2d(first)
        self.layers = nn.ModuleList(
            _Layer(before, after) for before, after in zip(size.channels[:-1], rest, strict=True)
        )
        halvings = 2 ** len(rest)
        cells = (N_MELS // _STEM // halvings) * (N_FRAMES // _STEM // halvings)
        self.dropout = nn.Dropout(_DROPOUT)
        self.out = nn.Linear(size.channels[-1] * cells + _NOTE_WIDTH, size.hidden)

    def forward(self, spectrograms: torch.Tensor, notes: torch.Tensor) -> torch.Tensor:
        """See the class."""
        note = self.note(notes)
        x = functional.relu(self.stem_norm(self.stem(spectrograms - 0.3) + self.place))
        for layer in self.layers:
            x = layer(x, note)
        return functional.relu(self.out(torch.cat([self.dropout(x.flatten(1)), note], dim=1)))


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


class Chain(Categories):
    """Distributions of the variables, each given an embedding of the clip and the variables before it."""

    def __init__(self, hidden: int, sizes: Sequence[int]) -> None:
        super().__init__(hidden, sizes)
        self.clip = nn.Linear(hidden, hidden)
        # A direct path from the clip to each variable, past the chain's state; initialised to zero.
        self.direct = nn.Linear(hidden, self.total + 1, bias=False)
        nn.init.zeros_(self.direct.weight)
        self.start = nn.Parameter(0.1 * torch.randn(len(self.sizes), hidden))
        self.mix_norm = nn.LayerNorm(hidden)
        self.mix = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))

    def forward(self, embedding: torch.Tensor, codes: torch.Tensor, blur: torch.Tensor | None = None) -> torch.Tensor:
        """Negative log likelihood in nats of all variables, each given the true earlier ones; see ``Categories.nats``.

        Shape:
            ``(batch, hidden)`` and ``(batch, variables)`` to ``(batch, variables)``.
        """
        values = self.values(codes).float()
        before = values.cumsum(1) - values
        state = before + self.start + self.clip(embedding).float()[:, None]
        return self.nats(self.mixed(state), codes, blur, self.direct(embedding))

    def drawing(self, heard: torch.Tensor, rows: int) -> Drawing:
        """Rows to draw for a clip, whose embedding has shape ``(1, hidden)``."""
        return _ChainDrawing(self, heard.expand(rows, -1))

    def mixed(self, state: torch.Tensor) -> torch.Tensor:
        """The states from which variables are predicted, given sums of embeddings: any shape ``(..., hidden)``."""
        state = functional.relu(state)
        mixed: torch.Tensor = state + self.mix(self.mix_norm(state))
        return mixed


class _ChainDrawing:
    """A ``Drawing`` of a ``Chain`` for embeddings of shape ``(rows, hidden)``."""

    def __init__(self, chain: Chain, embeddings: torch.Tensor) -> None:
        self._chain, self._embeddings = chain, embeddings
        self._state: torch.Tensor = chain.clip(embeddings)

    def logits(self, k: int) -> torch.Tensor:
        chain = self._chain
        logits = chain.logits_of(k, chain.mixed(self._state + chain.start[k]))
        rows = chain.table[k, : chain.sizes[k]]
        return logits + functional.linear(self._embeddings, chain.direct.weight[rows])

    def extend(self, k: int, codes: torch.Tensor) -> None:
        self._state = self._state + self._chain.value(self._chain.table[k, codes])


class GuessNetwork(nn.Module):
    """An encoder, and a chain of distributions given what it returns: ``Encoder`` and ``Chain``, or transformers."""

    encoder: Encoder | TransformerEncoder
    chain: Chain | TransformerChain

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size, self.coding = size, CODINGS[size.coding]
        self.encoder = encoder_of(size)
        if size.architecture == "transformer":
            self.chain = TransformerChain(size.hidden, size.layers[1], self.coding.sizes)
        else:
            self.chain = Chain(size.hidden, self.coding.sizes)

    def forward(
        self, spectrograms: torch.Tensor, notes: torch.Tensor, codes: torch.Tensor, blur: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Negative log likelihood in nats of each variable, 0 where it is silent.

        Shape:
            ``(batch, 2, mels, frames)``, ``(batch,)`` and ``(batch, variables)`` to ``(batch, variables)``; for
            ``blur`` see ``Categories.nats``.
        """
        nats: torch.Tensor = self.chain(self.encoder(spectrograms, notes), codes, blur)
        return nats * (codes >= 0)


class RegressionNetwork(nn.Module):
    """Encoder and one linear layer: every knob of the table, 0 to 1."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.encoder = encoder_of(size)
        self.knobs = nn.Linear(size.hidden, len(TABLE.parameters))

    def forward(self, spectrograms: torch.Tensor, notes: torch.Tensor) -> torch.Tensor:
        """Shape: ``(batch, 2, mels, frames)`` and ``(batch,)`` to ``(batch, parameters)``."""
        heard = self.encoder(spectrograms, notes)
        if heard.ndim == 3:  # the mean of a transformer's tokens
            heard = heard.mean(dim=1)
        return torch.sigmoid(self.knobs(heard).float())


def encoder_of(size: Size) -> Encoder | TransformerEncoder:
    """The encoder of an architecture."""
    return TransformerEncoder(size) if size.architecture == "transformer" else Encoder(size)
