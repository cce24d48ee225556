"""What the chains of all architectures share: embeddings and logits of a coding's categories, and likelihoods."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional


class Drawing(Protocol):
    """Rows that are drawn for one clip, variable by variable."""

    def logits(self, k: int) -> torch.Tensor:
        """Logits of variable ``k``, the next one: shape ``(rows, its categories)``."""
        ...

    def extend(self, k: int, codes: torch.Tensor) -> None:
        """Continue with known categories of variable ``k``, -1 where it is silent: shape ``(rows,)``."""
        ...


class Categories(nn.Module):
    """An embedding, a row of weights and a bias for each category of each variable.

    Args:
        hidden: width of the embeddings and of the states that the weights are multiplied with.
        sizes: number of categories of each variable.
    """

    table: torch.Tensor
    order: torch.Tensor
    place: torch.Tensor
    rows: torch.Tensor

    def __init__(self, hidden: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes, self.total = tuple(sizes), sum(sizes)
        n_variables, total = len(self.sizes), self.total
        self.value = nn.Embedding(total + 1, hidden)  # the last is silence
        nn.init.normal_(self.value.weight, std=0.05)
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

    def values(self, codes: torch.Tensor) -> torch.Tensor:
        """Embeddings of categories, -1 for silence: shape ``(batch, variables)`` to ``(batch, variables, hidden)``."""
        embeddings: torch.Tensor = self.value(self.table[torch.arange(len(self.sizes), device=codes.device), codes])
        return embeddings

    def nats(
        self,
        states: torch.Tensor,
        codes: torch.Tensor,
        blur: torch.Tensor | None = None,
        direct: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Negative log likelihood in nats of each variable.

        Args:
            states: state from which each variable is predicted.
            codes: categories; -1 where a variable is silent, whose nats are then those of category 0.
            blur: target distribution for each category, for variables with as many categories as it has rows.
            direct: further logits of all categories, with a last one for silence.

        Shape:
            states: ``(batch, variables, hidden)``.
            codes: ``(batch, variables)``.
            blur: ``(categories, categories)``, rows of sum 1.
            direct: ``(batch, categories of all variables + 1)``.
            Returns: ``(batch, variables)``.
        """
        # Variables with equally many categories are next to each other from here on: a matrix product for each size.
        mixed = states.index_select(1, self.order)
        known = codes.index_select(1, self.order).clamp(min=0)
        weight, bias = self.weight.index_select(0, self.rows), self.bias.index_select(0, self.rows)
        if direct is not None:
            direct = direct.index_select(1, self.rows)
        nats, first, row = [], 0, 0
        for size, count in self.groups:
            variables, rows = slice(first, first + count), slice(row, row + size * count)
            logits = torch.einsum("bvh,vch->bvc", mixed[:, variables], weight[rows].reshape(count, size, -1))
            constant = bias[rows] if direct is None else bias[rows] + direct[:, rows].float()
            logits = logits.float() + constant.reshape(-1, count, size)
            log_probs = functional.log_softmax(logits, dim=2)
            if blur is not None and len(blur) == size:
                nats.append(-(log_probs * blur[known[:, variables]]).sum(2))
            else:
                nats.append(-log_probs.gather(2, known[:, variables, None])[..., 0])
            first, row = first + count, row + size * count
        return torch.cat(nats, dim=1).index_select(1, self.place)

    def logits_of(self, k: int, states: torch.Tensor) -> torch.Tensor:
        """Logits of variable ``k``: shape ``(rows, hidden)`` to ``(rows, its categories)``."""
        rows = self.table[k, : self.sizes[k]]
        return functional.linear(states, self.weight[rows], self.bias[rows])
