"""The metrics against published values, auraloss, naive loops and their own definitions."""

from __future__ import annotations

import cmath
import functools
import json
import math
from dataclasses import FrozenInstanceError
from typing import Any

import auraloss
import numpy as np
import pytest
import soundfile
import torch

from render.errors import InvalidAudio, OutOfRange
from render.measures.metrics import Distances, MssTarget, distances, lsd, mrstft, mss, rms_cosine, side_mss, sot, wmfcc
from render.measures.wmfcc import warped_mean
from tests.paths import GOLDEN, needs_golden

RATE = 44100
ALL = (mss, lsd, sot, wmfcc, rms_cosine, mrstft)
LEVEL_FREE = (mss, lsd, sot, wmfcc, rms_cosine)  # the same when both sounds change level alike

# Values of another implementation, for pairs of golden renders: MSS, LSD, SOT, 1 - RMS cosine, wMFCC, MRSTFT.
REFERENCE = {
    ("probes/osc1-0000.flac", "probes/osc1-0001.flac"): (6.037, 4.180, 0.215, 0.001, 3.489, 1.921),
    ("probes/filter-0147.flac", "probes/filter-0152.flac"): (16.516, 20.394, 2.448, 0.000, 24.989, 3.756),
    ("factory/PD_Sun_Rise_TAL.flac", "factory/PD_Tron_TAL.flac"): (22.046, 20.851, 3.383, 0.203, 35.013, 13.166),
    ("probes/reverb-0511.flac", "probes/reverb-0515.flac"): (22.887, 14.882, 14.152, 0.304, 13.492, 4.515),
}
ROUNDING = 0.00051  # printed to three decimals


def noise(seed: int, samples: int = 22050, channels: int = 1, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, samples)) * level


def decaying(seed: int, samples: int = 22050) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / RATE
    tone = sum(np.sin(2 * np.pi * rng.uniform(80, 6000) * t) for _ in range(8))
    return np.atleast_2d(0.1 * tone * np.exp(-t * rng.uniform(1, 20)) + 1e-3 * rng.normal(size=samples))


@functools.cache
def golden_gains() -> dict[str, float]:
    texts = [(GOLDEN / f"{name}.jsonl").read_text() for name in ("probes", "factory")]
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    return {row["file"]: row["gain"] for row in rows}


@functools.cache
def golden(file: str) -> np.ndarray:
    samples, rate = soundfile.read(GOLDEN / file, always_2d=True)
    assert rate == RATE
    return np.asarray(samples.T * golden_gains()[file])


# Published values


@needs_golden
@pytest.mark.parametrize("pair", REFERENCE, ids=lambda pair: pair[0].split("/")[1])
def test_reference_values(pair: tuple[str, str]) -> None:
    target, other = map(golden, pair)
    found = distances(target, other, RATE)
    values = (found.mss, found.lsd, found.sot, found.rms_cosine, found.wmfcc)
    assert values == pytest.approx(REFERENCE[pair][:5], abs=ROUNDING)
    assert mrstft(target, other, RATE, ends="zeros") == pytest.approx(REFERENCE[pair][5], abs=ROUNDING)
    # The table treats the ends otherwise than auraloss; what the project reports is auraloss's.
    assert found.mrstft == pytest.approx(REFERENCE[pair][5], abs=0.05)


@needs_golden
@pytest.mark.parametrize("metric", [*ALL, side_mss], ids=lambda metric: metric.__name__)
def test_cut_silence_does_not_change_the_reference_values(metric: Any) -> None:
    target, other = golden("factory/PD_Sun_Rise_TAL.flac"), golden("factory/PD_Tron_TAL.flac")
    silence = np.zeros((2, 20000))
    whole_target, whole_other = np.hstack([target, silence]), np.hstack([other, silence])
    whole = metric(whole_target, whole_other, RATE)
    assert metric(target, whole_other, RATE) == pytest.approx(whole, abs=1e-6)
    assert metric(whole_target, other, RATE) == pytest.approx(whole, abs=1e-6)


