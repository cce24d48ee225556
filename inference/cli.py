"""``refine``: from clips to NoiseMaker presets. The only module that knows the command line and the terminal."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from render.errors import FileError, OutOfRange, PresetError, ReconstructError, UnknownName

if TYPE_CHECKING:
    from inference.budget import Budget
    from inference.leaderboard import Board
    from inference.pipeline import Match, Options
    from inference.stages.library import LibraryOpener

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3", ".w64", ".caf"})

PRESETS_VARIABLE = "NOISEMAKER_PRESETS"
"""Names the folder where the synth keeps its user's presets; where that is depends on its version and system."""

_ASK = Path()

EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0, 1 (failure), 2 (usage) or 130 (interrupted before there was a match)."""
    arguments = _parser().parse_args(argv)
    # Threads that spin while they wait make torch ten times slower beside busy workers; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return _run(arguments)
    except (OutOfRange, UnknownName) as error:
        return _fail(str(error), EXIT_USAGE)
    except ReconstructError as error:
        return _fail(str(error), EXIT_FAILURE)
    except KeyboardInterrupt:
        return _fail("interrupted before there was a match; nothing was written", EXIT_INTERRUPTED)
    except MemoryError:
        return _fail("out of memory", EXIT_FAILURE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="refine", description="Find the TAL-NoiseMaker settings that reproduce a clip, and write them as a preset."
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="audio file, or a folder of them")
    parser.add_argument("--out", type=Path, default=Path("refined"), metavar="DIR", help="default: ./refined")
    parser.add_argument(
        "--plugin",
        metavar="PATH|embedded",
        help="host to search on (default: an installed TAL-NoiseMaker, else embedded)",
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--seconds", type=float, metavar="S", help="time for each clip (default: 60)")
    budget.add_argument("--renders", type=int, metavar="N", help="number of renders instead, for repeatable runs")
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
    parser.add_argument("--start", type=Path, metavar="PRESET", help="adapt this preset")
    parser.add_argument(
        "--lock", action="append", default=[], metavar="NAME[=VALUE]", help="keep a parameter; may be repeated"
    )
    parser.add_argument("--no-effects", action="store_true", help="keep delay, chorus and reverb off")
    parser.add_argument("--stages", default="guess,descend,search", metavar="A,B,C", help="which stages run")
    parser.add_argument(
        "--guess", default="network", metavar="NAME", help="what guesses: network (default), or regression to compare"
    )
    parser.add_argument(
        "--install",
        nargs="?",
        type=Path,
        const=_ASK,
        metavar="DIR",
        help=f"also put the presets into the synth's preset folder (default: ${PRESETS_VARIABLE}, else asked)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="default: all cores")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def _note(text: str) -> int:
    """A MIDI note from a number or a name such as ``C4`` (60), ``F#2`` or ``Bb-1``."""
    if text.lstrip("-").isdigit():
        number = int(text)
    else:
        name = re.fullmatch(r"([A-Ga-g])([#b]?)(-?\d)", text)
        if name is None:
            raise argparse.ArgumentTypeError(f"{text!r} is no note; allowed: 0 to 127, or a name such as C4 or F#2")
        letter, accidental, octave = name.groups()
        number = "C D EF G A B".index(letter.upper()) + {"#": 1, "b": -1, "": 0}[accidental] + 12 * (int(octave) + 1)
    if not 0 <= number <= 127:
        raise argparse.ArgumentTypeError(f"{text!r} is outside of 0 to 127 (C-1 to G9)")
    return number


def _run(arguments: argparse.Namespace) -> int:
    for name, value, low in (("--candidates", arguments.candidates, 1), ("--workers", arguments.workers, 1)):
        if value < low:
            raise OutOfRange(name, value, f"{low} or more")
    if arguments.seed < 0:
        raise OutOfRange("--seed", arguments.seed, "0 or more")
    clips = _clips(arguments.clips)
    options = _options(arguments)
    notes, velocities = _for_each_clip(arguments, len(clips))
    preset_folder = _preset_folder(arguments.install)
    _check_writable(arguments.out)

    console = _Console(quiet=arguments.quiet or arguments.json)
    console.say(f"host: {options.where}")
    from inference.stages.library import library_opener

    open_library = library_opener(options.where, options.workers, console.preparing)
    jobs = [_Job(clip, note, velocity) for clip, note, velocity in zip(clips, notes, velocities, strict=True)]
    groups = [jobs] if arguments.together else [[job] for job in jobs]
    results: list[dict[str, Any]] = []
    failures = []
    for group in groups:
        try:
            written = _refine_clips(group, arguments, options, open_library, console)
            results += written
            if preset_folder is not None:
                _install(written[0], preset_folder, console)
        except ReconstructError as error:
            if len(groups) == 1:
                raise
            failures.append({"clip": str(group[0].clip), "error": str(error)})
            _fail(str(error), EXIT_FAILURE)
        if results and results[-1]["interrupted"]:
            break
    if arguments.json:
        print(json.dumps(results[0] if len(clips) == 1 else {"results": results, "failures": failures}, indent=2))
    if len(clips) > 1:
        console.summary(results, len(clips))
    return EXIT_FAILURE if failures else 0


