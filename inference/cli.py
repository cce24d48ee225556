"""``refine``: from clips to presets. The only module that knows the command line."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inference.command.arguments import refine_parser
from inference.command.installing import preset_folder
from inference.command.interruptions import Interrupted, interruptions
from render.background import is_apart
from render.errors import FileError, OutOfRange, ReconstructError, UnknownName, one_line
from render.hosts.processes import usable_cores
from render.streams import guarded_streams
from render.synths import DEFAULT_SYNTH, synth

if TYPE_CHECKING:
    from inference.command.console import Console
    from inference.command.jobs import Group
    from inference.output.claims import Claims
    from render.instruments.instrument import Instrument

COMMANDS = {
    "studio": "inference.studio.command",
    "vary": "inference.command.vary",
}
"""Modules of the commands that a first argument names; a clip with such a name is reached as ``./studio``."""

DEFAULT_OUT = "refined"
"""Folder of the results where ``--out`` names no other."""

DASK_JOBS = 16
"""Clips at a time on a cluster where ``--jobs`` names no other number."""

_MOST_PROCESSES = 16
"""So many processes may be asked for on any machine; each takes a quarter of a gigabyte and a start of a second."""

EXIT_FAILURE, EXIT_USAGE = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0, 1 (failure), 2 (usage) or 130 (Ctrl-C; other signals likewise)."""
    began = time.monotonic()
    with guarded_streams():
        code = _main(list(sys.argv[1:] if argv is None else argv), began, at_end=argv is None)
    if argv is None:
        if is_apart():
            os._exit(code)
        gc.freeze()  # else Python looks through all of torch's objects before it ends, for half a second
    return code


def _main(given: list[str], began: float, *, at_end: bool) -> int:
    # Threads that spin while they wait make torch ten times slower beside busy workers; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Where it can start no more threads, numpy's library sends itself a Ctrl-C, or waits for them for ever.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Workers start with the current folder on their path otherwise, and a file signal.py in it would end them.
    safe_path = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        with interruptions(at_end=at_end) as came:
            code = _code(given, came, began)
            sys.stdout.flush()
            return code
    except (OutOfRange, UnknownName) as error:
        return _fail(str(error), EXIT_USAGE)
    except ReconstructError as error:
        return _fail(str(error), EXIT_FAILURE)
    except KeyboardInterrupt as interrupt:
        came = [interrupt.signal] if isinstance(interrupt, Interrupted) else []
        refines = not {"doctor", *COMMANDS}.intersection(given[:1])
        when = " before there was a match" if refines else ""
        return _fail(f"interrupted{when}; nothing was written", Interrupted.exit_code_of(came))
    except MemoryError:
        return _fail("out of memory", EXIT_FAILURE)
    except OSError as error:  # no more processes, open files, memory
        return _fail(f"the system refuses: {one_line(error)}", EXIT_FAILURE)
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        return _fail("the system starts no more threads: too little memory, or a limit (ulimit -u)", EXIT_FAILURE)
    except ImportError as error:  # too little memory to load a library, for one
        return _fail(f"a library cannot be loaded: {one_line(error)} (refine doctor says more)", EXIT_FAILURE)
    finally:
        if safe_path is None:
            os.environ.pop("PYTHONSAFEPATH", None)
        else:
            os.environ["PYTHONSAFEPATH"] = safe_path


def _code(given: Sequence[str], came: Sequence[int], began: float) -> int:
    """Do what is asked for; returns the exit code."""
    name = given[0] if given else ""
    if name == "doctor":  # which reads its own arguments, and works where little else does
        from inference.command.doctor import main as doctor

        return doctor(given[1:])
    if name in COMMANDS:
        arguments = _parse_command(COMMANDS[name], given)
        return int(arguments.run(arguments))
    return _run(refine_parser().parse_args(given), came, began)


def _parse_command(module: str, given: Sequence[str]) -> argparse.Namespace:
    command = importlib.import_module(module)
    parser = argparse.ArgumentParser(
        prog=f"refine {given[0]}", description=(command.__doc__ or "").partition(": ")[2].strip().capitalize()
    )
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)
    return parser.parse_args(given[1:])


