"""``refine vary``: new sounds from presets: variations of one, or crosses of two, each as a preset and a sound."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path

from inference.after.vary import STRENGTH, Child, Variety, vary
from inference.command.arguments import path_argument
from inference.command.interruptions import held_off
from inference.output.claims import Claims
from inference.output.names import plain_stem
from render.audio import write_wav
from render.errors import OutOfRange, PresetError
from render.files import display_name, replacing_together
from render.instruments.instrument import Instrument, Program
from render.instruments.programs import read_program
from render.note import MAX_SECONDS, Note
from render.synths import DEFAULT_SYNTH, SYNTHS, synth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("parent", type=path_argument, metavar="A", help="preset; FILE:NAME or FILE:NUMBER of a bank")
    parser.add_argument("other", type=path_argument, nargs="?", metavar="B", help="preset to cross it with")
    parser.add_argument("--count", type=int, default=12, metavar="N", help="number of new sounds (default: 12)")
    parser.add_argument(
        "--strength", type=float, default=STRENGTH, metavar="S", help=f"of the mutations, 0 to 1 (default: {STRENGTH})"
    )
    parser.add_argument(
        "--keep", action="append", default=[], metavar="SECTION", help="leave a section as it is in A; may be repeated"
    )
    parser.add_argument("--note", default="C3", metavar="N", help="note that they are played with (default: C3)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of the sounds (default: 2)")
    parser.add_argument("--out", type=path_argument, default=Path("varied"), metavar="DIR", help="default: ./varied")
    parser.add_argument("--plugin", metavar="PATH|embedded", help="host that plays them, as in refine")
    parser.add_argument("--synth", choices=SYNTHS, default=DEFAULT_SYNTH, help=f"default: {DEFAULT_SYNTH}")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seeds the draws (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Write the new sounds; returns the exit code."""
    instrument = synth(arguments.synth)
    variety = Variety(arguments.count, arguments.strength, frozenset(arguments.keep), arguments.seed)
    if not 0.0 < arguments.seconds <= MAX_SECONDS:
        raise OutOfRange("--seconds", arguments.seconds, f"above 0, at most {MAX_SECONDS:g} s")
    note = Note(Note.parse(arguments.note), 100, 0.5 * arguments.seconds, arguments.seconds)
    parent = read_program(instrument, arguments.parent)
    other = read_program(instrument, arguments.other).patch if arguments.other is not None else None
    where, notices = instrument.hosts.choose_host(arguments.plugin)
    for notice in notices:
        _say(notice)
    host = instrument.hosts.open_host(where)
    try:
        children = vary(instrument, parent.patch, lambda patch: host.render(patch, note), variety, other)
    finally:
        host.close()
    if not children:
        raise PresetError(f"every variation of {parent.name} is silent or clips")
    with Claims() as claims, held_off():
        stems = _stems(
            arguments.out,
            plain_stem(parent.name.strip(), "patch"),
            (instrument.presets.SUFFIX, ".wav"),
            len(children),
            claims,
        )
        _write(arguments.out, stems, children, instrument)
    for stem in stems:
        _say(display_name(arguments.out / f"{stem}{instrument.presets.SUFFIX}"))
    if len(children) < variety.count:
        _say(f"only {len(children)} of {variety.count}: the others were silent or clipped")
    return 0


def _write(folder: Path, stems: Sequence[str], children: Sequence[Child], instrument: Instrument) -> None:
    with replacing_together(folder, stems[0]) as temporary:
        for stem, child in zip(stems, children, strict=True):
            preset = folder / f"{stem}{instrument.presets.SUFFIX}"
            instrument.presets.write_program(temporary(preset), Program(stem, child.patch))
            write_wav(temporary(folder / f"{stem}.wav"), child.audio)


def _stems(folder: Path, name: str, suffixes: tuple[str, ...], wanted: int, claims: Claims) -> list[str]:
    """Names that no file in the folder has, and that no other program is about to use."""
    numbered = (f"{name} {number}" for number in count(1))

    def free(stem: str) -> bool:
        return not any(os.path.lexists(folder / f"{stem}{suffix}") for suffix in suffixes)

    ours = (stem for stem in numbered if free(stem) and claims.claim(folder, [stem]) and free(stem))
    return list(islice(ours, wanted))


def _say(text: str) -> None:
    print(f"refine: {text}", file=sys.stderr)
