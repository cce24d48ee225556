"""The kinds of spectrogram that a network may take as its input, by the names that weights give them."""

from __future__ import annotations

from collections.abc import Callable

from inference.clip.sound import sounding_range
from inference.network.features.log_mel import Spectrogram, log_mel_spectrogram
from inference.network.features.stretched import stretched_spectrogram
from render.audio import Audio
from render.note import SAMPLE_RATE

SPECTROGRAMS: dict[str, Callable[[Audio], Spectrogram]] = {
    "mel": log_mel_spectrogram,
    "stretched": stretched_spectrogram,
}


def spectrogram_of_render(audio: Audio, kind: str = "mel") -> tuple[Spectrogram, float]:
    """The spectrogram of a render, cut as by ``read_target``, and the seconds from the key press to the onset."""
    start, stop = sounding_range(audio)
    return SPECTROGRAMS[kind](audio[:, start:stop]), start / SAMPLE_RATE
