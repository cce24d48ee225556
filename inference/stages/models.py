"""Loading the network and the proxy for the stages that want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inference.stages.ports import Descender, Models
from render.errors import FileError, FormatError

if TYPE_CHECKING:
    from inference.network.proposals import Guess


def load_models(stages: Sequence[str], guess: str, threads: int) -> Models:
    """Load what the stages need.

    Args:
        stages: their names.
        guess: ``network`` or ``regression``.
        threads: that may compute: the workers rest meanwhile, so as many as there are workers.
    """
    guesser: Guess | None = None
    descender: Descender | None = None
    notices = []
    if {"guess", "descend"} & set(stages):
        import torch

        torch.set_num_threads(1)  # a descent divides its batch among threads, which is faster than dividing its sums
    if "guess" in stages:
        from inference.network.proposals import load_guesser

        try:
            guesser = load_guesser(guess)
        except (FileError, FormatError) as error:
            notices.append(f"the guess is left out: {error}")
    if "descend" in stages:
        from inference.stages.descend import ProxyDescender

        try:
            descender = ProxyDescender.load(threads)
        except (FileError, FormatError) as error:
            notices.append(f"the descent is left out: {error}")
    return Models(guesser, descender, tuple(notices))
