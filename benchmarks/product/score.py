"""A score for other systems: the distance of their answers from the clips, by every metric that this project reports.

CLIPS and ANSWERS are folders. An answer has the stem of its clip and is a render (any audio file) or a preset, which
the host plays with the note of the clip; where there are both, the preset counts. A clip is read as ``refine`` reads
one: resampled to 44.1 kHz, from its onset on, four seconds at most, and brought to a usual level if it is far from one.
A render is resampled by the same code, cut at the same position of its file and to the same length, and gets the same
gain as the clip, so rates and lengths may differ, and an answer that begins late stays late. The key of a preset is
pressed at the onset of the clip, as with ``refine``.

The tables also have the floor (the true presets, if ``--true`` has them; their key is pressed at the beginning of the
clip's file) and the closest patch of the library at its best gain.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from benchmarks.common.best_gain import BestGainMss
from benchmarks.common.summary import markdown
from benchmarks.common.targets import check_counts, host_of, library_of
from inference.clip.target import Target, read_target
from inference.output.files import MATCH_SUFFIX
from render.audio import Audio, audio_files, read_recording
from render.errors import FileError, FormatError, ReconstructError
from render.instruments.host import EMBEDDED, Host
from render.measures.loudness import EqualLoudnessMss
from render.measures.metrics import Distances, distances
from render.noisemaker.instrument import NOISEMAKER
from render.note import SAMPLE_RATE, Note

ANSWER, FLOOR, NEAREST = "answer", "floor", "nearest library patch"
LIBRARY_TRIED = 16
"""Number of patches of the library that are rendered for a clip; the closest of them by MSS counts."""
COLUMNS = (
    "MSS",
    "MSS, best gain",
    "gain, dB",
    "MSS, equal loudness",
    "LSD",
    "SOT",
    "wMFCC",
    "1-cos",
    "MRSTFT",
    "side MSS",
)
NOTE_COLUMNS = ("name", "note", "velocity", "gate_seconds")


@dataclass(frozen=True)
class Scored:
    """The distance of one sound from a clip.

    Attributes:
        clip: stem of the clip.
        what: ``ANSWER``, ``FLOOR`` or ``NEAREST``.
        best_gain_mss: MSS in dB at the best gain.
        gain_db: that gain.
        equal_mss: MSS in dB at equal loudness, as ``refine`` judges its own answers.
        distances: every metric at the sound's own level.
    """

    clip: str
    what: str
    best_gain_mss: float
    gain_db: float
    equal_mss: float
    distances: Distances

    @property
    def values(self) -> tuple[float | None, ...]:
        """In the order of ``COLUMNS``."""
        mss, *others = (getattr(self.distances, field.name) for field in fields(Distances))
        return (mss, self.best_gain_mss, self.gain_db, self.equal_mss, *others)


@dataclass(frozen=True)
class KeyPress:
    """The key press of a clip, as far as it is given.

    Attributes:
        number: MIDI note number; None to estimate it.
        velocity: MIDI velocity.
        gate_seconds: length of the key press; None to estimate it.
    """

    number: int | None = None
    velocity: int = 100
    gate_seconds: float | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("clips", type=Path, metavar="CLIPS", help="folder of clips")
    parser.add_argument("answers", type=Path, metavar="ANSWERS", help="folder of renders or presets of the same stems")
    parser.add_argument("--true", type=Path, metavar="DIR", help="folder of the true presets: the floor")
    parser.add_argument("--note", type=Note.parse, metavar="N", help="key of every clip: 60 or C4 (default: estimated)")
    parser.add_argument("--velocity", type=int, default=100)
    parser.add_argument("--gate", type=float, metavar="S", help="seconds that the key is held (default: estimated)")
    parser.add_argument(
        "--notes", type=Path, metavar="CSV", help=f"key presses of single clips, with columns {','.join(NOTE_COLUMNS)}"
    )
    parser.add_argument("--plugin", default=EMBEDDED, metavar="PATH|embedded", help="what plays presets")
    parser.add_argument("--no-library", action="store_true", help="leave out the closest library patch")
    parser.add_argument("--workers", type=int, default=2, help="to render a library that is missing (default: 2)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_counts(arguments, "workers")
    clips, answers = _by_stem(arguments.clips), _by_stem(arguments.answers, presets=True)
    true = _by_stem(arguments.true, presets=True) if arguments.true is not None else {}
    presses = read_presses(arguments.notes) if arguments.notes is not None else {}
    default = KeyPress(arguments.note, arguments.velocity, arguments.gate)
    without, unused = sorted(set(clips) - set(answers)), sorted(set(answers) - set(clips))
    if without == sorted(clips):
        raise FileError(f"no answer in {arguments.answers} has the name of a clip in {arguments.clips}")
    host = host_of(arguments.plugin)
    scored: list[Scored] = []
    failed = []
    for stem in sorted(set(clips) & set(answers)):
        try:
            press = presses.get(stem, default)
            target = read_target(
                clips[stem], note=press.number, velocity=press.velocity, gate_seconds=press.gate_seconds
            )
            sounds = [(ANSWER, sound_of(answers[stem], target, host))]
            if stem in true:
                sounds.append((FLOOR, sound_of(true[stem], _from_the_start(target), host)))
            if not arguments.no_library:
                sounds += _nearest(target, host, arguments)
            scored += [score(target, what, audio) for what, audio in sounds]
        except ReconstructError as error:
            failed.append(f"{stem}: {error}")
    print(report(scored))
    for title, stems in (("without an answer", without), ("answers without a clip", unused), ("failed", failed)):
        if stems:
            print(f"{title}: {'; '.join(stems)}")
    if arguments.true is not None and (no_floor := sorted(set(clips) & set(answers) - set(true))):
        print(f"without a true preset: {'; '.join(no_floor)}")
    return 0 if scored else 1


def read_presses(path: Path) -> dict[str, KeyPress]:
    """The key press of each clip, by its stem.

    Raises:
        FileError: if the file cannot be read.
        FormatError: if a column is missing, or a cell is no number.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    presses = {}
    for number, row in enumerate(rows, start=2):
        try:
            name, note, velocity, gate = (row[column] for column in NOTE_COLUMNS)
            presses[Path(name).stem if Path(name).suffix else name] = KeyPress(
                Note.parse(note), int(velocity), float(gate) if gate else None
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path.name} line {number}: columns {', '.join(NOTE_COLUMNS)}; {error}") from error
    return presses


