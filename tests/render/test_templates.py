"""Modulations of the cutoff and the pulse width, read off a clip by comparing it with still settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.clip.templates import HOP_SECONDS, closest_templates
from render.audio import Audio
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.measures.loudness import EqualLoudnessMss
from render.noisemaker.changes.lfos import with_lfo
from render.noisemaker.changes.templates import templated
from render.noisemaker.changes.twins import exchanged
from render.noisemaker.editor_curves import steps
from render.noisemaker.hosts import open_host
from render.noisemaker.routes import OFF, SOURCES
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

NOTE = Note(57, 100, 0.9, 1.0)
PLAIN = TABLE.patch({"osc1volume": 0.8, "osc2volume": 0.0, "osc3volume": 0.0, "cutoff": 0.5})
MOVING = with_lfo(PLAIN.with_knobs({"osc2volume": 0.7}), "lfo2", "osc2", 2.0, 0.4)
"""An oscillator whose pitch sweeps hides what the filter does from brightness and level over time."""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    host = open_host("embedded")
    yield host
    host.close()


@pytest.mark.parametrize("base", [PLAIN, MOVING], ids=["alone", "beside a sweep"])
@pytest.mark.parametrize(
    ("destination", "hz", "amount"), [("filter", 3.0, 0.3), ("filter", 9.0, 0.15), ("pulse width", 6.0, 0.4)]
)
def test_an_lfo_is_found(host: Host, base: Patch, destination: str, hz: float, amount: float) -> None:
    base = base.with_settings({"osc1waveform": "pulse"}).with_knobs({"osc1pw": 0.7})
    clip = host.render(with_lfo(base, "lfo1", destination, hz, amount), NOTE)

    def closest_of(patches: Sequence[Patch]) -> tuple[NDArray[np.float64], float]:
        sounds = [host.render(patch, NOTE) for patch in patches]
        return closest_templates(clip, sounds, NOTE.gate_seconds), HOP_SECONDS

    found = [
        (abs(float(patch.setting("lfo1amount"))), float(patch.setting("lfo1rate")))  # type: ignore[arg-type]
        for kind, patch in templated(base, closest_of)
        if kind == f"{destination}: LFO" and patch.choice("lfo1destination") == destination
    ]
    assert any(abs(size / amount - 1.0) < 0.3 and abs(rate / hz - 1.0) < 0.03 for size, rate in found)


TUNED = PLAIN.with_knobs({"osc2volume": 0.7, "cutoff": 0.6}).with_settings({"osc2tune": "7", "osc2waveform": "saw"})
STEPS = steps((0.9, 0.2, 0.6, 0.0, 0.4, 0.1, 0.7, 0.3))
EDITED = TUNED.with_settings({"envelopeeditorspeed": "x8", "envelopeeditoramount": 0.6}).with_extra(STEPS)


@pytest.mark.parametrize(
    ("kind", "true"),
    [
        ("filter: envelope", TUNED.with_settings({"cutoff": 500.0, "filtercontour": 0.4, "filtersustain": 0.3})
         .with_knobs({"filterdecay": 0.6})),
        ("filter: envelope", TUNED.with_settings({"filtercontour": -0.3}).with_knobs({"filterattack": 0.6})),
        ("filter: editor", EDITED.with_settings({"envelopeeditordest1": "filter", "cutoff": 300.0})),
        ("filter: editor and LFO", with_lfo(
            EDITED.with_settings({"envelopeeditordest1": "filter", "cutoff": 900.0}), "lfo2", "filter", 11.0, 0.2)),
        ("ring mod: editor", EDITED.with_settings({"envelopeeditordest1": "ring mod"})),
        ("volume: LFO", with_lfo(TUNED, "lfo2", "volume", 4.4, 1.0, waveform="rectangle", phase=0.2)),
        ("volume: LFO", with_lfo(TUNED, "lfo2", "volume", 6.0, 0.5)),
        ("volume: editor", EDITED.with_settings({"envelopeeditordest1": "volume", "envelopeeditoramount": 1.0})),
        ("pulse width: envelope", TUNED.with_settings({"freeaddestination": "pulse width", "freeadamount": 0.4,
                                                       "osc1waveform": "pulse"}).with_knobs({"freeaddecay": 0.7})),
    ],
)  # fmt: skip
def test_what_moves_is_found(host: Host, kind: str, true: Patch) -> None:
    """From a patch in which all modulators are missing, one of its changes is much closer to the clip."""
    names = {source.destination for source in SOURCES.values()}
    base = true.with_settings(dict.fromkeys(names, OFF) | {"filtercontour": 0.0})
    assert_found(host, kind, true, base)


def test_the_modulated_pulse_may_be_what_oscillator_2_plays(host: Host) -> None:
    still = TUNED.with_settings({"osc1waveform": "pulse", "osc2waveform": "pulse"})
    base = exchanged(still)
    assert base is not None
    assert_found(host, "pulse width: LFO", with_lfo(still, "lfo1", "pulse width", 1.5, 0.8), base)


def assert_found(host: Host, kind: str, true: Patch, base: Patch) -> None:
    """Among the changes of a kind one is much closer than the patch that is changed."""
    clip = host.render(true, NOTE)
    judge = EqualLoudnessMss([clip], SAMPLE_RATE)

    def distance(patch: Patch) -> float:
        return judge.measure([host.render(patch, NOTE)])[0]

    def closest_of(patches: Sequence[Patch]) -> tuple[NDArray[np.float64], float]:
        sounds = [host.render(patch, NOTE) for patch in patches]
        return closest_templates(clip, sounds, NOTE.gate_seconds), HOP_SECONDS

    changes = [patch for found, patch in templated(base, closest_of) if found == kind]
    assert min(map(distance, changes)) < 0.5 * distance(base)


def tone(hz: float, seconds: float = 0.5) -> Audio:
    """A sine, ``(1, samples)``."""
    return np.sin(2.0 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)[None]


def test_every_frame_has_its_template() -> None:
    low, high = tone(200.0), tone(2000.0)
    half = low.shape[1] // 2
    clip = np.concatenate([low[:, :half], high[:, half:]], axis=1)
    places = closest_templates(clip, [low, tone(600.0), high], 0.5)
    assert places.shape == (round(0.5 / HOP_SECONDS),)
    assert (places[:45].round() == 0).all()
    assert (places[55:].round() == 2).all()


def test_a_difference_that_nobody_hears_is_no_change() -> None:
    """A frame that resembles another template by chance stays with its neighbours."""
    rng = np.random.default_rng(0)
    clip = tone(400.0) + 1e-4 * rng.standard_normal((1, SAMPLE_RATE // 2)).astype(np.float32)
    noisy = [tone(400.0) + 1e-4 * rng.standard_normal((1, SAMPLE_RATE // 2)).astype(np.float32) for _ in range(3)]
    assert len(np.unique(closest_templates(clip, noisy, 0.5).round())) == 1


def test_a_silent_clip_and_a_short_one_have_templates() -> None:
    silence = np.zeros((1, 4410), np.float32)
    assert not closest_templates(silence, [silence, silence], 0.1).any()
    assert closest_templates(silence, [silence], 0.0).shape == (1,)
