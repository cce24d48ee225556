"""Note estimators on golden renders of the real plug-in.

Each estimator's frames go through the same vote (``inference.clip.pitch.vote``), over its own range of frequencies. An
answer is judged against the pitches that the patch lets sound: of each oscillator that is not noise and at most 30 dB
below the loudest, note + transposition + coarse, fine and master tune; two octaves below the note for the sub, and for
oscillators that it syncs. Rows with no such oscillator are left out of the shares. A row is *plain* if it has no noise
oscillator, pitch modulation, sync, FM or ring modulation.

Only ``estimate_note`` says "unpitched" by its own threshold; the others answer wherever they have a frame.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.clip.pitch import Frames, estimate_note, levels, vote
from render.errors import UnknownName
from render.instruments.patch import Patch
from render.measures.golden import GoldenRow, read_rows
from render.noisemaker.curves import log20
from render.note import SAMPLE_RATE

AUDIBLE_DB = 30.0
"""Below the loudest oscillator, by their volume knobs."""
TOLERANCE_SEMITONES = 1.0
COLUMNS = ("any", "lowest", "octave", "wrong", "none", "class")

Mono = NDArray[np.float32]
Estimator = Callable[[Mono], float | None]
"""Clip to a MIDI note number with a fraction, or None."""
FrameEstimator = Callable[[Mono], tuple[Frames, Frames, Frames]]
"""Clip to seconds, hertz and strengths of its frames."""


@dataclass(frozen=True)
class Case:
    """A clip and the pitches, as MIDI note numbers in rising order, that its patch lets sound."""

    mono: Mono
    note: int
    pitches: tuple[float, ...]
    plain: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR", help="folder of golden renders")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help=f"an estimator, repeatable: {', '.join(ESTIMATORS)}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    names = arguments.only or [name for name in ESTIMATORS if name not in SLOW]
    for name in names:
        if name not in ESTIMATORS:
            raise UnknownName("estimator", name, ESTIMATORS)
    rows = [row for row in read_rows(arguments.golden) if row.group in ("whole", "factory") and row.peak >= 0.001]
    sets = {group: [make_case(row) for row in rows if row.group == group] for group in ("whole", "factory")}
    for group, cases in sets.items():
        pitched = [case for case in cases if case.pitches]
        n_plain = sum(case.plain for case in pitched)
        print(f"{group}: {len(cases)} clips, {len(pitched)} with a pitch, {n_plain} of them plain")
    print(f"{'':22}{'set':16}{'clips':>6}" + "".join(f"{column:>8}" for column in COLUMNS) + f"{'CPU s':>8}")
    for name in names:
        try:
            estimator = ESTIMATORS[name]()
        except ImportError:
            print(f"{name:22}not installed")
            continue
        for group, cases in sets.items():
            _print_rows(name, group, cases, estimator)
    print("per cent of the clips with a pitch; any, lowest: within a semitone of any, the lowest sounding pitch;")
    print("octave: only its octave is wrong; none: no answer; class: pitch class of the played note; CPU s: median")
    return 0


def _print_rows(name: str, group: str, cases: Sequence[Case], estimator: Estimator) -> None:
    if not cases:
        return
    estimator(cases[0].mono)  # the first call may compile
    answers, seconds = [], []
    for case in cases:
        start = time.process_time()
        answers.append(estimator(case.mono))
        seconds.append(time.process_time() - start)
    judged = [(case, answer) for case, answer in zip(cases, answers, strict=True) if case.pitches]
    for label, part in ((group, judged), (f"{group}, plain", [pair for pair in judged if pair[0].plain])):
        shares = score(part)
        figures = "".join(f"{shares[column]:8.1f}" for column in COLUMNS)
        print(f"{name:22}{label:16}{len(part):6}{figures}{np.median(seconds):8.3f}", flush=True)
    silent = [answer for case, answer in zip(cases, answers, strict=True) if not case.pitches]
    if silent and name == "estimate_note":
        n_none = sum(answer is None for answer in silent)
        print(f"{name:22}{group}, no pitched oscillator: {n_none} of {len(silent)} called unpitched")


def score(answers: Sequence[tuple[Case, float | None]]) -> dict[str, float]:
    """Shares of ``COLUMNS`` in per cent."""
    counts: Counter[str] = Counter()
    for case, pitch in answers:
        if pitch is None:
            counts["none"] += 1
            continue
        away = pitch - np.array(case.pitches)
        hit = bool((np.abs(away) <= TOLERANCE_SEMITONES).any())
        folded = bool((np.abs(away - 12.0 * np.round(away / 12.0)) <= TOLERANCE_SEMITONES).any())
        counts["any"] += hit
        counts["lowest"] += bool(abs(away[0]) <= TOLERANCE_SEMITONES)
        counts["octave"] += folded and not hit
        counts["wrong"] += not folded
        counts["class"] += (round(pitch) - case.note) % 12 == 0
    return {column: 100.0 * counts[column] / max(len(answers), 1) for column in COLUMNS}


def make_case(row: GoldenRow) -> Case:
    """A row's mono clip and its pitches."""
    pitches = sounding_pitches(row.patch, row.note.number)
    return Case(row.audio().mean(axis=0), row.note.number, pitches, _plain(row.patch))


