"""The options of ``refine``, in groups."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from render.errors import OutOfRange, ReconstructError
from render.hosts.processes import usable_cores
from render.note import SAMPLE_RATE, Note
from render.synths import DEFAULT_SYNTH, GENERIC, SYNTHS

T = TypeVar("T")

ASK = Path()
"""Value of ``--install`` without a folder."""

_EXAMPLES = """examples:
  refine pluck.wav                          a preset, a match and a report in ./refined
  refine clips/ --seconds 30 --jobs 2       a folder, two clips at a time; the same command continues it
  refine --calibrate                        fit the proxy to the installed plug-in, once, in minutes
  refine chord.wav --chord --note C4 --note E4 --note G4
  refine pluck.wav --lock cutoff=1.2kHz --limit resonance=0..0.5 --start mine.fxp

other commands:
  refine doctor                             what was found on this machine, and what is wrong
  refine studio                             the same with a page in the browser: drop, listen, turn knobs, vary
  refine vary A.fxp [B.fxp]                 new sounds from a preset, or from two
"""


def refine_parser() -> argparse.ArgumentParser:
    """The parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="refine",
        usage="refine [options] CLIP...   |   refine studio   |   refine vary A [B]   |   refine doctor",
        description="Find the settings of a synth that reproduce a clip, and write them as a preset.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clips", nargs="*", type=path_argument, metavar="CLIP", help="audio file, or a folder of them")
    _add_budget(parser)
    _add_clip(parser)
    _add_patch(parser)
    _add_results(parser)
    _add_search(parser)
    return parser


def _add_budget(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how long")
    budget = group.add_mutually_exclusive_group()
    budget.add_argument("--seconds", type=float, metavar="S", help="time for each clip (default: 60)")
    budget.add_argument("--renders", type=int, metavar="N", help="number of renders instead, for repeatable runs")
    group.add_argument("--steps", type=int, metavar="N", help="limit of descent steps, beside --renders")
    group.add_argument(
        "--resume",
        type=path_argument,
        metavar="DIR",
        help="continue from the results in a folder, with what they were made with; other options that are given "
        "change it, and what was found so far is measured anew",
    )
    group.add_argument("--again", action="store_true", help="refine finished clips of a batch again")


def _add_clip(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the clip")
    group.add_argument(
        "--note",
        type=_argument(Note.parse),
        action="append",
        metavar="N",
        help="MIDI number or name (60, C4), once or once for each clip; estimated when missing",
    )
    group.add_argument(
        "--chord", action="store_true", help="the clip is a chord of the keys that --note gives, pressed together"
    )
    group.add_argument(
        "--velocity", type=int, action="append", metavar="V", help="1 to 127, once or for each clip (default: 100)"
    )
    group.add_argument("--gate", type=float, metavar="S", help="how long the key was held; estimated when missing")
    group.add_argument(
        "--range",
        type=_argument(seconds_span),
        metavar="A:B",
        help="match only what is between these seconds of the file",
    )
    group.add_argument(
        "--ignore",
        type=_argument(seconds_span),
        action="append",
        default=[],
        metavar="A:B",
        help="compare nothing between these seconds of the file (a cough, a drum); may be repeated",
    )
    group.add_argument(
        "--band",
        type=_argument(hertz_band),
        metavar="LOW:HIGH",
        help="compare only these frequencies, in Hz, such as 80:5000",
    )
    group.add_argument(
        "--noise",
        action=argparse.BooleanOptionalAction,
        help="a noisy recording: what lies below the noise, as it is before or after the sound, is not compared",
    )
    group.add_argument(
        "--together", action="store_true", help="one patch for all clips, which are the same sound at other notes"
    )


def _add_patch(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the patch")
    group.add_argument(
        "--synth",
        metavar="NAME",
        help=f"{', '.join(SYNTHS)}, {GENERIC} (any plug-in, with --plugin), or a description that python -m render "
        f"describe wrote (default: {DEFAULT_SYNTH})",
    )
    group.add_argument(
        "--start", type=path_argument, metavar="PRESET", help="adapt this preset; FILE:NAME or FILE:NUMBER of a bank"
    )
    group.add_argument(
        "--lock", action="append", default=[], metavar="NAME[=VALUE]", help="keep a parameter; may be repeated"
    )
    group.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=LOW..HIGH",
        help="keep a parameter between two values; may be repeated",
    )
    group.add_argument(
        "--bank",
        type=path_argument,
        metavar="PATH",
        help="start from the presets of this bank or folder too, and list the steps from the closest one",
    )
    group.add_argument("--no-effects", action="store_true", help="keep delay, chorus and reverb off")


def _add_results(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the results")
    group.add_argument("--out", type=path_argument, metavar="DIR", help="default: ./refined")
    group.add_argument("--candidates", type=int, metavar="K", help="write the K best different patches (default: 1)")
    group.add_argument(
        "--formats",
        metavar="A,B,C",
        help="files beside the synth's own preset: vstpreset, fxp, mid, or none (default: all of them)",
    )
    group.add_argument("--class-id", metavar="ID", help="class id of the VST3 that will load .vstpreset files")
    group.add_argument(
        "--install",
        nargs="?",
        type=path_argument,
        const=ASK,
        metavar="DIR",
        help="also put the presets into the synth's preset folder (default: the usual one, or asked)",
    )
    group.add_argument("--json", action="store_true", help="print the results as JSON")
    group.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_search(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is found")
    group.add_argument(
        "--plugin", metavar="PATH|embedded", help="host to search on (default: the installed plug-in, else embedded)"
    )
    calibration = group.add_mutually_exclusive_group()
    calibration.add_argument(
        "--calibrate", action="store_true", help="fit the proxy to renders of your plug-in, in minutes; needs no clip"
    )
    calibration.add_argument("--no-calibration", action="store_true", help="ignore a calibration of the plug-in")
    group.add_argument("--stages", metavar="A,B,C", help="which stages run (default: guess,descend,search)")
    group.add_argument("--no-tidy", action="store_true", help="leave the settings of the match as they were found")
    group.add_argument("--guess", metavar="NAME", help="network (default), or regression for comparison")
    group.add_argument("--seed", type=int, metavar="N", help="seed of all random numbers (default: 0)")
    group.add_argument("--jobs", type=int, metavar="N", help="refine N clips at a time (default: 1)")
    group.add_argument(
        "--scheduler", metavar="ADDRESS", help="refine clips on a Dask cluster (needs the package 'distributed')"
    )
    group.add_argument("--workers", type=int, default=usable_cores(), metavar="N", help="default: all usable cores")


def path_argument(text: str) -> Path:
    """A path; an empty one is refused."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path; allowed: a file or folder")
    return Path(text)


def seconds_span(text: str) -> tuple[float, float]:
    """``FROM:TO`` in seconds; raises ``OutOfRange``."""
    return _span("range", text, "FROM:TO in seconds, such as 1.5:3")


def hertz_band(text: str) -> tuple[float, float]:
    """``LOW:HIGH`` in Hz, or ``:HIGH`` or ``LOW:``; raises ``OutOfRange``."""
    return _span("band", text, "LOW:HIGH in Hz, such as 80:5000", last=SAMPLE_RATE / 2.0)


def _span(name: str, text: str, allowed: str, last: float | None = None) -> tuple[float, float]:
    begin, colon, end = text.partition(":")
    try:
        if not colon or (last is None and not end.strip()):
            raise ValueError
        return float(begin.strip() or 0.0), float(end.strip() or last or 0.0)
    except ValueError:
        raise OutOfRange(name, text, allowed) from None


def _argument(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser whose errors the argument parser shows as they are."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ReconstructError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed
