"""The target: a clip as the stages see it, with the note that it seems to play."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio, read_audio
from render.errors import InvalidAudio
from render.note import SAMPLE_RATE, Note

MAX_SECONDS = 4.0
MIN_SECONDS = 0.05

_SILENT_PEAK = 1e-4  # -80 dB of full scale
_ONSET_DB = 60.0  # below the peak; what is quieter before the first crossing is cut
_TAIL_DB = 80.0  # the floor of the metrics: what is quieter after the last crossing is not compared anyway
_KEPT_TAIL_SECONDS = 0.25  # silence that is kept after the sound, so that a match must end too
_LEAD_SECONDS = 0.005  # silence up to this long stays: a clip that was cut at the key press keeps its first sample
_STEREO_DB = 60.0  # two sides that differ by less are one
_UNPITCHED_NOTE = 60


@dataclass(frozen=True)
class Target:
    """What the stages try to reproduce.

    Attributes:
        name: stem of the clip's file.
        audio: shape ``(1, samples)`` for a mono clip (or two equal sides), ``(2, samples)`` for a stereo one, at
            ``SAMPLE_RATE``, from the onset on.
        note: the key press; ``note.seconds`` is the length of ``audio``.
        pitched: whether a pitch was heard (true also where the caller named the note).
        gate_fixed: whether the caller named the gate, so that the search must not move it.
        onset_seconds: where ``audio`` begins in the file.
        notices: what was done to the clip that its owner should know.
        note_fixed: whether the caller named the note.
    """

    name: str
    audio: Audio
    note: Note
    pitched: bool
    gate_fixed: bool
    onset_seconds: float
    notices: tuple[str, ...] = ()
    note_fixed: bool = False

    @property
    def stereo(self) -> bool:
        """Whether the two sides differ."""
        return len(self.audio) == 2


def read_target(
    path: Path | str, *, note: int | None = None, velocity: int = 100, gate_seconds: float | None = None
) -> Target:
    """Read a clip and find its onset, length, note and gate.

    Args:
        path: a file that libsndfile reads; the first ``MAX_SECONDS`` after the onset are used.
        note: MIDI note number, estimated when missing.
        velocity: MIDI velocity of the key press (a clip does not tell).
        gate_seconds: how long the key is held, estimated when missing.

    Raises:
        FileError: if the file cannot be read.
        InvalidAudio: if there is no usable sound in it.
        OutOfRange: if the note, velocity or gate is impossible.
    """
    path = Path(path)
    audio, rate, file_seconds = read_audio(path, max_seconds=60.0)
    notices = []
    if audio.shape[0] > 2:
        notices.append(f"{audio.shape[0]} channels mixed to mono")
        audio = audio.mean(axis=0, keepdims=True)
    if rate != SAMPLE_RATE:
        notices.append(f"resampled from {rate} Hz" + (f"; nothing above {rate // 2} Hz to match" * (rate < 32000)))
        audio = _resample(audio, rate)
    peak = float(np.abs(audio).max())
    if peak < _SILENT_PEAK:
        raise InvalidAudio(f"{path.name} is silent (peak {peak:.1e})")
    start, stop = sounding_range(audio)
    audio = audio[:, start:stop]
    if audio.shape[1] < MIN_SECONDS * SAMPLE_RATE:
        seconds = audio.shape[1] / SAMPLE_RATE
        raise InvalidAudio(f"{path.name} holds {seconds:.3f} s of sound; at least {MIN_SECONDS} s are needed")
    if audio.shape[1] > MAX_SECONDS * SAMPLE_RATE:
        notices.append(f"first {MAX_SECONDS:g} s of {file_seconds:.1f} s used")
        audio = audio[:, : round(MAX_SECONDS * SAMPLE_RATE)]
    audio = np.ascontiguousarray(_merge_equal_sides(audio))
    mono = audio.mean(axis=0)
    note_fixed = pitched = note is not None
    if note is None:
        from inference.clip.pitch import estimate_note

        estimate = estimate_note(mono, SAMPLE_RATE)
        pitched = estimate.note is not None
        note = estimate.note if estimate.note is not None else _UNPITCHED_NOTE
        if not pitched:
            notices.append(f"no clear pitch: note {note} assumed (--note sets it)")
    seconds = audio.shape[1] / SAMPLE_RATE
    gate = estimate_gate(mono) if gate_seconds is None else gate_seconds
    return Target(
        name=path.stem,
        audio=audio,
        note=Note(note, velocity, gate, seconds),
        pitched=pitched,
        gate_fixed=gate_seconds is not None,
        onset_seconds=start / SAMPLE_RATE,
        notices=tuple(notices),
        note_fixed=note_fixed,
    )


def sounding_range(audio: Audio) -> tuple[int, int]:
    """First and last sample of the sound: shape ``(channels, samples)``, not silent; returns ``(start, stop)``."""
    envelope = np.abs(audio).max(axis=0)
    peak = envelope.max()
    start = int(np.argmax(envelope > peak * 10.0 ** (-_ONSET_DB / 20.0)))
    if start <= _LEAD_SECONDS * SAMPLE_RATE:
        start = 0
    loud = np.flatnonzero(envelope > peak * 10.0 ** (-_TAIL_DB / 20.0))
    stop = min(int(loud[-1]) + 1 + round(_KEPT_TAIL_SECONDS * SAMPLE_RATE), audio.shape[1])
    return start, stop


def estimate_gate(mono: NDArray[np.float32]) -> float:
    """When the key was let go: where the level starts to fall for good, and faster than it fell before.

    The level (dB, 5 ms steps, 50 dB of range) is searched for the sharpest downward bend after which it does not come
    back. Where the sound died away before the key was let go nothing can be known, and nothing depends on it. On the
    golden musical patches 60 % lie within 0.1 s of the gate; the search moves it like a knob.

    Args:
        mono: shape ``(samples,)``.

    Returns:
        Seconds; the clip's whole length where no bend is found.
    """
    hop = SAMPLE_RATE // 200
    n_frames = len(mono) // hop
    length = len(mono) / SAMPLE_RATE
    if n_frames < 16:
        return length
    power = np.square(mono[: n_frames * hop], dtype=np.float64).reshape(n_frames, hop).mean(axis=1)
    power = np.convolve(np.pad(power, (2, 1), "edge"), np.full(4, 0.25), "valid")
    level = 10.0 * np.log10(np.maximum(power / power.max(), 1e-5))
    loudest_later = np.maximum.accumulate(level[::-1])[::-1]
    best, bend = 1.0, n_frames
    for frame in range(8, n_frames - 4):
        if level[frame] < -40.0:
            continue
        for width in (8, 16, 40):
            first, last = max(0, frame - width), min(n_frames - 1, frame + width)
            if min(last - frame, frame - first) < width / 2:
                continue
            before = (level[frame] - level[first]) / (frame - first)
            after = (level[last] - level[frame]) / (last - frame)
            comes_back = loudest_later[last] > level[frame] - 0.5 * abs(after) * width - 1e-9
            sharpness = (min(before, 0.0) - after) * 4.0 * np.sqrt(width)
            if sharpness > best and not comes_back:
                best, bend = sharpness, frame
    return bend * hop / SAMPLE_RATE if bend < n_frames else length


def _merge_equal_sides(audio: Audio) -> Audio:
    if len(audio) == 1:
        return audio
    side, mid = audio[:1] - audio[1:], audio[:1] + audio[1:]
    equal = np.abs(side).max() <= 10.0 ** (-_STEREO_DB / 20.0) * np.abs(mid).max()
    return np.float32(0.5) * mid if equal else audio


def _resample(audio: Audio, rate: int) -> Audio:
    import torch
    import torchaudio

    resampled = torchaudio.functional.resample(torch.from_numpy(audio), rate, SAMPLE_RATE)
    result: Audio = np.ascontiguousarray(resampled.numpy(), dtype=np.float32)
    return result
