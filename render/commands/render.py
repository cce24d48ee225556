"""``python -m render render``: play a preset to a WAV file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from render.audio import write_wav
from render.command_line import add_synth_arguments
from render.errors import OutOfRange, PresetError
from render.note import Note
from render.synths import synth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("preset", type=Path, metavar="PRESET", help="preset file or bank")
    parser.add_argument("out", type=Path, metavar="OUT.wav", help="file to write")
    parser.add_argument("--program", default=None, metavar="NAME", help="program of a bank (default: the first)")
    parser.add_argument(
        "--note", action="append", metavar="N", help="key: 60 or C4 (default); several, each with --note, are a chord"
    )
    parser.add_argument("--velocity", type=int, default=100, metavar="V", help="MIDI velocity (default: 100)")
    parser.add_argument(
        "--gate", type=float, default=1.0, metavar="S", help="seconds that the key is held (default: 1)"
    )
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of the render (default: 2)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the synth's random numbers (default: 0)"
    )
    add_synth_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    instrument = synth(arguments.synth, arguments.plugin)
    programs = instrument.presets.read_programs(arguments.preset)
    wanted = [p for p in programs if arguments.program is None or p.name == arguments.program]
    if not wanted:
        raise PresetError(f"no program {arguments.program!r}; it has {', '.join(p.name for p in programs)}")
    keys = [Note.parse(text) for text in arguments.note or ["60"]]
    note = Note.of(keys, arguments.velocity, arguments.gate, arguments.seconds)
    if note.chord and not instrument.chords:
        raise OutOfRange(f"number of keys for {instrument.title}", len(keys), "1, because its engine plays no chords")
    where, notices = instrument.hosts.choose_host(arguments.plugin)
    print(*notices, sep="\n", end="\n" * bool(notices), file=sys.stderr)
    host = instrument.hosts.open_host(where)
    try:
        write_wav(arguments.out, host.render(wanted[0].patch, note, seed=arguments.seed))
    finally:
        host.close()
    return 0