def _run(arguments: argparse.Namespace, came: Sequence[int], began: float) -> int:
    if sys.flags.optimize > 1:
        raise ReconstructError("Python drops texts that the search library needs (-OO, PYTHONOPTIMIZE); allowed: -O")
    for name in ("candidates", "workers", "jobs"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise OutOfRange(f"--{name}", value, "1 or more")
    for name in ("workers", "jobs"):
        most = max(_MOST_PROCESSES, 4 * usable_cores())
        if (getattr(arguments, name) or 1) > most and arguments.scheduler is None:
            raise OutOfRange(f"--{name}", getattr(arguments, name), f"at most {most} on this machine")
    if arguments.seed is not None and arguments.seed < 0:
        raise OutOfRange("--seed", arguments.seed, "0 or more")
    if bool(arguments.clips) == (arguments.resume is not None) and not _only_calibrates(arguments):
        raise OutOfRange("clips", len(arguments.clips), "one or more, or --resume DIR without clips")
    from inference.command.console import Console
    from inference.output.claims import Claims

    console = Console(quiet=arguments.quiet or arguments.json)
    with Claims() as claims:
        return _refined(arguments, console, claims, came, began)


def _refined(arguments: argparse.Namespace, console: Console, claims: Claims, came: Sequence[int], began: float) -> int:
    groups = _groups(arguments, console, claims) if not _only_calibrates(arguments) else []
    instrument = groups[0].options.instrument if groups else _synth(arguments)
    folder_of_presets = preset_folder(arguments.install, instrument)
    for folder in {group.jobs[0].files.folder for group in groups}:
        _check_writable(folder)
    if arguments.calibrate:
        from inference.command.calibrate import calibrated

        where = groups[0].options.where if groups else _host(arguments, instrument, console)
        code = calibrated(instrument, where, arguments.workers, console, claims, came)
        if code or not groups:
            return code
        began = time.monotonic()
    from inference.command.batch import Batch

    batch = Batch(groups, console, again=arguments.again, preset_folder=folder_of_presets, began=began)
    if arguments.scheduler is not None:
        from inference.command.crew import on_dask

        batch.run_on(on_dask(arguments.scheduler), arguments.jobs or DASK_JOBS, arguments.workers)
    elif (arguments.jobs or 1) > 1 and len(groups) > 1:
        from inference.command.crew import on_this_machine

        count = min(arguments.jobs, len(groups))
        batch.run_on(on_this_machine(count), count, max(1, arguments.workers // count))
    else:
        batch.run()
    if arguments.json:
        several = {"results": batch.records, "failures": batch.failures, "not_started": batch.not_started}
        print(json.dumps(batch.records[0] if batch.n_clips == 1 else several, indent=2))
    if batch.n_clips > 1:
        console.summary(batch.records, batch.n_clips)
        if batch.overview is not None:
            console.say(f"all clips: {_shown(batch.overview)}")
    if batch.not_started:
        _fail(f"interrupted; not refined: {', '.join(batch.not_started)}", EXIT_FAILURE)
    if batch.interrupted:
        return Interrupted.exit_code_of(came)
    return EXIT_FAILURE if batch.failures else 0


def _only_calibrates(arguments: argparse.Namespace) -> bool:
    return bool(arguments.calibrate) and not arguments.clips and arguments.resume is None


def _host(arguments: argparse.Namespace, instrument: Instrument, console: Console) -> str:
    """The host that is chosen; what is wrong with others is said."""
    where, notices = instrument.hosts.choose_host(arguments.plugin)
    for notice in notices:
        console.say(notice)
    return where


def _synth(arguments: argparse.Namespace) -> Instrument:
    return synth(arguments.synth or DEFAULT_SYNTH, arguments.plugin)


def _groups(arguments: argparse.Namespace, console: Console, claims: Claims) -> list[Group]:
    """What there is to do; refuses what is impossible before any work."""
    from inference.budget import Budget
    from inference.command.asked import DEFAULT_SECONDS
    from inference.command.calibrate import advice

    Budget(DEFAULT_SECONDS if arguments.seconds is None else arguments.seconds, arguments.renders, arguments.steps)
    if arguments.resume is not None:
        from inference.command.resuming import resumed_groups

        groups = resumed_groups(arguments, claims, console.say)
        if arguments.install is not None and len({group.options.instrument.name for group in groups}) > 1:
            raise OutOfRange("--install", "given for results of several synths", "the results of one synth")
    else:
        groups = _new_groups(arguments, console, claims)
    if not arguments.calibrate and (advised := advice(groups[0].options)) is not None:
        console.say(advised)
    return groups


def _new_groups(arguments: argparse.Namespace, console: Console, claims: Claims) -> list[Group]:
    from inference.command.asked import focus_asked, notes_of, number_of_keys, options_asked
    from inference.command.jobs import Job, in_groups
    from inference.options import Options
    from inference.output.files import suffixes
    from inference.output.names import plan_results

    instrument, clips = _synth(arguments), _clips(arguments.clips)
    notes, velocities = notes_of(arguments, len(clips))
    host = Options(instrument, where=_host(arguments, instrument, console))
    options = options_asked(arguments, host, n_keys=number_of_keys(notes[0]))  # only a single clip may be a chord
    names = plan_results(clips, arguments.out or Path(DEFAULT_OUT), suffixes(instrument), options.candidates, claims)
    for clip, files in zip(clips, names, strict=True):
        if files.renamed:
            console.say(f"{_shown(clip)}: its results are called {files.stem}")
    known = arguments.gate, focus_asked(arguments)
    jobs = [Job(*job, *known) for job in zip(clips, names, notes, velocities, strict=True)]
    return in_groups(jobs, options, together=arguments.together)


def _clips(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, folders as the audio files in them but for earlier matches; raises ``FileError``."""
    from inference.output.files import is_earlier_match
    from render.audio import audio_files

    clips: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = audio_files(path)
            inside = [file for file in found if not is_earlier_match(file)]
            if not inside:
                raise FileError(f"no audio files in {_shown(path)}" + " but matches of earlier runs" * bool(found))
            clips += inside
        elif path.exists():
            clips.append(path)
        else:
            raise FileError(f"no such file: {_shown(path)}")
    return list(dict.fromkeys(clips))


def _check_writable(folder: Path) -> None:
    """Find out before a minute of work that the results cannot be written; raises ``FileError``."""
    from render.files import replacing

    probe = folder / ".refine"
    with replacing(probe):
        pass
    probe.unlink(missing_ok=True)


def _fail(message: str, code: int) -> int:
    print(f"refine: {message}", file=sys.stderr)
    return code


def _shown(path: Path | str) -> str:
    from render.files import display_name

    return display_name(path)


if __name__ == "__main__":
    sys.exit(main())
