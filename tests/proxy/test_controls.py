"""Controls hold what patches hold, and refuse what they cannot be."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from proxy.synth.controls import DISCRETE, EDITOR_POINTS, Controls, WrongShape
from render.errors import OutOfRange, UnknownName
from render.noisemaker.envelope_editor import spline
from render.noisemaker.table import TABLE
from render.note import Note
from tests.proxy.patches import POINTS, controls, random_patch


def test_they_hold_the_patches() -> None:
    patches = [random_patch(seed) for seed in range(3)]
    held = controls(*patches, note=Note(61, 80, 0.5, 1.0))
    for row in TABLE.parameters:
        if row.discrete:
            assert held.choice(row.name).tolist() == [patch.index(row.name) for patch in patches]
            assert held.weights(row.name).argmax(1).tolist() == held.choice(row.name).tolist()
            assert held.weights(row.name).sum(1).tolist() == [1.0] * 3
        else:
            assert held.knob(row.name).tolist() == [patch[row.name] for patch in patches]
    assert (held.number.tolist(), held.velocity.tolist(), held.gate_seconds.tolist()) == ([61] * 3, [80] * 3, [0.5] * 3)
    expected = torch.from_numpy(spline(POINTS, torch.linspace(0, 1, EDITOR_POINTS, dtype=torch.float64).numpy()))
    torch.testing.assert_close(held.editor[1], expected)


def test_weights_name_their_choices() -> None:
    held = controls(random_patch(1))
    weights = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    held = dataclasses.replace(held, choices={**held.choices, "osc1waveform": weights})
    assert held.choice("osc1waveform").tolist() == [1]
    assert held.weight("osc1waveform", "noise").tolist() == [0.3]
    with pytest.raises(UnknownName, match="osc1waveform choice 'triangle'"):
        held.weight("osc1waveform", "triangle")


def changed(**fields: object) -> Controls:
    return dataclasses.replace(controls(random_patch(1), random_patch(2)), **fields)  # type: ignore[arg-type]


def with_knob(value: float) -> torch.Tensor:
    knobs = controls(random_patch(1), random_patch(2)).knobs
    knobs[1, TABLE.position("cutoff")] = value
    return knobs


def test_wrong_tensors_are_refused() -> None:
    with pytest.raises(WrongShape, match=r"knobs has shape \(2, 3\)"):
        changed(knobs=torch.zeros(2, 3))
    for value in (float("nan"), 1.01, -0.01):
        with pytest.raises(OutOfRange, match="knob cutoff of item 1"):
            changed(knobs=with_knob(value))
    with pytest.raises(WrongShape, match="number"):
        changed(number=torch.zeros(3))
    with pytest.raises(OutOfRange, match="gate_seconds"):
        changed(gate_seconds=torch.tensor([1.0, float("inf")]))
    with pytest.raises(WrongShape, match="editor"):
        changed(editor=torch.zeros(2, 4))
    with pytest.raises(OutOfRange, match="number of notes"):
        Controls.from_patches([random_patch(1)], [])


def test_wrong_choices_are_refused() -> None:
    choices = controls(random_patch(1), random_patch(2)).choices
    with pytest.raises(UnknownName, match="cutoff"):
        changed(choices={**choices, "cutoff": torch.zeros(2, dtype=torch.int64)})
    with pytest.raises(UnknownName, match=f"{DISCRETE[0]}"):
        changed(choices={name: choice for name, choice in choices.items() if name != DISCRETE[0]})
    with pytest.raises(OutOfRange, match="osc1waveform"):
        changed(choices={**choices, "osc1waveform": torch.tensor([0, 3])})
    with pytest.raises(WrongShape, match="osc1waveform"):
        changed(choices={**choices, "osc1waveform": torch.zeros(2, 4)})
    with pytest.raises(OutOfRange, match="weights of osc1waveform"):
        changed(choices={**choices, "osc1waveform": torch.full((2, 3), float("nan"))})
