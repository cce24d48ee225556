"""The target of a run: the sound of a clip with its known or estimated note and gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.clip.focus import EVERYTHING, Focus
from inference.clip.sound import find_sound
from render.audio import Audio, read_recording
from render.measures.conditions import Conditions
from render.measures.metrics import Distances, distances, mss
from render.note import SAMPLE_RATE, Keys, Note

_MAX_SAMPLES = 1 << 23  # of all channels together that are read: a minute and a half of stereo
_UNPITCHED_NOTE = 60

# Of the search for the end of the key press, in frames of 5 ms
_SMOOTHED_FRAMES = 8
_BEND_FRAMES = (8, 16, 40)
_LOWEST_BEND_DB = -40.0  # from the peak: what bends below is not the end of the key press
_SMALLEST_BEND_DB = 1.6
_WAVERINGS = 4.0
_LEAVES = 0.05  # of the bend


@dataclass(frozen=True)
class Target:
    """The sound that the stages try to reproduce.

    Attributes:
        name: stem of the clip's file.
        audio: shape ``(1, samples)`` for a mono clip (or two equal sides), ``(2, samples)`` for a stereo one, at
            ``SAMPLE_RATE``, from the onset on, with silence in place of ignored parts.
        note: the key press; ``note.seconds`` is the length of ``audio``.
        pitched: whether a pitch was found; also true if the caller named the note.
        gate_fixed: whether the caller named the gate, so that the search must not change it.
        onset_seconds: position of the first sample of ``audio`` in the file.
        notices: notices about changes of the clip.
        note_fixed: whether the caller named the note.
        level_db: gain in dB from the clip to ``audio``, 0 for a clip at a usual level; a match at the clip's own level
            is the match of ``audio`` minus this gain.
        events: onsets in the file, in seconds, of other sounds that are not matched.
        focus: the part of the file that is compared.
        noise: noise with the spectrum of the clip's own, which was subtracted from ``audio``; it is added to everything
            that is compared. None if there is none.
    """

    name: str
    audio: Audio
    note: Note
    pitched: bool
    gate_fixed: bool
    onset_seconds: float
    notices: tuple[str, ...] = ()
    note_fixed: bool = False
    level_db: float = 0.0
    events: tuple[float, ...] = ()
    focus: Focus = EVERYTHING
    noise: Audio | None = None

    @property
    def fixed_keys(self) -> Keys | None:
        """The key, or the keys of a chord, that the caller named; None if the key is an estimate."""
        return self.note.as_keys if self.note_fixed else None

    @property
    def stereo(self) -> bool:
        """Whether the two sides differ."""
        return len(self.audio) == 2

    @cached_property
    def conditions(self) -> Conditions:
        """Mask and noise for the comparison of renders with ``audio``."""
        return Conditions(self.focus.mask(self.onset_seconds), self.noise)

    @property
    def share(self) -> float:
        """Share of the time and frequencies of ``audio`` that is compared."""
        return self.conditions.mask.share(self.audio.shape[1])

    @property
    def compared(self) -> Audio:
        """``audio`` in the form that is compared: with the noise, if there is any."""
        return self.conditions.under_noise(self.audio)

    def as_compared(self, audio: Audio) -> Audio:
        """A sound at the level of the clip, masked and with the noise, for the comparison with ``compared``."""
        return self.conditions.under_noise(self.conditions.masked(audio))

    def in_mono(self) -> Self:
        """The target with the mean of its sides."""
        return self._changed(lambda audio: audio.mean(axis=0, keepdims=True))

    def amplified(self, gain_db: float) -> Self:
        """The target at another level."""
        changed = self._changed(lambda audio: audio * np.float32(10.0 ** (gain_db / 20.0)))
        return replace(changed, level_db=self.level_db + gain_db)

    def _changed(self, change: Callable[[Audio], Audio]) -> Self:
        return replace(self, audio=change(self.audio), noise=None if self.noise is None else change(self.noise))

    def distances(self, audio: Audio) -> Distances:
        """Every metric of a sound's compared part; MSS is the mean over that part, like ``mss``."""
        found, share = distances(self.compared, self.as_compared(audio), SAMPLE_RATE), self.share
        side_mss = None if found.side_mss is None else found.side_mss / share
        return replace(found, mss=found.mss / share, side_mss=side_mss)

    def mss(self, audio: Audio, other: Audio | None = None) -> float:
        """MSS in dB of a sound from the clip, or from another sound, within the compared part."""
        reference = self.compared if other is None else self.as_compared(other)
        return mss(reference, self.as_compared(audio), SAMPLE_RATE) / self.share


