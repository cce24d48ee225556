"""The larger guess network: convolutions and a transformer that hear the clip, and a transformer over the variables.

The encoder turns a spectrogram into tokens, one for each of 8 x 24 cells and one for the estimated note. The chain is
autoregressive: at the place of each variable it sees the values of the earlier ones, and attends to the tokens. Layers
normalise their inputs (Xiong et al. 2020), and their outputs are added to the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from inference.network.categories import Categories, Drawing
from inference.network.features.estimated_note import N_NOTES
from inference.network.features.log_mel import N_CHANNELS, N_FRAMES, N_MELS
from inference.network.size import HEAD_WIDTH, Size

_GROUPS = 2  # of heads in the chain's self-attention, whose keys and values are what drawing waits for
_DROPOUT = 0.1
_WIDER = 2  # hidden width of the layers' perceptrons, in widths of the stream


class TransformerEncoder(nn.Module):
    """Spectrograms and estimated notes to tokens; the first is the note's.

    Shape:
        ``(batch, 2, mels, frames)`` floats 0 to 1 and ``(batch,)`` whole numbers to ``(batch, tokens, hidden)``.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        first, *rest = size.channels
        width, count = size.hidden, size.layers[0]
        self.note = nn.Embedding(N_NOTES + 1, width)
        self.fold = nn.PixelUnshuffle(2)  # two channels would leave most of a matrix unit idle
        self.stem = nn.Conv2d(4 * N_CHANNELS, first, 3, padding=1)
        # A convolution does not know which frequency and time it is at.
        self.band = nn.Parameter(torch.zeros(first, N_MELS // 2, 1))
        self.frame = nn.Parameter(torch.zeros(first, 1, N_FRAMES // 2))
        self.stem_norm = nn.BatchNorm2d(first)
        self.stages = nn.ModuleList(
            _Stage(before, after, width) for before, after in zip(size.channels[:-1], rest, strict=True)
        )
        halvings = 2 ** len(size.channels)
        self.cells = nn.Conv2d(size.channels[-1], width, (2, 1), (2, 1))
        self.row = nn.Parameter(0.1 * torch.randn(N_MELS // halvings // 2, 1, width))
        self.column = nn.Parameter(0.1 * torch.randn(1, N_FRAMES // halvings, width))
        self.dropout = nn.Dropout(_DROPOUT)
        self.layers = nn.ModuleList(_Layer(width, 2 * count, crossed=False) for _ in range(count))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.note.weight, std=0.5)

    def forward(self, spectrograms: torch.Tensor, notes: torch.Tensor) -> torch.Tensor:
        """See the class."""
        note = self.note(notes)
        x = self.fold(spectrograms - 0.3).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        x = functional.relu(self.stem_norm(x + (self.band + self.frame).to(x.dtype)))
        for stage in self.stages:
            x = stage(x, note)
        x = self.cells(x).permute(0, 2, 3, 1) + (self.row + self.column)
        x = self.dropout(torch.cat([note[:, None], x.flatten(1, 2)], dim=1))
        for layer in self.layers:
            x = layer(x)
        heard: torch.Tensor = self.norm(x)
        return heard


class TransformerChain(Categories):
    """Distributions of the variables, each given the tokens of the clip and the variables before it.

    Args:
        hidden: width.
        count: number of layers.
        sizes: number of categories of each variable.
    """

    def __init__(self, hidden: int, count: int, sizes: Sequence[int]) -> None:
        super().__init__(hidden, sizes)
        nn.init.normal_(self.value.weight, std=0.5)
        self.asked = nn.Parameter(0.5 * torch.randn(len(self.sizes), hidden))
        self.dropout = nn.Dropout(_DROPOUT)
        self.layers = nn.ModuleList(_Layer(hidden, 3 * count, crossed=True) for _ in range(count))
        self.norm = nn.LayerNorm(hidden)

    def forward(self, heard: torch.Tensor, codes: torch.Tensor, blur: torch.Tensor | None = None) -> torch.Tensor:
        """Negative log likelihood in nats of all variables, each given the true earlier ones; see ``Categories.nats``.

        Shape:
            ``(batch, tokens, hidden)`` and ``(batch, variables)`` to ``(batch, variables)``.
        """
        values = functional.pad(self.values(codes)[:, :-1], (0, 0, 1, 0))
        x = self.dropout(self.asked + values)
        for layer in self.layers:
            x = layer(x, heard)
        return self.nats(self.norm(x), codes, blur)

    def drawing(self, heard: torch.Tensor, rows: int) -> Drawing:
        """Rows to draw for a clip, whose tokens have shape ``(1, tokens, hidden)``."""
        return _TransformerDrawing(self, heard, rows)


class _TransformerDrawing:
    """A ``Drawing``: the keys and values of the clip's tokens are shared by all rows, those of the rows are kept.

    A variable's place is computed when a distribution at or after it is asked for: silence at the end costs nothing.
    """

    def __init__(self, chain: TransformerChain, heard: torch.Tensor, rows: int) -> None:
        self._chain = chain
        self._layers = [cast(_Layer, layer) for layer in chain.layers]
        self._heard = [layer.cross.pairs(heard) for layer in self._layers]
        self._kept = [layer.self_attention.room(rows, len(chain.sizes)) for layer in self._layers]
        # Embedding of the variable before each place whose states are not computed yet.
        self._coming = [(0, chain.asked.new_zeros(rows, chain.asked.shape[1]))]
        self._states = torch.empty(0)

    def logits(self, k: int) -> torch.Tensor:
        for place, value in self._coming:
            self._states = self._taken(place, value)
        self._coming.clear()
        return self._chain.logits_of(k, self._states)

    def extend(self, k: int, codes: torch.Tensor) -> None:
        self._coming.append((k + 1, self._chain.value(self._chain.table[k, codes])))

    def _taken(self, place: int, value: torch.Tensor) -> torch.Tensor:
        """The states from which the variable at a place is predicted."""
        x = self._chain.asked[place] + value
        for layer, heard, kept in zip(self._layers, self._heard, self._kept, strict=True):
            x = layer.step(x, heard, kept, place)
        states: torch.Tensor = self._chain.norm(x)
        return states


_Pairs = tuple[torch.Tensor, torch.Tensor]
"""Keys and values, each of shape ``(batch, groups, tokens, head width)``."""


class _Attention(nn.Module):
    """Attention of some tokens to others, in heads of ``HEAD_WIDTH``.

    Args:
        width: width of the tokens.
        branches: see ``_Layer``.
        groups: number of groups of heads; the heads of a group share keys and values (Ainslie et al. 2023). One group
            for each head by default.
    """

    def __init__(self, width: int, branches: int, groups: int | None = None) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.groups = min(groups or self.heads, self.heads)
        self.queries = nn.Linear(width, width)
        self.keys_values = nn.Linear(width, 2 * self.groups * HEAD_WIDTH)
        self.out = _last_linear(width, width, branches)

    def forward(self, x: torch.Tensor, pairs: _Pairs, *, causal: bool = False) -> torch.Tensor:
        """Shape of the queries' tokens ``x`` and of the result: ``(batch, tokens, width)``."""
        if self.groups < self.heads:
            keys, values = (
                pair[:, :, None].expand(-1, -1, self.heads // self.groups, -1, -1).flatten(1, 2) for pair in pairs
            )
            pairs = keys, values
        found = functional.scaled_dot_product_attention(self._split(self.queries(x)), *pairs, is_causal=causal)
        mixed: torch.Tensor = self.out(found.transpose(1, 2).flatten(2))
        return mixed

    def step(self, x: torch.Tensor, pairs: _Pairs) -> torch.Tensor:
        """One token of each row: shape ``(rows, width)`` to ``(rows, width)``; the heads of a group are its queries."""
        queries = self.queries(x).reshape(len(x), self.groups, -1, HEAD_WIDTH)
        mixed: torch.Tensor = self.out(functional.scaled_dot_product_attention(queries, *pairs).flatten(1))
        return mixed

    def pairs(self, x: torch.Tensor) -> _Pairs:
        """Keys and values of tokens ``(batch, tokens, width)``."""
        keys, values = self.keys_values(x).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def room(self, rows: int, tokens: int) -> _Pairs:
        """Space for the keys and values of tokens that come one by one."""
        keys, values = self.queries.weight.new_zeros(2, rows, self.groups, tokens, HEAD_WIDTH)
        return keys, values

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(*x.shape[:2], -1, HEAD_WIDTH).transpose(1, 2)


class _Layer(nn.Module):
    """Self-attention, attention to the clip's tokens where ``crossed`` (the former is causal then), a perceptron.

    ``branches`` is the number of branches of the whole stream, by which their sizes at the start are divided.
    """

    def __init__(self, width: int, branches: int, *, crossed: bool) -> None:
        super().__init__()
        self.crossed = crossed
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = _Attention(width, branches, _GROUPS if crossed else None)
        if crossed:
            self.cross_norm = nn.LayerNorm(width)
            self.cross = _Attention(width, branches)
        self.wide_norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, _WIDER * width)
        self.narrow = _last_linear(_WIDER * width, width, branches)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: torch.Tensor, heard: torch.Tensor | None = None) -> torch.Tensor:
        """Shape ``(batch, tokens, width)``; ``heard`` are the clip's tokens."""
        normed = self.self_norm(x)
        attention = self.self_attention
        x = x + self.dropout(attention(normed, attention.pairs(normed), causal=self.crossed))
        if heard is not None:
            x = x + self.dropout(self.cross(self.cross_norm(x), self.cross.pairs(heard)))
        result: torch.Tensor = x + self.dropout(self._perceptron(x))
        return result

    def step(self, x: torch.Tensor, heard: _Pairs, kept: _Pairs, k: int) -> torch.Tensor:
        """Token ``k`` of each row, after the earlier ones: shape ``(rows, width)`` to ``(rows, width)``.

        The token's own keys and values are added to ``kept``. ``heard`` is a batch of one, to which all rows attend.
        """
        normed = self.self_norm(x)[:, None]
        for room, found in zip(kept, self.self_attention.pairs(normed), strict=True):
            room[:, :, k] = found[:, :, 0]
        keys, values = (room[:, :, : k + 1] for room in kept)
        x = x + self.self_attention.step(normed[:, 0], (keys, values))
        x = x + self.cross(self.cross_norm(x)[None], heard)[0]
        return x + self._perceptron(x)

    def _perceptron(self, x: torch.Tensor) -> torch.Tensor:
        narrow: torch.Tensor = self.narrow(functional.relu(self.wide(self.wide_norm(x))))
        return narrow


class _Stage(nn.Module):
    """Halves mels and frames, then a residual block; the estimated note adds a bias to every channel."""

    def __init__(self, before: int, after: int, note_width: int) -> None:
        super().__init__()
        self.halve = nn.Conv2d(before, after, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.shift = nn.Linear(note_width, after)
        self.first = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        nn.init.zeros_(self.second_norm.weight)  # the block begins as the identity

    def forward(self, x: torch.Tensor, note: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.halve(x))
        x = functional.relu(x + self.shift(note).to(x.dtype)[:, :, None, None])
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(x + self.second_norm(self.second(y)))


def _last_linear(before: int, after: int, branches: int) -> nn.Linear:
    """The last layer of a branch, small enough that the sum of all branches stays as large as the stream."""
    linear = nn.Linear(before, after)
    nn.init.normal_(linear.weight, std=(before * branches) ** -0.5)
    nn.init.zeros_(linear.bias)
    return linear
