"""The sound in a recording: cut to its onset and end, in one or two channels, at a level that can be matched."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.clip.background import Background, find_background, quietest, without_offset
from inference.clip.channels import carried
from inference.clip.events import Choice, choose_event
from inference.clip.focus import EVERYTHING, Focus, in_band, softened
from inference.clip.levels import FRAME, Levels, frame_levels, without_clicks
from inference.clip.noise import Power, drawn_noise, noise_power, without_noise
from render.audio import Audio, Recording
from render.errors import InvalidAudio
from render.measures.mask import fades
from render.note import SAMPLE_RATE

MAX_SECONDS = 4.0
MIN_SECONDS = 0.05

_SILENT_PEAK = 1e-7  # -140 dB of full scale, below the smallest step of 24 bits
_SMALLEST_PEAK = 1e-3  # a recording outside this and its inverse is scaled before anything is computed
_LOWEST_PEAK_DB, _HIGHEST_PEAK_DB = -60.0, 24.0  # a clip whose peak is outside is brought to
_QUIET_PEAK_DB, _USUAL_PEAK_DB = -40.0, -12.0  # one of these, which the instrument reaches with most patches
ONSET_DB = 60.0  # below the peak; what is quieter before the first crossing is cut
TAIL_DB = 80.0  # the floor of the metrics: what is quieter after the last crossing is not compared anyway
KEPT_TAIL_SECONDS = 0.25  # silence that is kept after the sound, so that a match must end too
LEAD_SECONDS = 0.005  # silence up to this long stays: a clip that was cut at the key press keeps its first sample
_ABOVE_BACKGROUND = 1.5  # times the background's peak: where a sound begins in it
_LATE_SECONDS = 1.0  # an onset later than this is worth a notice
_MOST_TIMES = 5  # that a notice lists
_NOTHING_LEFT = 1e-4  # of the peak: the floor of the metrics


@dataclass(frozen=True)
class Sound:
    """The sound to match; the attributes are those of ``inference.clip.target.Target``."""

    audio: Audio
    onset_seconds: float
    notices: tuple[str, ...]
    level_db: float
    events: tuple[float, ...]
    noise: Audio | None = None


def find_sound(recording: Recording, name: str, focus: Focus = EVERYTHING) -> Sound:
    """Find the sound to match in a recording.

    Args:
        recording: the recording, resampled to ``SAMPLE_RATE``.
        name: name of the recording in messages.
        focus: the part that is compared; the rest becomes silence.

    Raises:
        InvalidAudio: if there is no usable sound in it.
    """
    notices = _about_file(recording)
    audio, scale = _computable(recording.audio, name)
    audio, offset = without_offset(audio)
    if offset:
        notices.append(f"constant offset of {offset / scale:.3g} removed")
    peak = float(np.abs(audio).max(initial=0.0)) / scale
    if peak < _SILENT_PEAK:
        raise InvalidAudio(f"{name} is silent (peak {peak:.1e})")
    skipped = recording.skipped_seconds
    calm = softened(audio, focus.mask(skipped))
    searched = in_band(calm, focus.band_hz)
    if not searched.any():
        raise InvalidAudio(f"nothing that counts is left of {name}: {focus.sentence()}")
    levels = frame_levels(searched)
    background = _background(searched, levels, recording, focus, name)
    choice = choose_event(searched, levels, background)
    floor = 0.0 if background is None else _ABOVE_BACKGROUND * background.peak
    start, stop = sounding_range(searched[:, choice.start : choice.stop], floor=floor, end=choice.end - choice.start)
    onset_seconds = skipped + (choice.start + start) / SAMPLE_RATE
    notices += _about_choice(choice, skipped, onset_seconds)
    if background is not None:
        below = levels.max() - background.level_db
        notices.append(f"cut where it stands out of the background, {below:.0f} dB below the loudest")
    quiet = None if background is None else calm[:, background.start : background.stop]
    piece = audio[:, choice.start + start : choice.start + stop]
    piece, power, done = _in_few_channels(piece, quiet, noisy=focus.noise)
    notices += done
    piece, done = _of_usable_length(piece, recording, name)
    notices += done
    noise = None
    if power is not None and quiet is not None:
        piece, noise = without_noise(piece, power), drawn_noise(power, piece.shape[1])
        noise = focus.mask(onset_seconds).apply(noise)
        seconds = quiet.shape[1] / SAMPLE_RATE
        notices.append(
            f"noise taken out, and all compared under noise like it, as heard in {seconds:.2f} s of the file"
        )
    counted = _what_counts(piece, focus, onset_seconds, name)
    piece, level_db = _at_usual_level(np.ascontiguousarray(counted), scale)
    if noise is not None:
        noise = noise * np.float32(float(np.abs(piece).max()) / float(np.abs(counted).max()))
    if level_db:
        notices.append(f"{'raised' if level_db > 0.0 else 'lowered'} by {abs(level_db):.1f} dB for the match")
    events = tuple(skipped + seconds for seconds in choice.others)
    return Sound(piece, onset_seconds, tuple(notices), level_db, events, noise)


def _background(searched: Audio, levels: Levels, recording: Recording, focus: Focus, name: str) -> Background | None:
    """The background of what is searched, if there is one; that of a noisy recording must be found."""
    plain = without_clicks(levels)
    background = find_background(searched, plain)
    if background is None and focus.noise:
        background = quietest(searched, plain, _ignored_frames(focus, recording, len(levels)))
        if background is None:
            raise InvalidAudio(
                f"no part of {name} is soft enough to tell its noise; allowed: 0.1 s of nothing else, before the sound "
                "or after it"
            )
    return background


def _in_few_channels(piece: Audio, quiet: Audio | None, *, noisy: bool) -> tuple[Audio, Power | None, tuple[str, ...]]:
    """The sound in one or two channels, the power of the noise in the same ones if it is wanted, and notices.

    Args:
        piece: the sound, in the channels of the file.
        quiet: a part of the file that holds nothing but background, if there is one.
        noisy: whether the noise is wanted.
    """
    if not noisy or quiet is None:
        piece, done = carried(piece, quiet)
        return piece, None, done
    n_quiet = quiet.shape[1]
    both, done = carried(np.concatenate([quiet, piece], axis=1), quiet)
    return both[:, n_quiet:], noise_power(both[:, :n_quiet]), done


def _of_usable_length(piece: Audio, recording: Recording, name: str) -> tuple[Audio, tuple[str, ...]]:
    """The first seconds of a sound, and a notice if there is more; raises ``InvalidAudio`` if it is too short."""
    seconds = piece.shape[1] / SAMPLE_RATE
    if seconds < MIN_SECONDS:
        raise InvalidAudio(f"{name} holds {seconds:.3f} s of sound; at least {MIN_SECONDS} s are needed")
    if seconds <= MAX_SECONDS:
        return piece, ()
    whole = "" if recording.seconds is None else f" of {recording.seconds:.1f} s"
    return piece[:, : round(MAX_SECONDS * SAMPLE_RATE)], (f"first {MAX_SECONDS:g} s{whole} used",)


def sounding_range(audio: Audio, *, floor: float = 0.0, end: int | None = None) -> tuple[int, int]:
    """First and last sample of the sound.

    Args:
        audio: shape ``(channels, samples)``, not silent.
        floor: sample value of background, which the sound begins above.
        end: sample after which nothing belongs to the sound, but can be kept as the silence after it.

    Returns:
        The first sample, and the one after the last.
    """
    envelope = np.abs(audio).max(axis=0)
    peak = envelope.max()
    floor = min(floor, 0.5 * peak)
    start = int(np.argmax(envelope > max(peak * 10.0 ** (-ONSET_DB / 20.0), floor)))
    if start <= LEAD_SECONDS * SAMPLE_RATE:
        start = 0
    loud = np.flatnonzero(envelope[:end] > peak * 10.0 ** (-TAIL_DB / 20.0))
    stop = min(int(loud[-1]) + 1 + round(KEPT_TAIL_SECONDS * SAMPLE_RATE), audio.shape[1])
    return start, stop


def _ignored_frames(focus: Focus, recording: Recording, n_frames: int) -> NDArray[np.bool_]:
    ignored = focus.mask(recording.skipped_seconds).ignored_seconds
    factors = fades(ignored, n_frames * FRAME) if ignored else np.ones(n_frames * FRAME, np.float32)
    return np.asarray(factors.reshape(n_frames, FRAME).min(axis=1) < 1.0)


def _what_counts(piece: Audio, focus: Focus, onset_seconds: float, name: str) -> Audio:
    """The sound with silence in place of its ignored part; raises ``InvalidAudio`` if too little is left."""
    mask = focus.mask(onset_seconds)
    if mask.plain:
        return piece
    masked = mask.apply(piece)
    seconds = float(fades(mask.ignored_seconds, piece.shape[1]).sum()) / SAMPLE_RATE
    if seconds < MIN_SECONDS:
        raise InvalidAudio(f"{seconds:.3f} s of {name} count, at least {MIN_SECONDS} s are needed; {focus.sentence()}")
    if np.abs(masked).max() <= _NOTHING_LEFT * np.abs(piece).max():
        raise InvalidAudio(f"nothing that counts is left of {name}: {focus.sentence()}")
    return masked


def _computable(audio: Audio, name: str) -> tuple[Audio, float]:
    """The audio, scaled by a power of two if its squares would overflow or vanish; and that power."""
    peak = float(np.abs(audio).max(initial=0.0))
    if not math.isfinite(peak):
        raise InvalidAudio(f"{name} holds samples beyond the largest number")
    if peak == 0.0 or _SMALLEST_PEAK <= peak <= 1.0 / _SMALLEST_PEAK:
        return audio, 1.0
    exponent = math.frexp(peak)[1]
    return np.ldexp(audio, -exponent), math.ldexp(1.0, -exponent)


def _at_usual_level(audio: Audio, scale: float) -> tuple[Audio, float]:
    """Bring audio whose level the instrument can hardly reach to a level that it can.

    Args:
        audio: shape ``(channels, samples)``.
        scale: factor by which it is larger than in the file.

    Returns:
        Audio at the file's level or at a usual one, and the gain from the file's level to it in dB.
    """
    peak = float(np.abs(audio).max())
    peak_db = 20.0 * math.log10(peak / scale)
    if _LOWEST_PEAK_DB <= peak_db <= _HIGHEST_PEAK_DB:
        return audio if scale == 1.0 else audio / np.float32(scale), 0.0
    wanted_db = _QUIET_PEAK_DB if peak_db < _LOWEST_PEAK_DB else _USUAL_PEAK_DB
    usual: Audio = (audio.astype(np.float64) * (10.0 ** (wanted_db / 20.0) / peak)).astype(np.float32)
    return usual, wanted_db - peak_db


def _about_file(recording: Recording) -> list[str]:
    notices = []
    rate = recording.rate
    if rate != SAMPLE_RATE:
        notices.append(f"resampled from {rate} Hz" + (f"; nothing above {rate // 2} Hz to match" * (rate < 32000)))
    if recording.lost_bytes:
        notices.append(f"the file begins inside a frame: its first {recording.lost_bytes} bytes cannot be read")
    if recording.damaged:
        seconds = recording.skipped_seconds + recording.audio.shape[1] / SAMPLE_RATE
        notices.append(f"the file is damaged: nothing can be read after {seconds:.2f} s")
    return notices


def _about_choice(choice: Choice, skipped_seconds: float, onset_seconds: float) -> list[str]:
    notices = []
    if choice.others:
        earlier = "first" if min(choice.others) + skipped_seconds > onset_seconds else "first loud"
        also = "another begins" if len(choice.others) == 1 else "others begin"
        times = _times([skipped_seconds + seconds for seconds in choice.others])
        notices.append(f"the {earlier} sound, at {onset_seconds:.2f} s, is used; {also} at {times}")
    elif onset_seconds > _LATE_SECONDS:
        notices.append(f"the sound begins at {onset_seconds:.2f} s")
    if choice.echoes:
        notices.append(
            f"softer repeats at {_times([skipped_seconds + t for t in choice.echoes])} are matched as its echoes"
        )
    if choice.clicks:
        notices.append("clicks before the sound are left out")
    return notices


def _times(seconds: list[float]) -> str:
    """A short list of times in words."""
    shown = ", ".join(f"{one:.2f}" for one in seconds[:_MOST_TIMES])
    more = len(seconds) - _MOST_TIMES
    return f"{shown} s" + (f" and {more} later times" if more > 0 else "")