@needs_golden
def test_golden_files_of_one_channel_have_no_side() -> None:
    mono, stereo = golden("probes/osc1-0000.flac"), golden("factory/PD_Sun_Rise_TAL.flac")
    assert side_mss(mono, stereo, RATE) is None
    assert side_mss(stereo, mono, RATE) == pytest.approx(side_mss(stereo, mono[0] * 0.0, RATE))


# Other implementations


@pytest.mark.parametrize(("samples", "channels"), [(1025, 1), (9999, 1), (44100, 2)])
@pytest.mark.parametrize("sounds", ["noise", "tones", "quiet", "silent other", "silent target"])
def test_mrstft_is_that_of_auraloss(sounds: str, samples: int, channels: int) -> None:
    target, other = {
        "noise": (noise(1, samples, channels), noise(2, samples, channels, 0.3)),
        "tones": (decaying(1, samples), decaying(2, samples)),
        "quiet": (noise(1, samples, channels, 1e-6), noise(2, samples, channels, 2e-6)),
        "silent other": (decaying(1, samples), np.zeros((channels, samples))),
        "silent target": (np.zeros((channels, samples)), noise(2, samples, channels)),
    }[sounds]
    loss = auraloss.freq.MultiResolutionSTFTLoss(
        fft_sizes=[1024, 2048, 512], hop_sizes=[256, 512, 128], win_lengths=[1024, 2048, 512]
    )
    a, b = (torch.tensor(x.mean(axis=0)[None, None], dtype=torch.float32) for x in (target, other))
    assert mrstft(target, other, RATE) == pytest.approx(float(loss(b, a)), rel=2e-4, abs=1e-6)


