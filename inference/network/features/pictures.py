"""The pictures that networks may see, by the names that weights give them."""

from __future__ import annotations

from collections.abc import Callable

from inference.clip.sound import sounding_range
from inference.network.features.log_mel import Picture, picture
from inference.network.features.semitones import semitone_picture
from inference.network.features.stretched import stretched_picture
from render.audio import Audio
from render.note import SAMPLE_RATE

PICTURES: dict[str, Callable[[Audio], Picture]] = {
    "mel": picture,
    "semitones": semitone_picture,
    "stretched": stretched_picture,
}


def picture_of_render(audio: Audio, kind: str = "mel") -> tuple[Picture, float]:
    """The picture of a render cut as ``read_target`` cuts a clip, and the seconds from the key press to its onset."""
    start, stop = sounding_range(audio)
    return PICTURES[kind](audio[:, start:stop]), start / SAMPLE_RATE