def read_target(
    path: Path | str,
    *,
    note: Keys | None = None,
    velocity: int = 100,
    gate_seconds: float | None = None,
    focus: Focus = EVERYTHING,
) -> Target:
    """Read a clip, find the sound in it, and estimate its note and gate.

    A clip may have any level and sample rate, any number of channels in any phase relation, a constant offset, a
    background of hiss or hum, and several sounds, of which the first that is not much softer than the loudest is used.
    The samples of a clip without any of these are not changed.

    Example:
        >>> import tempfile
        >>> from render.audio import write_wav
        >>> seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        >>> tone = np.sin(2 * np.pi * 220.0 * seconds) * np.exp(-3.0 * seconds)
        >>> clip = Path(tempfile.mkdtemp()) / "pluck.wav"
        >>> write_wav(clip, np.float32([np.concatenate([np.zeros(22050), tone])]))
        >>> target = read_target(clip, note=Note.parse("A3"))
        >>> target.name, target.audio.shape, round(target.onset_seconds, 2), target.note.number
        ('pluck', (1, 44099), 0.5, 57)

    Args:
        path: a file that libsndfile reads; the first 4 s after the onset are used.
        note: MIDI note number, or those of a chord; estimated if missing.
        velocity: MIDI velocity of the key press, which cannot be estimated.
        gate_seconds: how long the key is held, estimated if missing.
        focus: the part of the file that is compared.

    Raises:
        FileError: if the file cannot be read.
        InvalidAudio: if there is no usable sound in it.
        OutOfRange: if the note, velocity or gate is impossible.
    """
    path = Path(path)
    begin, end = focus.span_seconds or (0.0, None)
    recording = read_recording(
        path,
        begin_seconds=begin,
        max_seconds=None if end is None else end - begin,
        max_samples=_MAX_SAMPLES,
        skip_silence=True,
        resample=True,
    )
    sound = find_sound(recording, path.name, focus)
    audio, notices = sound.audio, list(sound.notices)
    if left_out := focus.sentence():
        notices.append(left_out)
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
        note=Note.of(note, velocity, gate, seconds),
        pitched=pitched,
        gate_fixed=gate_seconds is not None,
        onset_seconds=sound.onset_seconds,
        notices=tuple(notices),
        note_fixed=note_fixed,
        level_db=sound.level_db,
        events=sound.events,
        focus=focus,
        noise=sound.noise,
    )


def estimate_gate(mono: NDArray[np.float32]) -> float:
    """Time of the key's release: where the level starts to fall for good, and faster than it fell before.

    The level (dB, 5 ms steps, 50 dB of range) is searched for the sharpest downward bend after which it does not
    recover, between a straight line through the level before it and one through the level after it. The bend must
    exceed the fluctuation of the level around the first line, so that the beating of a decaying tone does not count. If
    there is no bend the key is assumed to be held for the whole clip. If the sound decayed before the key was released,
    the gate is unknown and has no effect.

    Of 91 golden factory presets and 65 golden musical patches that are not held out, the estimates of 64 and 72 % lie
    within 0.1 s of the gate (``python -m benchmarks gate``); the search changes it like a knob.

    Args:
        mono: shape ``(samples,)``.

    Returns:
        Seconds; the clip's whole length where no bend is found.
    """
    hop = SAMPLE_RATE // 200
    n_frames = len(mono) // hop
    length = len(mono) / SAMPLE_RATE
    if n_frames < 2 * _BEND_FRAMES[0]:
        return length
    power = np.square(mono[: n_frames * hop], dtype=np.float64).reshape(n_frames, hop).mean(axis=1)
    half = _SMOOTHED_FRAMES // 2
    kernel = np.full(_SMOOTHED_FRAMES, 1.0 / _SMOOTHED_FRAMES)
    power = np.convolve(np.pad(power, (half, half - 1), "edge"), kernel, "valid")
    level = 10.0 * np.log10(np.maximum(power / power.max(), 1e-5))
    loudest_later = np.maximum.accumulate(level[::-1])[::-1]
    sharpest, gate_seconds = 0.0, length
    for width in _BEND_FRAMES:
        frames = np.arange(width, n_frames - width)
        if len(frames) == 0:
            break
        slopes, wavering = _lines(level, width)
        falls_before = np.minimum(slopes[frames - width], 0.0)
        bend_db = (falls_before - slopes[frames]) * width
        comes_back_to = level[frames] - 0.5 * np.abs(level[frames + width] - level[frames])
        is_bend = (
            (level[frames] >= _LOWEST_BEND_DB)
            & (bend_db > np.maximum(_SMALLEST_BEND_DB, _WAVERINGS * wavering[frames - width]))
            & (loudest_later[frames + width] < comes_back_to)
        )
        sharpness = np.where(is_bend, bend_db, 0.0) / np.sqrt(width)
        best = int(np.argmax(sharpness))
        if sharpness[best] > sharpest:
            sharpest, first = float(sharpness[best]), int(frames[best])
            # The lines meet before the corner: the key is down until the level leaves the line before it.
            expected = level[first] + falls_before[best] * np.arange(width + 1)
            below = level[first : first + width + 1] < expected - min(_SMALLEST_BEND_DB, _LEAVES * bend_db[best])
            gate_seconds = float((first + max(int(np.argmax(below)), 1) - 1) * hop / SAMPLE_RATE)
    return gate_seconds


def _lines(level: NDArray[np.float64], width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Straight lines through the level: slope in dB per frame, and RMS distance of the level from the line in dB.

    Args:
        level: shape ``(frames,)``.
        width: frames from the first to the last of a line.

    Returns:
        Two arrays of shape ``(frames - width,)``, by the first frame of the line.
    """
    windows = np.lib.stride_tricks.sliding_window_view(level, width + 1)
    times = np.arange(width + 1) - 0.5 * width
    centred = windows - windows.mean(axis=1, keepdims=True)
    slopes = centred @ times / np.square(times).sum()
    left = np.square(centred).mean(axis=1) - np.square(slopes) * np.square(times).mean()
    return slopes, np.sqrt(np.maximum(left, 0.0))