def sounding_pitches(patch: Patch, note: int) -> tuple[float, ...]:
    """Pitches of the audible oscillators, as MIDI note numbers in rising order."""
    volumes = [log20(patch[f"osc{k}volume"]) for k in (1, 2, 3)]
    floor = max(volumes) * 10.0 ** (-AUDIBLE_DB / 20.0)
    audible = [volume > floor for volume in volumes]
    key = note + 12 * (patch.index("transpose") - 1) + 2.0 * patch["oscmastertune"] - 1.0
    pitches = set()
    for k in (1, 2):
        waveform = patch.choice(f"osc{k}waveform")
        if audible[k - 1] and waveform != "noise":
            pitches.add(key + patch.index(f"osc{k}tune") - 24 + 2.0 * patch[f"osc{k}finetune"] - 1.0)
            if patch.index("oscsync") and waveform != "sine":
                pitches.add(key - 24)
    if audible[2]:
        pitches.add(key - 24)
    return tuple(sorted(pitches))


def _plain(patch: Patch) -> bool:
    noisy = any(patch.choice(f"osc{k}waveform") == "noise" and patch[f"osc{k}volume"] > 0.0 for k in (1, 2))
    to_pitch = (
        ("lfo1destination", "lfo1amount", 0.5),
        ("lfo2destination", "lfo2amount", 0.5),
        ("freeaddestination", "freeadamount", 0.5),
        ("envelopeeditordest1", "envelopeeditoramount", 0.0),
    )
    modulated = any(
        patch.choice(destination) in ("osc1", "osc2", "osc1&2", "fm", "ring mod") and abs(patch[amount] - inert) > 0.05
        for destination, amount, inert in to_pitch
    )
    mixed = patch.index("oscsync") or patch["ringmodulation"] > 0.02 or patch["osc2fm"] > 0.02
    return not (noisy or modulated or mixed)


def _voted(frames: FrameEstimator) -> Estimator:
    def estimate(mono: Mono) -> float | None:
        seconds, frequencies_hz, strengths = (np.asarray(part, dtype=np.float64) for part in frames(mono))
        return vote(frequencies_hz, strengths, levels(mono.astype(np.float64), SAMPLE_RATE, seconds))[0]

    return estimate