def naive_mss(target: list[float], other: list[float], rate: int) -> float:
    """The definition in loops; shares nothing with the module."""

    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    def bands(signal: list[float], window: int, hop: int, n_fft: int, n_mels: int) -> list[list[float]]:
        corners = [
            700.0 * (10 ** ((mel(20.0) + k * (mel(rate / 2) - mel(20.0)) / (n_mels + 1)) / 2595.0) - 1)
            for k in range(n_mels + 2)
        ]
        n_frames = 1 + math.ceil((len(signal) + 2 * (window // 2) - window) / hop)
        frames = []
        for frame in range(n_frames):
            powers = []
            for k in range(n_fft // 2 + 1):
                total = 0j
                for n in range(window):
                    at = frame * hop - window // 2 + n
                    if 0 <= at < len(signal):
                        hann = math.sin(math.pi * n / window) ** 2
                        total += signal[at] * hann * cmath.exp(-2j * math.pi * k * n / n_fft)
                powers.append(abs(total) ** 2)
            row = []
            for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
                band = 0.0
                for k, power in enumerate(powers):
                    hz = k * rate / n_fft
                    if low < hz <= middle:
                        band += power * (hz - low) / (middle - low) * 2 / (high - low)
                    elif middle < hz < high:
                        band += power * (high - hz) / (high - middle) * 2 / (high - low)
                row.append(band)
            frames.append(row)
        return frames

    scales = []
    for window, hop, n_fft, n_mels in ((80, 40, 1024, 32), (200, 80, 1024, 64), (800, 400, 1024, 128)):
        a, b = bands(target, window, hop, n_fft, n_mels), bands(other, window, hop, n_fft, n_mels)
        floor = 1e-8 * max(map(max, a))
        cells = [
            abs(10 * math.log10(max(x, floor)) - 10 * math.log10(max(y, floor)))
            for row_a, row_b in zip(a, b, strict=True)
            for x, y in zip(row_a, row_b, strict=True)
        ]
        scales.append(sum(cells) / len(cells))
    return sum(scales) / 3


def test_mss_is_that_of_the_naive_loops() -> None:
    samples = 131
    t = np.arange(samples) / 8000
    target = np.sin(2 * np.pi * 700 * t) * np.exp(-t * 300) * np.hanning(samples)  # reaches the floor in high bands
    other = noise(3, samples)[0] * np.exp(-t * 200)
    expected = naive_mss(target.tolist(), other.tolist(), 8000)
    assert mss(target, other, 8000) == pytest.approx(expected, abs=1e-3)


def naive_warped_mean(costs: np.ndarray) -> float:
    @functools.cache
    def best(i: int, j: int) -> tuple[float, int]:
        """Sum and number of the cells up to (i, j)."""
        if (i, j) == (0, 0):
            return float(costs[0, 0]), 1
        before = [best(a, b) for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if a >= 0 and b >= 0]
        total, steps = min(before, key=lambda cell: cell[0])  # the first of equals: diagonal, down, right
        return total + float(costs[i, j]), steps + 1

    total, steps = best(costs.shape[0] - 1, costs.shape[1] - 1)
    return total / steps


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 9), (9, 1), (2, 2), (7, 7), (5, 12), (31, 18), (40, 40)])
@pytest.mark.parametrize("ties", [False, True])
def test_warping_is_that_of_the_naive_recursion(shape: tuple[int, int], ties: bool) -> None:
    rng = np.random.default_rng(shape[0] * 100 + shape[1])
    for _ in range(10):
        costs = rng.integers(0, 3, size=shape).astype(float) if ties else rng.random(shape)
        assert warped_mean(costs) == pytest.approx(naive_warped_mean(costs), rel=1e-12)


def test_warping_forgives_a_delay() -> None:
    sound = decaying(1, 11025)
    late, later = (np.pad(sound, ((0, 0), (hops * 441, (20 - hops) * 441))) for hops in (5, 15))
    assert mss(late, later, RATE) > 1.0
    assert wmfcc(late, later, RATE) < 1e-5  # float32


def test_lsd_is_that_of_naive_frames() -> None:
    target, other = decaying(1, 3000)[0], decaying(2, 3000)[0]

    def powers(signal: np.ndarray) -> np.ndarray:
        signal = np.concatenate([np.zeros(512), signal, np.zeros(2000)])
        hann = np.sin(np.pi * np.arange(1024) / 1024) ** 2
        frames = [signal[k * 256 : k * 256 + 1024] * hann for k in range(1 + math.ceil(3000 / 256))]
        return np.array([np.abs(np.fft.fft(frame)[:513]) ** 2 for frame in frames])

    a, b = powers(target), powers(other)
    floor = a.max() * 1e-8
    expected = 0.0
    for x, y in zip(a, b, strict=True):
        difference = 10 * np.log10(np.maximum(x, floor) / np.maximum(y, floor))
        expected += math.sqrt(np.mean(difference**2)) / len(a)
    assert lsd(target, other, RATE) == pytest.approx(expected, rel=1e-9)


def test_sot_of_two_steady_tones_is_their_distance() -> None:
    t = np.arange(RATE) / RATE
    low, high = np.sin(2 * np.pi * 1000 * t), 0.2 * np.sin(2 * np.pi * 4000 * t)
    assert sot(low, high, RATE) == pytest.approx(3.0, abs=0.05)
    # Where one is silent, as if its mass were at half the sample rate; where both are, the frame does not count.
    assert sot(low * 0.0, high, RATE) == pytest.approx(22.05 - 4.0, abs=0.05)
    assert sot(np.pad(low, (0, RATE)), np.pad(high, (0, RATE)), RATE) == pytest.approx(3.0, abs=0.1)


def test_wmfcc_of_a_change_of_level() -> None:
    # Only the first of 20 coefficients changes, by sqrt(128) times the change in dB of each of 128 bands.
    target = noise(1)
    expected = 20 * math.log10(2) * math.sqrt(128) / 20
    assert wmfcc(target, 2.0 * target, RATE) == pytest.approx(expected, rel=0.01)


def test_rms_cosine_of_two_envelopes() -> None:
    first, second = np.zeros(RATE), np.zeros(RATE)
    first[: RATE // 2], second[RATE // 2 :] = 1.0, 1.0
    assert rms_cosine(first, second, RATE) == pytest.approx(1.0, abs=0.06)
    assert rms_cosine(first, np.ones(RATE), RATE) == pytest.approx(1.0 - math.sqrt(0.5), abs=0.01)


# Properties


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("sound", [noise(1), decaying(1), noise(1, channels=2), np.zeros(5000), noise(1)[0]])
def test_a_sound_has_no_distance_from_itself(metric: Any, sound: np.ndarray) -> None:
    assert metric(sound, sound.copy(), RATE) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
def test_different_sounds_have_a_distance_and_nearer_ones_a_smaller(metric: Any) -> None:
    target = decaying(1)
    near, far = target + 0.1 * decaying(2), decaying(2)
    assert 0.0 < metric(target, near, RATE) < metric(target, far, RATE)


@pytest.mark.parametrize("gain", [2.0, 0.5])
def test_a_change_of_level_by_6_db_is_6_db(gain: float) -> None:
    target = noise(1)
    for metric in (mss, lsd):
        assert metric(target, target * gain, RATE) == pytest.approx(20 * math.log10(2), abs=0.01)
        assert metric(target * gain, target, RATE) == pytest.approx(20 * math.log10(2), abs=0.01)
    assert rms_cosine(target, target * gain, RATE) == pytest.approx(0.0, abs=1e-12)
    assert sot(target, target * gain, RATE) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("metric", LEVEL_FREE, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("gain", [1e-3, 30.0])
def test_the_floor_moves_with_the_target(metric: Any, gain: float) -> None:
    target, other = decaying(1), decaying(2)
    target[:, 8000:] = other[:, 11000:] = 0.0
    assert metric(target * gain, other * gain, RATE) == pytest.approx(metric(target, other, RATE), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("metric", [mss, lsd, wmfcc], ids=lambda metric: metric.__name__)
def test_what_is_below_the_targets_floor_does_not_count(metric: Any) -> None:
    loud = np.zeros((1, RATE))
    loud[:, : RATE // 2] = noise(1, RATE // 2)
    hiss = loud + noise(2, RATE, level=1e-7)  # 120 dB below the noise
    assert metric(loud, hiss, RATE) < 1e-2
    assert metric(loud * 1e-3, hiss * 1e-3, RATE) < 1e-2
    assert metric(loud * 1e-3, loud * 1e-3 + (hiss - loud) * 1e3, RATE) > 1.0  # 60 dB above what the target allows


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("sound", [decaying(1), noise(1), noise(1, level=1e5), noise(1, level=1e-30), noise(1, 1)])
def test_silence_has_a_finite_distance(metric: Any, sound: np.ndarray) -> None:
    silence = np.zeros_like(sound)
    for target, other in ((sound, silence), (silence, sound)):
        assert 0.0 <= metric(target, other, RATE) < np.inf


def test_how_silence_is_judged() -> None:
    sound, silence = noise(1), np.zeros(22050)
    assert rms_cosine(sound, silence, RATE) == rms_cosine(silence, sound, RATE) == 1.0
    assert 60.0 < mss(sound, silence, RATE) <= 80.0
    assert mss(silence, sound, RATE) > 80.0
    assert mss(silence, noise(1, level=1e-12), RATE) == 0.0
    assert distances(silence, silence, RATE) == Distances(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, None)


@pytest.mark.parametrize("metric", [*ALL, side_mss], ids=lambda metric: metric.__name__)
def test_the_shorter_sound_goes_on_with_silence(metric: Any) -> None:
    target, other = noise(1, channels=2), noise(2, channels=2)
    short = other[:, :13001]
    padded = np.pad(short, ((0, 0), (0, other.shape[1] - short.shape[1])))
    assert metric(target, short, RATE) == pytest.approx(metric(target, padded, RATE), rel=1e-9)
    assert metric(short, target, RATE) == pytest.approx(metric(padded, target, RATE), rel=1e-9)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("samples", [1, 2, 3, 100, 441, 1024])
def test_very_short_sounds(metric: Any, samples: int) -> None:
    target, other = noise(1, samples), noise(2, samples)
    assert 0.0 <= metric(target, other, RATE) < np.inf
    assert metric(target, target, RATE) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000])
def test_other_sample_rates(metric: Any, rate: int) -> None:
    assert 0.0 < metric(decaying(1), decaying(2), rate) < np.inf


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
def test_a_sound_is_the_mean_of_its_sides(metric: Any) -> None:
    target, other = noise(1, channels=2), noise(2, channels=2)
    expected = metric(target.mean(axis=0), other.mean(axis=0), RATE)
    assert metric(target, other, RATE) == pytest.approx(expected, rel=1e-9)
    assert metric(target[::-1], other, RATE) == pytest.approx(expected, rel=1e-9)
    assert metric(target.astype(np.float32), other.astype(np.float32), RATE) == pytest.approx(expected, rel=1e-4)


def test_side_mss() -> None:
    left, right = noise(1)[0], noise(2)[0]
    stereo = np.stack([left, right])
    assert side_mss(left, stereo, RATE) is None
    assert side_mss(np.stack([left, left]), stereo, RATE) is None
    assert side_mss(np.stack([left, left + 1e-7 * right]), stereo, RATE) is None  # rounding, not a side
    assert side_mss(np.zeros((2, 5000)), stereo, RATE) is None
    assert side_mss(stereo, stereo, RATE) == 0.0
    assert side_mss(stereo, stereo[::-1], RATE) == 0.0
    assert side_mss(stereo, 2.0 * stereo, RATE) == pytest.approx(20 * math.log10(2), abs=0.01)
    mono_other = side_mss(stereo, left, RATE)
    assert mono_other is not None
    assert mono_other > 60.0
    assert distances(stereo, left, RATE).side_mss == mono_other


# The cached target and the record


def test_a_cached_target_gives_the_same_as_the_function() -> None:
    target = noise(1, channels=2)
    cached = MssTarget(target, RATE)
    assert (cached.n_samples, cached.sample_rate) == (22050, RATE)
    others = [noise(2), noise(3, 30001, 2), noise(4, 700), noise(5, level=3.0), target, noise(2)]
    assert [cached.distance(other) for other in others] == [mss(target, other, RATE) for other in others]


def test_a_cached_target_does_not_follow_the_callers_array() -> None:
    target, other = noise(1), noise(2, 30000)
    cached = MssTarget(target, RATE)
    before = cached.distance(other)
    target[:] = 0.0
    assert cached.distance(other) == before


def test_the_inputs_are_left_alone() -> None:
    target, other = noise(1, channels=2), noise(2, 20000, channels=2)
    copies = target.copy(), other.copy()
    distances(target, other, RATE)
    np.testing.assert_array_equal(target, copies[0])
    np.testing.assert_array_equal(other, copies[1])


def test_distances_are_a_frozen_record() -> None:
    found = distances(decaying(1), decaying(2), RATE)
    assert list(found.as_dict()) == ["mss", "lsd", "sot", "wmfcc", "rms_cosine", "mrstft", "side_mss"]
    assert found.as_dict() == {
        **{metric.__name__: metric(decaying(1), decaying(2), RATE) for metric in ALL},
        "side_mss": None,
    }
    json.dumps(found.as_dict())
    with pytest.raises(FrozenInstanceError):
        found.mss = 0.0  # type: ignore[misc]


# Errors

BAD = {
    "NaN": np.array([0.0, np.nan]),
    "infinity": np.array([[0.0, -np.inf]]),
    "huge": np.array([0.0, 1e7]),
    "empty": np.zeros(0),
    "no samples": np.zeros((2, 0)),
    "no channels": np.zeros((0, 100)),
    "samples first": np.zeros((100, 2)),
    "batch": np.zeros((1, 1, 100)),
    "scalar": np.array(0.5),
    "integers": np.zeros(100, dtype=np.int16),
    "complex": np.zeros(100, dtype=np.complex128),
    "list": [0.0, 0.1],
}


@pytest.mark.parametrize("metric", [*ALL, side_mss, distances], ids=lambda metric: metric.__name__)
@pytest.mark.parametrize("bad", BAD)
def test_bad_audio_is_named(metric: Any, bad: str) -> None:
    with pytest.raises(InvalidAudio, match=r"^target .*allowed"):
        metric(BAD[bad], noise(1), RATE)
    with pytest.raises(InvalidAudio, match=r"^other .*allowed"):
        metric(noise(1, channels=2), BAD[bad], RATE)


@pytest.mark.parametrize("metric", [*ALL, side_mss, distances, MssTarget], ids=lambda metric: metric.__name__)
def test_a_bad_sample_rate_is_named(metric: Any) -> None:
    arguments = (noise(1),) if metric is MssTarget else (noise(1), noise(2))
    with pytest.raises(OutOfRange, match=r"sample rate is 100; allowed: 8000 Hz or more"):
        metric(*arguments, 100)