def _clips(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, folders as the audio files in them; raises ``FileError`` or ``OutOfRange``."""
    clips: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
            if not inside:
                raise FileError(f"no audio files in {path}")
            clips += inside
        elif path.exists():
            clips.append(path)
        else:
            raise FileError(f"no such file: {path}")
    stems = [clip.stem for clip in clips]
    double = sorted({stem for stem in stems if stems.count(stem) > 1})
    if double:
        raise OutOfRange("clips", ", ".join(double), "different file names, because the results are named after them")
    return clips


def _options(arguments: argparse.Namespace) -> Options:
    from inference.constraints import Constraints
    from inference.pipeline import Options
    from render.hosts.open import choose_host

    start = None
    if arguments.start is not None:
        from render.noisemaker.presets import read_programs

        programs = read_programs(arguments.start)
        if len(programs) > 1:
            raise PresetError(
                f"{arguments.start.name} is a bank of {len(programs)} programs; --start takes one program"
            )
        start = programs[0].patch
    stages = tuple(stage.strip() for stage in arguments.stages.split(",") if stage.strip())
    return Options(
        where=choose_host(arguments.plugin),
        seconds=None if arguments.renders is not None else 60.0 if arguments.seconds is None else arguments.seconds,
        renders=arguments.renders,
        candidates=arguments.candidates,
        start=start,
        constraints=Constraints.parse(arguments.lock, no_effects=arguments.no_effects, start=start),
        stages=stages,
        guess=arguments.guess,
        seed=arguments.seed,
        workers=arguments.workers,
    )


@dataclass(frozen=True)
class _Job:
    """A clip with what the user knows of it."""

    clip: Path
    note: int | None
    velocity: int


def _for_each_clip(arguments: argparse.Namespace, n_clips: int) -> tuple[list[int | None], list[int]]:
    """Notes and velocities, one per clip; refuses impossible ones, and an impossible budget, before any work."""
    from inference.budget import Budget
    from render.note import Note

    notes, velocities = arguments.note or [None], arguments.velocity or [100]
    for name, values in (("--note", notes), ("--velocity", velocities)):
        if len(values) not in (1, n_clips):
            raise OutOfRange(name, f"given {len(values)} times", f"once, or once for each of {n_clips} clips")
        if len(values) == 1:
            values *= n_clips
    for velocity in velocities:
        Note(60, velocity, 1.0 if arguments.gate is None else arguments.gate)
    Budget(60.0 if arguments.seconds is None else arguments.seconds, arguments.renders)
    return notes, velocities


def _check_writable(folder: Path) -> None:
    """Find out before a minute of work that the results cannot be written; raises ``FileError``."""
    from render.files import replacing

    probe = folder / ".refine"
    with replacing(probe):
        pass
    probe.unlink(missing_ok=True)


def _preset_folder(chosen: Path | None) -> Path | None:
    """Where ``--install`` puts presets: None where it was not given; asks on a terminal where the folder is unknown."""
    if chosen is None:
        return None
    folder = chosen
    if folder == _ASK:
        known = os.environ.get(PRESETS_VARIABLE)
        if not known and not sys.stdin.isatty():
            raise OutOfRange("--install", "without a folder", f"a folder, or one named by {PRESETS_VARIABLE}")
        folder = Path(known or input("Folder of NoiseMaker's user presets: ").strip()).expanduser()
    if not folder.is_dir():
        raise FileError(f"no such preset folder: {folder}")
    return folder


def _install(result: dict[str, Any], folder: Path, console: _Console) -> None:
    from inference.output.files import install

    presets = [Path(candidate["files"]["preset"]) for candidate in result["candidates"]]
    for path in install(presets, folder):
        console.say(f"  installed {path}")


def _refine_clips(
    jobs: Sequence[_Job],
    arguments: argparse.Namespace,
    options: Options,
    open_library: LibraryOpener,
    console: _Console,
) -> list[dict[str, Any]]:
    """Refine one clip, or several together, and write the files of each."""
    from inference.clip.pitch import warm_up
    from inference.clip.target import read_target
    from inference.output.files import write_match
    from inference.pipeline import refine

    if any(job.note is None for job in jobs):
        warm_up()
    began = time.monotonic()
    targets = [read_target(job.clip, note=job.note, velocity=job.velocity, gate_seconds=arguments.gate) for job in jobs]
    for job, target in zip(jobs, targets, strict=True):
        console.heard(job.clip, target)
    with console.progress(options) as on_candidate:
        match = refine(
            targets[0],
            options,
            also=targets[1:],
            open_library=open_library,
            analysis_seconds=time.monotonic() - began,
            on_candidate=on_candidate,
        )
    results = [write_match(match, job.clip, arguments.out, part) for part, job in enumerate(jobs)]
    console.done(match, results[0])
    return results


def _fail(message: str, code: int) -> int:
    print(f"refine: {message}", file=sys.stderr)
    return code


class _Console:
    """What a person sees: everything goes to standard error, so that ``--json`` has standard output to itself."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console

        self._quiet = quiet
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def preparing(self, done: int, count: int) -> None:
        """Progress of the library's first render."""
        if count and (done == count or done % max(count // 10, 1) == 0):
            self.say(f"rendering the library, once: {done} of {count}")

    def heard(self, clip: Path, target: Any) -> None:
        from inference.output.report import note_name

        note = target.note
        pitch = f"note {note.number} ({note_name(note.number)})" if target.pitched else "no clear pitch"
        sides = "stereo" if target.stereo else "mono"
        self.say(f"{clip.name}: {note.seconds:.2f} s, {sides}, {pitch}, key held about {note.gate_seconds:.2f} s")
        for notice in target.notices:
            self.say(f"  {notice}")

    @contextlib.contextmanager
    def progress(self, options: Options) -> Iterator[Callable[[Board, Budget, int], None] | None]:
        """A live line: stage, time left, best distance, renders per second."""
        if self._quiet:
            yield None
            return
        if not self._console.is_terminal:
            yield self._say_once("  searching")
            return
        from rich.live import Live
        from rich.text import Text

        with Live(console=self._console, refresh_per_second=4, transient=True) as live:

            def show(board: Board, budget: Budget, renders: int) -> None:
                rate = renders / max(budget.elapsed(), 1e-3)
                best = f"{board.best[0].loss:.3f}" if board.best else "-"
                left = budget.left(renders)
                live.update(Text(f"  {board.stage}: {left} left, best loss {best}, {rate:.0f} renders/s"))

            yield show

    def _say_once(self, text: str) -> Callable[[Board, Budget, int], None]:
        said = False

        def show(board: Board, budget: Budget, renders: int) -> None:
            nonlocal said
            if not said:
                self.say(text)
                said = True

        return show

    def done(self, match: Match, result: dict[str, Any]) -> None:
        path = "  ->  ".join(f"{stage.name} {stage.best.mss:.2f}" for stage in match.stages)
        self.say(f"  MSS in dB after each stage: {path}")
        for notice in match.notices[sum(len(target.notices) for target in match.targets) :]:
            self.say(f"  {notice}")
        prepared = f", {match.prepared_seconds:.1f} s of preparation before" if match.prepared_seconds > 1.0 else ""
        self.say(f"  {match.renders} renders in {match.seconds:.1f} s{prepared}")
        for candidate in result["candidates"]:
            self.say(f"  {candidate['files']['preset']}  (MSS {candidate['distance']['mss']:.2f} dB)")
        self.say(f"  {result['best']['files']['report']}")

    def summary(self, results: Sequence[dict[str, Any]], count: int) -> None:
        from rich.table import Table

        table = Table("clip", "MSS dB", "LSD dB", "preset", title=f"{len(results)} of {count} clips")
        for result in sorted(results, key=lambda r: r["best"]["distance"]["mss"]):
            best = result["best"]
            distance = best["distance"]
            table.add_row(result["clip"], f"{distance['mss']:.2f}", f"{distance['lsd']:.2f}", best["files"]["preset"])
        self._console.print(table)


if __name__ == "__main__":
    sys.exit(main())
