"""The estimated length of the key press, on golden renders and on renders and tones whose key press is known.

Only rows that are not held out are used. The cost of an estimate is the MSS in dB between the sound and its true patch,
played by the embedded host with the estimated gate, minus that with the true gate. If a sound has decayed before the
key was released, many gates cost nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.common.summary import markdown
from inference.clip.target import estimate_gate
from render.audio import Audio
from render.held_out import held_out
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.measures.golden import GoldenRow, read_rows
from render.measures.metrics import MssTarget
from render.noisemaker.hosts import open_host
from render.note import SAMPLE_RATE, Note

GATES = (0.1, 0.25, 0.5, 1.6)
"""Key presses of the renders, in seconds; the golden ones have 0.25 to 1."""
NEAR_SECONDS = 0.1
_TONE_SECONDS = 1.0
_COLUMNS = (
    "sounds",
    "count",
    "within 0.1 s",
    "less than half",
    "more than double",
    "cost, median",
    "mean",
    "over 1 dB",
)


@dataclass(frozen=True)
class Sound:
    """A sound of a known key press; ``patch`` is None for a tone that no patch made."""

    audio: Audio
    note: Note
    patch: Patch | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="folder of golden renders")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    rows = [row for row in read_rows(arguments.golden) if row.audible and not held_out(row.name)]
    factory = [row for row in rows if row.group == "factory"]
    host = open_host()
    sets = {
        "factory presets, golden": map(_golden, factory),
        "musical patches, golden": map(_golden, (row for row in rows if row.group == "whole")),
        "factory presets, embedded host": _rendered(factory[::3], host),
        "tones that only decay": _tones(None),
        "the same, let go after 0.4 s": _tones(0.4),
    }
    lines = [_judged(name, list(sounds), host) for name, sounds in sets.items()]
    print(markdown([_COLUMNS, *lines]))
    return 0


def _golden(row: GoldenRow) -> Sound:
    return Sound(row.audio(), row.note, row.patch)


def _rendered(rows: list[GoldenRow], host: Host) -> Iterator[Sound]:
    for row in rows:
        for gate_seconds in GATES:
            note = replace(row.note, gate_seconds=gate_seconds)
            yield Sound(host.render(row.patch, note), note, row.patch)


def _tones(gate_seconds: float | None) -> Iterator[Sound]:
    """Decaying saws with a rate in nepers per second, held to their end or released with a quick release."""
    seconds = np.arange(round(_TONE_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    for hertz in (41.2, 55.0, 110.0, 233.1, 440.0, 987.8):
        for decay in (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0):
            partials = np.arange(1, 13)[:, None]
            wave = (np.sin(2.0 * np.pi * hertz * partials * seconds) / partials).sum(axis=0) * np.exp(-decay * seconds)
            if gate_seconds is not None:
                wave = wave * np.where(seconds < gate_seconds, 1.0, np.exp((gate_seconds - seconds) / 0.02))
            note = Note(60, 100, gate_seconds or _TONE_SECONDS, _TONE_SECONDS)
            yield Sound((0.3 * wave).astype(np.float32)[None], note, None)


def _judged(name: str, sounds: list[Sound], host: Host) -> list[str]:
    estimates = [estimate_gate(sound.audio.mean(axis=0)) for sound in sounds]
    true = np.array([sound.note.gate_seconds for sound in sounds])
    estimated = np.array(estimates)
    costs = [_cost(*pair, host) for pair in zip(sounds, estimates, strict=True) if pair[0].patch is not None]
    shares = (np.abs(estimated - true) <= NEAR_SECONDS, estimated < 0.5 * true, estimated > 2.0 * true)
    cells = [name, str(len(sounds)), *(f"{100.0 * share.mean():.0f} %" for share in shares)]
    if not costs:
        return [*cells, "", "", ""]
    return [
        *cells,
        f"{np.median(costs):.2f}",
        f"{np.mean(costs):.2f}",
        f"{100.0 * np.mean(np.array(costs) > 1.0):.0f} %",
    ]


def _cost(sound: Sound, gate_seconds: float, host: Host) -> float:
    """MSS of the true patch with the estimated gate, minus that with the true gate."""
    assert sound.patch is not None
    target = MssTarget(sound.audio, SAMPLE_RATE)
    true, estimated = (
        target.distance(host.render(sound.patch, note))
        for note in (sound.note, replace(sound.note, gate_seconds=gate_seconds))
    )
    return estimated - true