def _resampled(mono: Mono, rate: int) -> Mono:
    from scipy.signal import resample_poly

    common = np.gcd(rate, SAMPLE_RATE)
    result: Mono = resample_poly(mono, rate // common, SAMPLE_RATE // common).astype(np.float32)
    return result


def _torch() -> Any:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    return torch


def _own() -> Estimator:
    importlib.import_module("libf0")

    def estimate(mono: Mono) -> float | None:
        found = estimate_note(mono, SAMPLE_RATE)
        return None if found.note is None else found.note + found.cents / 100.0

    return estimate


def _libf0() -> Estimator:
    libf0 = importlib.import_module("libf0")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        frequencies_hz, seconds, strengths = libf0.swipe(_resampled(mono, 22050), Fs=22050, F_min=20.0, F_max=4000.0)
        return seconds, frequencies_hz, strengths

    return _voted(frames)


def _librosa_yin() -> Estimator:
    librosa = importlib.import_module("librosa")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found = librosa.yin(mono, fmin=20.0, fmax=4200.0, sr=SAMPLE_RATE, frame_length=8192, hop_length=1024)
        return np.arange(len(found)) * 1024 / SAMPLE_RATE, found, np.ones(len(found))

    return _voted(frames)


def _librosa_pyin() -> Estimator:
    librosa = importlib.import_module("librosa")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found, voiced, probability = librosa.pyin(
            mono,
            fmin=20.0,
            fmax=4200.0,
            sr=SAMPLE_RATE,
            frame_length=8192,
            hop_length=1024,
            resolution=0.2,
            fill_na=None,
        )
        # Unvoiced frames only speak where there is no other.
        return np.arange(len(found)) * 1024 / SAMPLE_RATE, found, np.where(voiced, probability, 0.01 * probability)

    return _voted(frames)


def _swift() -> Estimator:
    swift = importlib.import_module("swift_f0").SwiftF0(threads=1, spin=False)

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found = swift.detect(_resampled(mono, 16000), 16000)
        return found.timestamps, found.pitch_hz, found.confidence

    return _voted(frames)


def _pesto() -> Estimator:
    torch = _torch()
    model = importlib.import_module("pesto").load_model("mir-1k_g7", 10.0, sampling_rate=SAMPLE_RATE).eval()

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        with torch.inference_mode():
            found, strengths, *_ = model(torch.from_numpy(mono)[None], convert_to_freq=True, return_activations=True)
        return np.arange(found.shape[1]) * 0.01, found[0].numpy(), strengths[0].numpy()

    return _voted(frames)


def _crepe(size: str) -> Estimator:
    torch = _torch()
    crepe = importlib.import_module("torchcrepe")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        clip = torch.from_numpy(_resampled(mono, 16000))[None]
        decoder = crepe.decode.weighted_argmax
        found, strengths = crepe.predict(
            clip, 16000, 320, 32.7, 2006.0, size, batch_size=256, device="cpu", return_periodicity=True, decoder=decoder
        )
        return np.arange(found.shape[1]) * 0.02, found[0].numpy(), strengths[0].numpy()

    return _voted(frames)


def _torchaudio() -> Estimator:
    torch = _torch()
    detect = importlib.import_module("torchaudio").functional.detect_pitch_frequency

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found: Frames = detect(torch.from_numpy(mono)[None], SAMPLE_RATE, freq_low=20, freq_high=4000)[0].numpy()
        return np.arange(len(found), dtype=np.float64) * 0.01, found, np.ones(len(found))

    return _voted(frames)


def _praat() -> Estimator:
    parselmouth = importlib.import_module("parselmouth")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        pitch = parselmouth.Sound(mono.astype(np.float64), SAMPLE_RATE).to_pitch_ac(
            time_step=0.01, pitch_floor=20.0, pitch_ceiling=4000.0
        )
        found = pitch.selected_array
        return np.asarray(pitch.xs()), np.asarray(found["frequency"]), np.asarray(found["strength"])

    return _voted(frames)


def _harvest() -> Estimator:
    pyworld = importlib.import_module("pyworld")

    def frames(mono: Mono) -> tuple[Frames, Frames, Frames]:
        found, seconds = pyworld.harvest(
            mono.astype(np.float64), SAMPLE_RATE, f0_floor=20.0, f0_ceil=4000.0, frame_period=10.0
        )
        return seconds, found, np.ones(len(found))

    return _voted(frames)


ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    "estimate_note": _own,
    "libf0 swipe": _libf0,
    "librosa yin": _librosa_yin,
    "librosa pyin": _librosa_pyin,
    "swift-f0": _swift,
    "pesto": _pesto,
    "torchcrepe tiny": lambda: _crepe("tiny"),
    "torchcrepe full": lambda: _crepe("full"),
    "torchaudio": _torchaudio,
    "praat": _praat,
    "harvest": _harvest,
}
"""Name to a function that makes the estimator, or raises ``ImportError``."""

SLOW = frozenset({"torchcrepe full"})
"""Run only when named: five seconds a clip."""
