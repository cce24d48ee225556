"""Reduction of the channels of a recording to one or two that carry all of the sound."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio

_EQUAL_DB = 60.0  # two sides whose difference is further below their sum are one
_SILENT_DB = 30.0  # a channel this far below the loudest carries nothing
_COPY_DB = 40.0  # what two channels do not share, below what they share: one is a copy of the other at its own level
_LOUDER_DB = 3.0  # such a copy is left out if it is softer by this
_OPPOSED = -0.8  # correlation below which two sides cancel in their sum
_ABOVE_BACKGROUND = 2.0  # power of a channel during the sound over its power in the background


def carried(audio: Audio, background: Audio | None = None) -> tuple[Audio, tuple[str, ...]]:
    """The channels that carry the sound, with polarities such that they do not cancel.

    Args:
        audio: the sound, shape ``(channels, samples)``.
        background: a stretch of the same channels without the sound.

    Returns:
        One channel, or two that differ; and what was done, in words, where it was more than leaving out a copy.
    """
    n_channels = len(audio)
    if n_channels == 1:
        return audio, ()
    if n_channels == 2 and _equal(audio):
        return _middle(audio), ()
    heard = _heard(audio, background)
    notices = []
    if len(heard) < n_channels:
        names = ", ".join(_name(channel, n_channels) for channel in heard)
        notices.append(f"only {names} of {n_channels} channels carr{'ies' if len(heard) == 1 else 'y'} the sound")
        audio = audio[heard]
    if len(audio) > 2:
        notices.append(f"{len(audio)} channels mixed to mono")
        signs = _signs(audio)
        if (signs < 0.0).any():
            notices.append("channels of opposite polarity inverted")
            audio = audio * signs[:, None]
        return audio.mean(axis=0, keepdims=True), tuple(notices)
    if len(audio) == 2:
        audio, done = _sides(audio, None if background is None else background[heard])
        notices += done
    return audio, tuple(notices)


def _sides(audio: Audio, background: Audio | None) -> tuple[Audio, list[str]]:
    notices: list[str] = []
    correlation = _correlation(audio)
    if correlation < _OPPOSED:
        notices.append("the sides cancel each other: the right one is inverted")
        invert = np.array([[1.0], [-1.0]], np.float32)
        audio, background = audio * invert, None if background is None else background * invert
    if _equal(audio) or (background is not None and _differ_by_background(audio, background)):
        return _middle(audio), notices
    power = _power(audio)
    difference = abs(10.0 * math.log10(power[0] / power[1])) if power.all() else 0.0
    if difference >= _LOUDER_DB and 1.0 - correlation**2 <= 10.0 ** (-_COPY_DB / 10.0):
        louder = int(np.argmax(power))
        notices.append(f"the sides differ by {difference:.1f} dB and nothing else: {_name(louder, 2)} one is used")
        audio = audio[louder : louder + 1]
    return audio, notices


def _equal(audio: Audio) -> bool:
    side, mid = audio[:1] - audio[1:], audio[:1] + audio[1:]
    return bool(np.abs(side).max() <= 10.0 ** (-_EQUAL_DB / 20.0) * np.abs(mid).max())


def _differ_by_background(audio: Audio, background: Audio) -> bool:
    side, side_before = (one[0] - one[1] for one in (audio, background))
    return bool(side.var(dtype=np.float64) <= _ABOVE_BACKGROUND * side_before.var(dtype=np.float64))


def _middle(audio: Audio) -> Audio:
    middle: Audio = np.float32(0.5) * (audio[:1] + audio[1:])
    return middle


def _power(audio: Audio) -> NDArray[np.float64]:
    power: NDArray[np.float64] = audio.var(axis=1, dtype=np.float64)
    return power


def _correlation(audio: Audio) -> float:
    left, right = (channel - channel.mean(dtype=np.float64) for channel in audio)
    powers = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / powers if powers > 0.0 else 0.0


def _heard(audio: Audio, background: Audio | None) -> list[int]:
    power = _power(audio)
    heard = power > power.max() * 10.0 ** (-_SILENT_DB / 10.0)
    if background is not None and background.shape[1]:
        stands_out = power > _ABOVE_BACKGROUND * _power(background)
        heard = heard & stands_out if (heard & stands_out).any() else heard
    return [int(channel) for channel in np.flatnonzero(heard)] or list(range(len(audio)))


def _signs(audio: Audio) -> NDArray[np.float32]:
    """Polarities with which the channels add up: of the first principal component, positive for the loudest."""
    scaled = audio.astype(np.float64) / np.abs(audio).max()
    _, vectors = np.linalg.eigh(scaled @ scaled.T)
    component = vectors[:, -1]
    component = component * np.sign(component[np.argmax(np.abs(component))])
    signs: NDArray[np.float32] = np.where(component < 0.0, -1.0, 1.0).astype(np.float32)
    return signs


def _name(channel: int, n_channels: int) -> str:
    return ("the left", "the right")[channel] if n_channels == 2 else f"channel {channel + 1}"
