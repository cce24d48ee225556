"""Loading the network and the proxy of an instrument for the stages that need them."""

from __future__ import annotations

import gc
from collections.abc import Callable

from inference.options import Options
from inference.ports import Descender, Guess, Models
from render.errors import FileError, FormatError
from render.instruments.host import EMBEDDED
from render.instruments.instrument import Instrument
from render.noisemaker.instrument import NOISEMAKER

_WITH_MODELS = frozenset({NOISEMAKER.name})
"""Instruments with a network and a proxy; for others only the search runs."""

_STAGES_WITH_MODELS = frozenset({"guess", "descend"})


def has_models(instrument: Instrument) -> bool:
    """Whether an instrument has a network and a proxy."""
    return instrument.name in _WITH_MODELS


def needs_torch(options: Options) -> bool:
    """Whether a stage uses the network or the proxy."""
    return has_models(options.instrument) and not _STAGES_WITH_MODELS.isdisjoint(options.stages)


def load_models(options: Options, before_compiling: Callable[[], None] = lambda: None) -> Models:
    """Load the models that the stages need.

    The proxy has the corrections that were fitted to the host's plug-in, where ``refine --calibrate`` made some.

    While the descent computes, the workers are idle, so it uses as many threads as there are workers.

    Args:
        options: instrument, host, stages, network and number of workers.
        before_compiling: called if the proxy must be compiled, which takes half a minute once on a machine.
    """
    guesser: Guess | None = None
    descender: Descender | None = None
    notices: list[str] = []
    wanted = _STAGES_WITH_MODELS.intersection(options.stages)
    if not has_models(options.instrument):
        notices = [f"{stage} is left out: there is no model for {options.instrument.title}" for stage in sorted(wanted)]
        return Models(None, None, tuple(notices))
    if wanted:
        import torch

        torch.set_num_threads(1)  # a descent splits its batch among threads, which is faster
    if "guess" in wanted:
        from inference.network.proposals import load_guesser

        try:
            guesser = load_guesser(options.guess)
        except (FileError, FormatError) as error:
            notices.append(f"the guess is left out: {error}")
    if "descend" in wanted:
        from inference.stages.descender import ProxyDescender
        from proxy.kernels.compiled import are_compiled, is_kept
        from proxy.synth.calibrations import corrections_for

        try:
            corrections, notice = corrections_for(options.where if options.calibration else EMBEDDED)
            if notice is not None:
                notices.append(notice)
            compiles = not are_compiled()
            if compiles:
                before_compiling()
            descender = ProxyDescender.load(options.workers, corrections)
            if compiles:
                # The compiler leaves 200,000 objects, which each full collection of garbage would look through.
                gc.collect()
                gc.freeze()
            if not is_kept():
                notices.append(
                    "compiled code cannot be kept on this machine: every run takes half a minute to compile it"
                )
        except (FileError, FormatError) as error:
            notices.append(f"the descent is left out: {error}")
    return Models(guesser, descender, tuple(notices))
