"""The target sets that ``compare``, ``budgets`` and ``optimizers`` share.

* ``factory``, ``whole``: golden renders of the real plug-in that are held out (``render.held_out``).
* ``prior``: draws of the prior, played by the host under test: sounds that it can make.
* ``foreign``: sounds of other synthesizers (``python -m benchmarks foreign``).
* ``inversynth2``, ``inversynth2-off``: draws by the protocol of InverSynth II, on and off its grid, played by the
  embedded host. With ``--known-note`` the gate is given too, as in the protocol.
* ``single``: simple patches with one modulation whose settings are known, played by the embedded host.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from benchmarks.common.foreign_sounds import read_foreign
from benchmarks.common.rows import judging
from inference.clip.target import Target, read_target
from inference.stages.library import LibraryOpener, library_opener
from render.audio import Audio, write_wav
from render.data.accept import refusal
from render.data.library import Draws
from render.errors import FileError, OutOfRange
from render.held_out import name_hash
from render.instruments.host import EMBEDDED, Host
from render.instruments.patch import Patch
from render.measures.golden import read_rows
from render.measures.loudness import EqualLoudnessMss
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.prior import draw
from render.noisemaker.table import TABLE
from render.noisemaker.trials import inversynth2, single_modulations
from render.note import SAMPLE_RATE, Note

SETS = ("factory", "whole", "prior", "foreign", "inversynth2", "inversynth2-off", "single")
GOLDEN_SETS = ("factory", "whole")
PLAYED_SETS = SETS[4:]
"""Sets whose targets the embedded host plays, whichever host is under test."""

PRIOR_SEED = 29
"""Differs from the seeds of the library, the data sets and the other benchmarks."""
DRAWS: Draws | None = None
"""Draws of the library in benchmarks; None for the one that comes with the instrument."""

TARGET_SEED = 1
"""Seed of the instrument's random generators in targets, which differs from that of candidates (0)."""


@dataclass(frozen=True)
class Sound:
    """A sound to reproduce.

    Attributes:
        set: one of ``SETS``.
        name: name, unique in its set.
        audio: shape ``(channels, samples)`` at ``SAMPLE_RATE``, the key press at sample 0.
        note: key press that it was played with.
        patch: patch that made it; None if NoiseMaker did not.
        plugin_floor: MSS in dB between two renders of the real plug-in; None if it is unknown.
        gate_given: whether the gate is given wherever the note is.
    """

    set: str
    name: str
    audio: Audio
    note: Note
    patch: Patch | None = None
    plugin_floor: float | None = None
    gate_given: bool = False


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for the targets and the host."""
    parser.add_argument(
        "--sets",
        type=names_of(SETS),
        metavar="A,B",
        help=f"of {', '.join(SETS)} (default: prior, and those with a folder)",
    )
    parser.add_argument(
        "--golden", type=Path, metavar="DIR", help="folder of golden renders, for the sets factory and whole"
    )
    parser.add_argument("--foreign", type=Path, metavar="DIR", help="folder that python -m benchmarks foreign wrote")
    parser.add_argument("--count", type=int, default=40, help="largest number of targets of each set (default: 40)")
    parser.add_argument("--known-note", action="store_true", help="use the true note instead of an estimate")
    parser.add_argument("--plugin", default=EMBEDDED, metavar="PATH|embedded")


def names_of(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser of comma-separated names for argparse."""

    def names(text: str) -> tuple[str, ...]:
        chosen = tuple(name.strip() for name in text.split(",") if name.strip())
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r}; known: {', '.join(known)}")
        return chosen

    return names


def check_counts(arguments: argparse.Namespace, *names: str) -> None:
    """Refuse arguments below 1; raises ``OutOfRange``."""
    for name in names:
        if getattr(arguments, name) < 1:
            raise OutOfRange(f"--{name.replace('_', '-')}", getattr(arguments, name), "1 or more")


def chosen_sounds(arguments: argparse.Namespace, host: Host) -> list[Sound]:
    """The targets that the arguments ask for; see ``read_sounds``."""
    sets = arguments.sets or (
        *(GOLDEN_SETS if arguments.golden is not None else ()),
        "prior",
        *(("foreign",) if arguments.foreign is not None else ()),
    )
    return read_sounds(sets, arguments.count, host, golden=arguments.golden, foreign=arguments.foreign)


def host_label(where: str) -> str:
    """Name of a host in result files, without its path."""
    return where if where == EMBEDDED else Path(where).stem


@functools.cache
def host_of(where: str) -> Host:
    """The host that judges, opened once in a process."""
    return open_host(where)