def sound_of(path: Path, target: Target, host: Host) -> Audio:
    """The sound of an answer for a clip, from the clip's onset on.

    Args:
        path: a preset, whose first program is played with the note of the clip, or an audio file.
        target: the clip as ``refine`` reads it. If its note is longer than its audio, the difference is played before
            the audio begins.
        host: host that plays presets.

    Returns:
        Shape ``(channels, samples)`` at ``SAMPLE_RATE``, as long as the clip.

    Raises:
        ReconstructError: if the file cannot be read or the preset cannot be played.
    """
    n_samples, onset = target.audio.shape[1], round(target.onset_seconds * SAMPLE_RATE)
    if path.suffix == NOISEMAKER.presets.SUFFIX:
        patch = NOISEMAKER.presets.read_programs(path)[0].patch
        before = max(target.note.n_samples - n_samples, 0)
        return host.render(patch, target.note)[:, before : before + n_samples]
    audio = read_recording(path, max_seconds=60.0, resample=True).audio
    audio = audio if len(audio) <= 2 else audio.mean(axis=0, keepdims=True)
    audio = audio[:, onset : onset + n_samples] * np.float32(10.0 ** (target.level_db / 20.0))
    return np.pad(audio, ((0, 0), (0, n_samples - audio.shape[1])))


def score(target: Target, what: str, audio: Audio) -> Scored:
    """All metrics of one sound beside a clip."""
    best, gain_db = BestGainMss(target.audio, SAMPLE_RATE).measure(audio)
    equal, _ = EqualLoudnessMss([target.audio], SAMPLE_RATE).measure([audio])
    return Scored(target.name, what, best, gain_db, equal, distances(target.audio, audio, SAMPLE_RATE))


def report(scored: Sequence[Scored]) -> str:
    """A line for each clip and sound, and the mean and median of each kind, as Markdown."""
    lines = [["clip", "sound", *COLUMNS]]
    lines += [[one.clip, one.what, *map(_cell, one.values)] for one in scored]
    summary = [["sound", "clips", "", *COLUMNS]]
    for what in (ANSWER, FLOOR, NEAREST):
        rows = [one.values for one in scored if one.what == what]
        for title, statistic in (("mean", np.mean), ("median", np.median)):
            if rows:
                known = ([value for value in column if value is not None] for column in zip(*rows, strict=True))
                cells = [_cell(float(statistic(column)) if column else None) for column in known]
                summary.append([what, str(len(rows)), title, *cells])
    return f"{markdown(lines)}\n\n{markdown(summary)}"


def _nearest(target: Target, host: Host, arguments: argparse.Namespace) -> Iterator[tuple[str, Audio]]:
    """The patch of the library that comes closest to a clip, if there is a library."""
    library = library_of(arguments.plugin, arguments.workers)(host.info)
    if library is None:
        return
    patches = library.nearest(target.audio, target.note, min(LIBRARY_TRIED, len(library)))
    best = BestGainMss(target.audio, SAMPLE_RATE)
    audios = [host.render(patch, target.note)[:, : target.audio.shape[1]] for patch in patches]
    if audios:
        measured = [best.measure(audio) for audio in audios]
        nearest = min(range(len(audios)), key=lambda k: measured[k][0])
        # A library patch has no level of its own: it gets the level that suits the clip best.
        yield NEAREST, audios[nearest] * np.float32(10.0 ** (measured[nearest][1] / 20.0))


def _by_stem(folder: Path, *, presets: bool = False) -> dict[str, Path]:
    """Audio files of a folder by the stem of their name; among answers presets too, and no matches of ``refine``."""
    try:
        found = {path.stem: path for path in audio_files(folder)}
        if presets:
            suffix = NOISEMAKER.presets.SUFFIX
            found = {stem: path for stem, path in found.items() if not path.name.endswith(MATCH_SUFFIX)}
            found |= {path.stem: path for path in sorted(folder.iterdir()) if path.suffix == suffix}
    except OSError as error:
        raise FileError(f"cannot read {folder}: {error.strerror or error}") from error
    if not found:
        kinds = "audio files or presets" if presets else "audio files"
        raise FileError(f"no {kinds} in {folder}")
    return found


def _from_the_start(target: Target) -> Target:
    """The clip with a key press where its file begins."""
    note, onset = target.note, target.onset_seconds
    gate = note.gate_seconds + (0.0 if target.gate_fixed else onset)
    return replace(target, note=replace(note, gate_seconds=gate, seconds=note.seconds + onset))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{round(value, 3) + 0.0:.3f}"  # no minus before a zero
