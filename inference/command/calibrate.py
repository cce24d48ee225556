"""``refine --calibrate``: the proxy's corrections fitted to renders of the user's own plug-in.

The renders are draws of the prior, in a set of their own. They and the checkpoints of the fit lie in the cache folder
until the calibration is complete, so that the same command continues one that was interrupted.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inference.command.console import Console
from inference.command.interruptions import Interrupted, held_off, raise_again
from inference.options import Options
from inference.output.claims import Claims
from inference.stages.models import has_models
from proxy.synth.calibrations import Calibration, calibration_path, is_calibrated, save_calibration
from render.errors import FileError, FormatError, OutOfRange
from render.files import cache_folder
from render.hosts.pool import Pool
from render.instruments.host import EMBEDDED, Host, HostInfo
from render.instruments.instrument import Instrument

if TYPE_CHECKING:
    from proxy.fitting.calibrate import Progress
    from proxy.synth.corrections import Corrections
    from render.data.shards import Dataset

SEED = 970
"""Set of the prior: the library, data sets, training and the targets of benchmarks have others."""
RENDERS = 400
_SHARD_SIZE = 20  # renders that an interruption may cost


def advice(options: Options) -> str | None:
    """A notice for users of a plug-in that has not been calibrated; None if there is nothing to say."""
    if not (has_models(options.instrument) and options.calibration and "descend" in options.stages):
        return None
    try:
        known = is_calibrated(options.where)
    except FileError:  # opening the plug-in says what is wrong
        return None
    return None if known else "this plug-in was never calibrated: refine --calibrate fits the proxy to it, in minutes"


def calibrated(
    instrument: Instrument,
    where: str,
    workers: int,
    console: Console,
    claims: Claims,
    came: Sequence[int],
) -> int:
    """Calibrate the proxy to a plug-in and report the gain.

    Args:
        instrument: the synth.
        where: path of the plug-in.
        workers: number of processes that render, and of threads that fit.
        console: what a person sees.
        claims: claims the calibration against other programs that run at the same time.
        came: numbers of the signals that were received.

    Returns:
        The exit code: 0, or that of the signal that interrupted it.

    Raises:
        OutOfRange: as ``calibrate`` does.
        HostError: as ``calibrate`` does.
        FileError: as ``calibrate`` does.
    """
    try:
        with console.counting() as progress:
            calibration = calibrate(instrument, where, workers, claims, progress, console.say)
    except KeyboardInterrupt:
        console.error("interrupted; refine --calibrate goes on from there")
        return Interrupted.exit_code_of(came)
    console.say(f"{calibration.plugin}: {calibration.sentence()}")
    kept = "runs with this plug-in use the fitted corrections from now on"
    console.say(f"  {kept if calibration.closer else 'no gain: runs with this plug-in use the shipped corrections'}")
    return 0


def calibrate(
    instrument: Instrument, where: str, workers: int, claims: Claims, progress: Progress, say: Callable[[str], None]
) -> Calibration:
    """Render draws of the prior on a plug-in, fit the corrections to them, and store those with the measurements.

    Args:
        instrument: the synth.
        where: path of the plug-in.
        workers: number of processes that render, and of threads that fit.
        claims: claims the calibration against other programs that run at the same time.
        progress: see ``proxy.fitting.calibrate.Progress``.
        say: called with messages for the user.

    Raises:
        OutOfRange: if the synth has no proxy, or the host is the embedded one, which needs no calibration.
        HostError: if the plug-in cannot be used, or stops rendering.
        FileError: if a file cannot be written, or the plug-in is being calibrated by another program.
        KeyboardInterrupt: if it was interrupted; the next call continues from there.
    """
    from render.data.dataset import make_dataset, make_worker, plan
    from render.data.shards import Dataset

    if not has_models(instrument):
        raise OutOfRange("--synth", instrument.name, "a synth that has a proxy, with --calibrate")
    if where == EMBEDDED:
        raise OutOfRange("--plugin", where, "the path of a plug-in, with --calibrate (none is installed)")

    def on_progress(what: str, done: int, count: int) -> None:
        raise_again()
        progress(what, done, count)

    make_host = functools.partial(instrument.hosts.open_host, where)
    with Pool(functools.partial(_describing, make_host), 1) as one:
        info = one.submit(None).result()
    path = calibration_path(Path(where))
    if not claims.claim(path.parent, [path.stem]):
        raise FileError(f"another run is calibrating the proxy to {where}")
    say(f"calibrating the proxy to {info.name} {info.version}: {RENDERS} renders, then the fit")
    folder = cache_folder() / "calibration" / path.stem
    manifest = plan(info, seed=SEED, count=RENDERS, shard_size=_SHARD_SIZE, instrument=instrument)
    with Pool(functools.partial(make_worker, make_host, SEED, instrument.name), workers) as pool:
        make = functools.partial(make_dataset, folder, manifest, pool.map, functools.partial(on_progress, "rendering"))
        try:
            make()
        except FormatError:  # something else, or damaged: nothing that could be continued
            shutil.rmtree(folder)
            make()
    corrections, calibration = _fitted(Dataset(folder), folder, workers, on_progress, say)
    with held_off():
        save_calibration(path, corrections, calibration)
        shutil.rmtree(folder, ignore_errors=True)
    return calibration


def _describing(make_host: Callable[[], Host]) -> Callable[[None], HostInfo]:
    info = make_host().info
    return lambda _: info


def _fitted(
    data: Dataset, folder: Path, threads: int, progress: Progress, say: Callable[[str], None]
) -> tuple[Corrections, Calibration]:
    import torch

    from proxy.fitting.calibrate import calibrate as fit
    from proxy.kernels.compiled import are_compiled

    torch.set_num_threads(threads)
    if not are_compiled():
        say("compiling the proxy, once for this machine: about half a minute")
    return fit(data, folder, progress)
