"""What is heard in a clip: rates of modulation and delay times, on renders whose settings are known."""

from __future__ import annotations

import numpy as np
import pytest

from inference.clip.hints import estimate_hints
from render.measures.loudness import EqualLoudnessMss
from render.noisemaker.changes.lfos import panned, with_lfo
from render.noisemaker.curves import delay_seconds
from render.noisemaker.hosts import open_host
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import Note

NOTE = Note(48, 100, 1.8, 2.0)
SAW = TABLE.patch({"osc1volume": 0.8, "osc3volume": 0.0, "osc1tune": 0.5, "cutoff": 0.6})


@pytest.mark.parametrize("hz", [2.0, 7.0])
@pytest.mark.parametrize(
    ("name", "destination", "amount"),
    [
        ("lfo1", "filter", 0.3),
        ("lfo1", "osc1", 0.01),
        ("lfo1", "pulse width", 0.3),
        ("lfo2", "volume", 0.5),
        ("lfo2", "pan", 0.5),
    ],
)
def test_the_rate_of_an_lfo_is_heard_wherever_it_goes(name: str, destination: str, amount: float, hz: float) -> None:
    audio = open_host().render(with_lfo(SAW, name, destination, hz, amount), NOTE)
    rates = estimate_hints(audio, NOTE.gate_seconds).rates_hz
    assert rates[destination == "pulse width"] == pytest.approx(hz, rel=0.03)  # widths of 0.4 and 0.6 sound alike


def test_the_time_of_a_delay_is_heard() -> None:
    pluck = SAW.with_knobs(
        {"ampdecay": 0.3, "ampsustain": 0.0, "delaywet": 0.6, "delaytime": 0.6, "delayfeedback": 0.4}
    )
    time = float(delay_seconds(0.6))
    heard = estimate_hints(open_host().render(pluck, NOTE), NOTE.gate_seconds).delays_seconds
    assert min(abs(one - time) for one in heard[:2]) < 0.01


@pytest.mark.parametrize("seconds", [0.05, 0.2])
def test_short_and_steady_clips_have_hints_too(seconds: float) -> None:
    audio = np.ones((1, int(44100 * seconds)), np.float32)
    hints = estimate_hints(audio, seconds)
    assert all(np.isfinite(one) and one > 0.0 for one in (*hints.rates_hz, *hints.delays_seconds))


@pytest.mark.parametrize("gate_seconds", [0.002, 0.011, 0.05, 0.1])
@pytest.mark.parametrize("destination", ["filter", "pulse width", "osc1&2"])
def test_the_shortest_key_presses_have_changes_of_structure(gate_seconds: float, destination: str) -> None:
    note = Note(48, 100, gate_seconds, gate_seconds + 0.05)
    patch = with_lfo(SAW, "lfo1", destination, 7.0, 0.5).with_knobs({"osc2volume": 0.5})
    hints = estimate_hints(open_host().render(patch, note), gate_seconds)
    found = [*NOISEMAKER.structure(patch, note, hints), *NOISEMAKER.explained(patch, note)]
    assert all(np.isfinite(changed.knobs).all() for _, changed in found)


@pytest.mark.parametrize(
    ("waveform", "hz", "amount"), [("sine", 3.0, 0.5), ("rectangle", 5.9, 0.5), ("triangle", 1.5, 1.0)]
)
def test_an_lfo_on_the_pan_is_found_from_the_balance(waveform: str, hz: float, amount: float) -> None:
    clip = with_lfo(SAW, "lfo2", "pan", hz, amount, waveform=waveform, phase=0.3)
    audio = open_host().render(clip, NOTE)
    hints = estimate_hints(audio, NOTE.gate_seconds)
    kind, found = next(panned(SAW, NOTE.gate_seconds, hints))
    assert kind == "lfo2 pan"
    assert found.choice("lfo2waveform") == waveform
    assert float(found.setting("lfo2rate")) == pytest.approx(float(clip.setting("lfo2rate")), rel=0.03)
    assert float(found.setting("lfo2amount")) == pytest.approx(amount, rel=0.15)
    assert EqualLoudnessMss([audio], 44100).measure([open_host().render(found, NOTE)])[0] < 1.0
    sides = [render[0].astype(float) @ render[1] for render in (audio, open_host().render(found, NOTE))]
    assert sides[1] == pytest.approx(sides[0], rel=0.2)


def test_what_stands_in_the_middle_has_no_balance() -> None:
    audio = open_host().render(SAW, NOTE)
    assert estimate_hints(audio, NOTE.gate_seconds).balance == ()
    assert estimate_hints(audio[:1], NOTE.gate_seconds).balance == ()
    assert not list(panned(SAW, NOTE.gate_seconds, estimate_hints(audio, NOTE.gate_seconds)))
