"""``refine``: from clips to presets. The only module that knows the command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inference.command.interruptions import Interrupted, interruptions
from render.errors import FileError, OutOfRange, PresetError, ReconstructError, UnknownName, one_line
from render.hosts.processes import usable_cores
from render.note import Note
from render.synths import DEFAULT_SYNTH, GENERIC, SYNTHS, synth

if TYPE_CHECKING:
    from inference.command.console import Console
    from inference.command.jobs import Group
    from inference.options import Options
    from inference.output.claims import Claims
    from render.instruments.instrument import Instrument

PRESETS_VARIABLE = "{}_PRESETS"
"""Environment variable, with the synth's name in capitals, for the folder where the synth keeps its user's presets;
where that is depends on its version and system."""

_ASK = Path()

EXIT_FAILURE, EXIT_USAGE = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0, 1 (failure), 2 (usage) or 130 (Ctrl-C; other signals likewise)."""
    began = time.monotonic()
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["doctor"]:  # a clip of that name is ./doctor
        from inference.command.doctor import main as doctor

        return doctor(argv[1:])
    arguments = _parser().parse_args(argv)
    # Threads that spin while they wait make torch ten times slower beside busy workers; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Workers start with the current folder on their path otherwise, and a file signal.py in it would end them.
    safe_path = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        with interruptions() as came:
            return _run(arguments, came, began)
    except (OutOfRange, UnknownName) as error:
        return _fail(str(error), EXIT_USAGE)
    except ReconstructError as error:
        return _fail(str(error), EXIT_FAILURE)
    except KeyboardInterrupt as interrupt:
        came = [interrupt.signal] if isinstance(interrupt, Interrupted) else []
        return _fail("interrupted before there was a match; nothing was written", Interrupted.exit_code_of(came))
    except MemoryError:
        return _fail("out of memory", EXIT_FAILURE)
    except ImportError as error:  # too little memory to load a library, for one
        return _fail(f"a library cannot be loaded: {one_line(error)} (refine doctor says more)", EXIT_FAILURE)
    finally:
        if safe_path is None:
            os.environ.pop("PYTHONSAFEPATH", None)
        else:
            os.environ["PYTHONSAFEPATH"] = safe_path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="refine",
        description="Find the settings of a synth that reproduce a clip, and write them as a preset.",
        epilog="refine doctor says what was found on this machine and what is wrong (a clip of that name: ./doctor).",
    )
    parser.add_argument("clips", nargs="*", type=_path, metavar="CLIP", help="audio file, or a folder of them")
    parser.add_argument("--out", type=_path, default=Path("refined"), metavar="DIR", help="default: ./refined")
    parser.add_argument(
        "--plugin",
        metavar="PATH|embedded",
        help="host to search on (default: the installed plug-in, else embedded)",
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--seconds", type=float, metavar="S", help="time for each clip (default: 60)")
    budget.add_argument("--renders", type=int, metavar="N", help="number of renders instead, for repeatable runs")
    parser.add_argument("--steps", type=int, metavar="N", help="limit of descent steps, beside --renders")
    parser.add_argument(
        "--resume", type=_path, metavar="DIR", help="go on from the results in a folder, with another budget"
    )
    parser.add_argument("--again", action="store_true", help="refine clips of a batch anew that are done already")
    parser.add_argument(
        "--synth",
        default=DEFAULT_SYNTH,
        metavar="NAME",
        help=f"{', '.join(SYNTHS)}, {GENERIC} (any plug-in, with --plugin), or a description that python -m render "
        f"describe wrote (default: {DEFAULT_SYNTH})",
    )
    parser.add_argument(
        "--together", action="store_true", help="one patch for all clips, which are the same sound at other notes"
    )
    parser.add_argument(
        "--note",
        type=_note,
        action="append",
        metavar="N",
        help="MIDI number or name (60, C4), once or once for each clip; estimated when missing",
    )
    parser.add_argument(
        "--velocity", type=int, action="append", metavar="V", help="1 to 127, once or for each clip (default: 100)"
    )
    parser.add_argument("--gate", type=float, metavar="S", help="how long the key was held; estimated when missing")
    parser.add_argument("--candidates", type=int, default=1, metavar="K", help="write the K best different patches")
    parser.add_argument("--start", type=_path, metavar="PRESET", help="adapt this preset")
    parser.add_argument(
        "--lock", action="append", default=[], metavar="NAME[=VALUE]", help="keep a parameter; may be repeated"
    )
    parser.add_argument("--no-effects", action="store_true", help="keep delay, chorus, reverb and the like off")
    parser.add_argument("--stages", default="guess,descend,search", metavar="A,B,C", help="which stages run")
    parser.add_argument("--no-tidy", action="store_true", help="leave the settings of the answer as they were found")
    parser.add_argument(
        "--guess", default="network", metavar="NAME", help="what guesses: network (default), or regression to compare"
    )
    parser.add_argument(
        "--install",
        nargs="?",
        type=Path,
        const=_ASK,
        metavar="DIR",
        help="also put the presets into the synth's preset folder "
        f"(default: ${PRESETS_VARIABLE.format('SYNTH')}, else asked)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seeds everything random (default: 0)")
    parser.add_argument("--workers", type=int, default=usable_cores(), metavar="N", help="default: all usable cores")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("an empty path; allowed: a file or folder")
    return Path(text)


def _note(text: str) -> int:
    try:
        return Note.parse(text)
    except ReconstructError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(arguments: argparse.Namespace, came: Sequence[int], began: float) -> int:
    for name, value, low in (("--candidates", arguments.candidates, 1), ("--workers", arguments.workers, 1)):
        if value < low:
            raise OutOfRange(name, value, f"{low} or more")
    if arguments.seed < 0:
        raise OutOfRange("--seed", arguments.seed, "0 or more")
    if bool(arguments.clips) == (arguments.resume is not None):
        raise OutOfRange("clips", len(arguments.clips), "one or more, or --resume DIR without clips")
    from inference.command.console import Console
    from inference.output.claims import Claims

    console = Console(quiet=arguments.quiet or arguments.json)
    with Claims() as claims:
        return _refined(arguments, console, claims, came, began)


def _refined(arguments: argparse.Namespace, console: Console, claims: Claims, came: Sequence[int], began: float) -> int:
    instrument = synth(arguments.synth, arguments.plugin)
    groups = _groups(arguments, instrument, console, claims)
    preset_folder = _preset_folder(arguments.install, instrument)
    for folder in {group.jobs[0].files.folder for group in groups}:
        _check_writable(folder)
    from inference.command.batch import Batch

    batch = Batch(groups, console, again=arguments.again, preset_folder=preset_folder, began=began)
    batch.run()
    if arguments.json:
        several = {"results": batch.records, "failures": batch.failures, "not_started": batch.not_started}
        print(json.dumps(batch.records[0] if batch.n_clips == 1 else several, indent=2))
    if batch.n_clips > 1:
        console.summary(batch.records, batch.n_clips)
    if batch.not_started:
        _fail(f"interrupted; not refined: {', '.join(batch.not_started)}", EXIT_FAILURE)
    if batch.interrupted:
        return Interrupted.exit_code_of(came)
    return EXIT_FAILURE if batch.failures else 0


def _groups(arguments: argparse.Namespace, instrument: Instrument, console: Console, claims: Claims) -> list[Group]:
    """What there is to do; refuses what is impossible before any work."""
    from inference.budget import Budget
    from inference.command.jobs import Job, in_groups, resumed_groups
    from inference.output.files import suffixes
    from inference.output.names import plan_results

    clips = _clips(arguments.clips)
    notes, velocities = _for_each_clip(arguments, len(clips))
    Budget(60.0 if arguments.seconds is None else arguments.seconds, arguments.renders, arguments.steps)
    where, notices = instrument.hosts.choose_host(arguments.plugin)
    for notice in notices:
        console.say(notice)
    options = _options(arguments, instrument, where)
    if arguments.resume is not None:
        return resumed_groups(arguments.resume, options, claims)
    names = plan_results(clips, arguments.out, suffixes(instrument), arguments.candidates, claims)
    for clip, files in zip(clips, names, strict=True):
        if files.renamed:
            console.say(f"{_shown(clip.name)}: its results are called {files.stem}")
    jobs = [Job(*job, arguments.gate) for job in zip(clips, names, notes, velocities, strict=True)]
    return in_groups(jobs, options, together=arguments.together)


def _clips(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, folders as the audio files in them; raises ``FileError``."""
    from render.audio import audio_files

    clips: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = audio_files(path)
            if not inside:
                raise FileError(f"no audio files in {_shown(path)}")
            clips += inside
        elif path.exists():
            clips.append(path)
        else:
            raise FileError(f"no such file: {_shown(path)}")
    return list(dict.fromkeys(clips))


def _options(arguments: argparse.Namespace, instrument: Instrument, where: str) -> Options:
    from inference.constraints import Constraints
    from inference.options import Options

    start = None
    if arguments.start is not None:
        programs = instrument.presets.read_programs(arguments.start)
        if len(programs) > 1:
            raise PresetError(
                f"{arguments.start.name} is a bank of {len(programs)} programs; --start takes one program"
            )
        start = programs[0].patch
    stages = tuple(stage.strip() for stage in arguments.stages.split(",") if stage.strip())
    return Options(
        instrument,
        where=where,
        seconds=None if arguments.renders is not None else 60.0 if arguments.seconds is None else arguments.seconds,
        renders=arguments.renders,
        steps=arguments.steps,
        candidates=arguments.candidates,
        start=start,
        constraints=Constraints.parse(instrument.table, arguments.lock, no_effects=arguments.no_effects, start=start),
        stages=stages,
        guess=arguments.guess,
        tidy=not arguments.no_tidy,
        seed=arguments.seed,
        workers=arguments.workers,
    )


def _for_each_clip(arguments: argparse.Namespace, n_clips: int) -> tuple[list[int | None], list[int]]:
    """Notes and velocities, one per clip; refuses impossible ones before any work."""
    notes, velocities = arguments.note or [None], arguments.velocity or [100]
    for name, values in (("--note", notes), ("--velocity", velocities)):
        if len(values) not in (1, n_clips):
            raise OutOfRange(name, f"given {len(values)} times", f"once, or once for each of {n_clips} clips")
    for velocity in velocities:
        Note(60, velocity, 1.0 if arguments.gate is None else arguments.gate)
    return [values * n_clips if len(values) == 1 else values for values in (notes, velocities)]  # type: ignore[return-value]


def _check_writable(folder: Path) -> None:
    """Find out before a minute of work that the results cannot be written; raises ``FileError``."""
    from render.files import replacing

    probe = folder / ".refine"
    with replacing(probe):
        pass
    probe.unlink(missing_ok=True)


def _preset_folder(chosen: Path | None, instrument: Instrument) -> Path | None:
    """Where ``--install`` puts presets: None where it was not given; asks on a terminal where the folder is unknown."""
    if chosen is None:
        return None
    folder = chosen
    if folder == _ASK:
        variable = PRESETS_VARIABLE.format(instrument.name.upper())
        known = os.environ.get(variable)
        if not known and not sys.stdin.isatty():
            raise OutOfRange("--install", "without a folder", f"a folder, or one named by {variable}")
        folder = Path(known or input("Folder of the synth's user presets: ").strip()).expanduser()
    if not folder.is_dir():
        raise FileError(f"no such preset folder: {folder}")
    return folder


def _fail(message: str, code: int) -> int:
    print(f"refine: {message}", file=sys.stderr)
    return code


def _shown(path: Path | str) -> str:
    from render.files import display_name

    return display_name(path)


if __name__ == "__main__":
    sys.exit(main())