@functools.cache
def library_of(where: str, workers: int) -> LibraryOpener:
    """The opener of a host's library, made once in a process."""
    make_host = functools.partial(open_host, where)
    return library_opener(NOISEMAKER, make_host, workers=workers, progress=lambda done, wanted: None, draws=DRAWS)


def read_sounds(
    sets: Sequence[str], wanted: int, host: Host, *, golden: Path | None = None, foreign: Path | None = None
) -> list[Sound]:
    """The first sounds of each set, always the same ones.

    Args:
        sets: names of ``SETS``.
        wanted: largest number of sounds of each set.
        host: host that plays draws of the prior.
        golden: folder of golden renders.
        foreign: folder that ``python -m benchmarks foreign`` wrote.

    Raises:
        FileError: if a folder that a set needs is missing.
    """
    sounds: list[Sound] = []
    for name in sets:
        if name in GOLDEN_SETS:
            if golden is None:
                raise FileError(f"the target set {name} needs --golden DIR")
            sounds += [
                Sound(name, row.stem, row.audio(), row.note, row.patch, row.floor_mss)
                for row in judging(read_rows(golden), wanted, group=name)
            ]
        elif name == "prior":
            sounds += islice(_prior(host), wanted)
        elif name in PLAYED_SETS:
            sounds += islice(_played(name), wanted)
        else:
            if foreign is None:
                raise FileError(f"the target set {name} needs --foreign DIR (see python -m benchmarks foreign)")
            others = sorted(read_foreign(foreign), key=lambda one: name_hash(one.name))
            sounds += [Sound(name, one.name, one.audio, one.note) for one in others[:wanted]]
    return sounds


def read_sound(sound: Sound, *, known_note: bool = False) -> tuple[Target, float]:
    """Read a sound from a file as ``refine`` does.

    Args:
        sound: sound to read.
        known_note: whether to use the true note instead of an estimate.

    Returns:
        The target, and the seconds that reading it took.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.wav"
        write_wav(clip, sound.audio)
        began = time.monotonic()
        target = read_target(
            clip,
            note=sound.note.number if known_note else None,
            velocity=sound.note.velocity,
            gate_seconds=sound.note.gate_seconds if known_note and sound.gate_given else None,
        )
        return target, time.monotonic() - began


def floor_mss(sound: Sound, target: Target, host: Host) -> float | None:
    """MSS in dB of a perfect answer at equal loudness; None for a sound that NoiseMaker did not make.

    On a plug-in this is the MSS between two of its renders, if known; otherwise the distance of the true patch, played
    by this host.
    """
    if sound.patch is None:
        return None
    if host.info.kind == "plugin" and sound.plugin_floor is not None:
        return sound.plugin_floor
    onset = round(target.onset_seconds * SAMPLE_RATE)
    audio = host.render(sound.patch, sound.note)[:, onset : onset + target.audio.shape[1]]
    return EqualLoudnessMss([target.audio], SAMPLE_RATE).measure([audio])[0]


def parameter_error(true: Patch, found: Patch) -> float:
    """Mean error of the knobs over the parameters that are audible in either patch; a wrong choice counts 1."""
    different = true.diff(found)
    audible = [row for row in TABLE.parameters if true.sounds(row.name) or found.sounds(row.name)]
    wrong = [row for row in audible if row.name in different]
    errors = [1.0 if row.discrete else abs(true[row.name] - found[row.name]) for row in wrong]
    return sum(errors) / max(len(audible), 1)


def _prior(host: Host) -> Iterator[Sound]:
    """Draws of the prior that are accepted."""
    for index in count():
        for attempt in count():
            patch, note = draw(PRIOR_SEED, index, attempt)
            audio = host.render(patch, note, seed=TARGET_SEED)
            if refusal(audio) is None:
                yield Sound("prior", f"prior {index}", audio, note, patch)
                break


def _played(name: str) -> Iterator[Sound]:
    """Patches that were made for a set, played by the embedded host."""
    host = host_of(EMBEDDED)
    if name == "single":
        for title, patch in single_modulations.single_modulations():
            note = single_modulations.NOTE
            yield Sound(name, title, host.render(patch, note, seed=TARGET_SEED), note, patch, gate_given=True)
        return
    for index in count():
        patch, note = inversynth2.draw(index, off_grid=name.endswith("-off")), inversynth2.NOTE
        audio = host.render(patch, note, seed=TARGET_SEED)
        yield Sound(name, f"{name} {index}", audio, note, patch, gate_given=True)
