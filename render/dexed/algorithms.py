"""The algorithms of a DX7: which operators are carriers, whose output is audible directly."""

from __future__ import annotations

_TWO_STACKS = (1, 3)

CARRIERS: tuple[tuple[int, ...], ...] = (
    *(_TWO_STACKS, _TWO_STACKS, (1, 4), (1, 4), (1, 3, 5), (1, 3, 5), _TWO_STACKS, _TWO_STACKS),
    *(_TWO_STACKS, (1, 4), (1, 4), _TWO_STACKS, _TWO_STACKS, _TWO_STACKS, _TWO_STACKS, (1,)),
    *((1,), (1,), (1, 4, 5), (1, 2, 4), (1, 2, 4, 5), (1, 3, 4, 5), (1, 2, 4, 5), (1, 2, 3, 4, 5)),
    *(
        (1, 2, 3, 4, 5),
        (1, 2, 4),
        (1, 2, 4),
        (1, 3, 6),
        (1, 2, 3, 5),
        (1, 2, 3, 6),
        (1, 2, 3, 4, 5),
        (1, 2, 3, 4, 5, 6),
    ),
)
"""Numbers of the carriers of algorithms 1 to 32, from the DX7's front panel."""
