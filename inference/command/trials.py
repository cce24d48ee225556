"""Trials that ``refine doctor`` runs in separate processes: ``python -m inference.command.trials PARENT host|models``.

Each line of a trial's output begins with ``doctor.MARK`` and states the current step or a finding. Heavy modules are
imported where they are tested.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from inference.command.doctor import MARK, State
from render.hosts.processes import die_with_parent


def host(where: str) -> None:
    """The installed plug-ins, the chosen host, and a note that it plays."""
    doing("loading the audio libraries")
    import numpy as np

    from proxy.synth.calibrations import is_calibrated
    from render.instruments.host import EMBEDDED
    from render.noisemaker.hosts import choose_host, installed_plugins, open_host
    from render.noisemaker.trials.auditions import RICH
    from render.note import Note

    doing("looking for plug-ins")
    installed = installed_plugins()
    for path in installed:
        say("plug-in", State.GOOD, str(path))
    if not installed:
        say("plug-in", State.GOOD, "no TAL-NoiseMaker in the plug-in folders; none is needed")
    doing("choosing a host")
    chosen, notices = choose_host(where or None)
    for notice in notices:
        say("plug-in", State.NOTE, notice)
    doing(f"playing a note on {chosen}")
    began = time.monotonic()
    player = open_host(chosen)
    opened = time.monotonic()
    audio = player.render(RICH, Note(60, seconds=0.5))
    info = player.info
    seconds = f"opened in {opened - began:.1f} s, first note after {time.monotonic() - opened:.1f} s"
    good = bool(np.isfinite(audio).all() and audio.any())
    name = f"{info.name} {info.version}" + (f" ({chosen})" if chosen != EMBEDDED else "")
    text = f"{name} will be used; {seconds}" if good else f"{name} plays nothing"
    say("host", State.GOOD if good else State.WRONG, text)
    if not is_calibrated(chosen):
        say("calibration", State.NOTE, f"none for {info.name} {info.version}: refine --calibrate makes one, in minutes")


def models(_: str) -> None:
    """Torch, the search library, the compiled proxy, and the files that come with the project."""
    doing("loading torch")
    import torch

    doing("loading numba and the proxy")
    from proxy.kernels.compiled import are_compiled, is_kept
    from proxy.synth import voice
    from proxy.synth.weights import load_corrections

    assert voice  # its import defines the compiled loops
    if are_compiled():
        say("proxy", State.GOOD, f"compiled, on torch {torch.__version__}")
    elif is_kept():
        say("proxy", State.NOTE, "not compiled yet: the first run does it in half a minute, outside of its budget")
    else:
        say("proxy", State.NOTE, "compiled code cannot be kept: every run takes half a minute to compile the proxy")
    doing("loading the search library")
    import nevergrad

    assert nevergrad
    doing("reading the models")
    from inference.network.proposals import load_guesser
    from inference.options import GUESSERS
    from proxy.synth.calibrations import kept_calibrations, read_calibration
    from render.data.library import read_library
    from render.errors import FileError, FormatError
    from render.noisemaker.instrument import NOISEMAKER

    load_corrections()
    for path in kept_calibrations():
        try:
            calibration = read_calibration(path)[1]
        except (FileError, FormatError) as error:
            say("calibration", State.NOTE, f"{error}; the shipped corrections are used")
        else:
            used = "" if calibration.closer else "; no gain, the shipped corrections are used"
            say("calibration", State.GOOD, f"{calibration.plugin}: {calibration.sentence()}{used}")
    for name in GUESSERS:
        load_guesser(name)
    prior = NOISEMAKER.prior
    library = None
    if NOISEMAKER.library is not None and prior is not None:
        library = read_library(NOISEMAKER.library, NOISEMAKER.table, prior)
    if library is None:
        say("models", State.NOTE, "the library does not fit this version: the first run renders another one")
    else:
        say("models", State.GOOD, f"networks, corrections and a library of {len(library)} sounds can be read")


def doing(what: str) -> None:
    """State the current step: if the process dies, it died there."""
    print(MARK + json.dumps({"doing": what}), flush=True)


def say(what: str, state: State, text: str) -> None:
    """Report a finding."""
    print(MARK + json.dumps({"what": what, "state": state, "text": text}), flush=True)


TRIALS: dict[str, Callable[[str], None]] = {"host": host, "models": models}

if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    try:
        TRIALS[sys.argv[2]](sys.argv[3])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}".partition("\n")[0])
