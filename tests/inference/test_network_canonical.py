"""Patches that sound the same get the same code, and the canonical patch sounds like the one it stands for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from inference.network.coding.canonical import canonical
from inference.network.coding.canonical_modulators import INAUDIBLE
from inference.network.coding.codings import SOUND
from inference.network.coding.variables import SILENT
from inference.network.features.estimated_note import UNKNOWN_NOTE
from render.data.accept import refusal
from render.instruments.patch import Patch
from render.measures.metrics import mss
from render.noisemaker.hosts import open_host
from render.noisemaker.prior import draw
from render.noisemaker.table import LFO2_DESTINATIONS, SEMITONES, TABLE, TRANSPOSITIONS
from render.note import SAMPLE_RATE, Note

Sound = tuple[Patch, Note]

LFO_KNOBS = ("waveform", "rate", "amount", "phase", "sync", "keytrigger")
OSC_KNOBS = ("volume", "tune", "finetune", "phase")
RANDOM_LFOS = ("random step", "noise")


def drawn(seed: int, count: int) -> list[Sound]:
    """Draws without random detuning, which no two renders share."""
    return [(patch.with_knobs({"detune": 0.0}), note) for patch, note in (draw(seed, k) for k in range(count))]


def transposed(patch: Patch, note: Note) -> Sound | None:
    """An octave up by the transposition and down by the key; key follow would tell."""
    octave = TRANSPOSITIONS.index(patch.choice("transpose")) + 1
    if octave == len(TRANSPOSITIONS) or note.number < 12 or patch["keyfollow"] > 0.0:
        return None
    return patch.with_settings({"transpose": TRANSPOSITIONS[octave]}), replace(note, number=note.number - 12)


def retuned(patch: Patch, note: Note) -> Sound | None:
    """The key seven semitones up and both tunings as much down, where there is no sub and no sync."""
    tunes = [SEMITONES.index(patch.choice(f"osc{k}tune")) - 7 for k in (1, 2)]
    if min(tunes) < 0 or patch["osc3volume"] > 0.0 or patch["oscsync"] > 0.0 or patch["keyfollow"] > 0.0:
        return None
    lower = {f"osc{k}tune": SEMITONES[tune] for k, tune in zip((1, 2), tunes, strict=True)}
    return patch.with_settings(lower), replace(note, number=note.number + 7)


def with_swapped_oscillators(patch: Patch, note: Note) -> Sound | None:
    """The two oscillators exchanged, with what modulates them."""
    waveforms = [patch.choice(f"osc{k}waveform") for k in (1, 2)]
    patch = patch.with_knobs({"osc1pw": 0.5, "osc2fm": 0.0})
    routes = [patch.choice(name) for name in ("lfo1destination", "freeaddestination", "envelopeeditordest1")]
    if waveforms[1] not in ("saw", "pulse", "noise") or {"pulse width", "fm"} & set(routes):
        return None
    knobs = {f"osc{k}{name}": patch[f"osc{3 - k}{name}"] for k in (1, 2) for name in OSC_KNOBS}
    swapped = {"osc1": "osc2", "osc2": "osc1"}
    settings: dict[str, float | str | bool] = {f"osc{k}waveform": waveforms[2 - k] for k in (1, 2)}
    for name in ("lfo1destination", "lfo2destination", "freeaddestination", "envelopeeditordest1"):
        settings[name] = swapped.get(patch.choice(name), patch.choice(name))
    return patch.with_knobs(knobs).with_settings(settings), note


def with_swapped_lfos(patch: Patch, note: Note) -> Sound | None:
    """The two LFOs exchanged."""
    other = {"lfo1 rate": "lfo2 rate", "lfo2 rate": "lfo1 rate"}
    ones = [patch.choice(f"lfo{k}destination") for k in (1, 2)]
    if ones[0] in ("pulse width", "fm") or ones[1] in ("pan", "volume"):
        return None
    knobs = {f"lfo{k}{name}": patch[f"lfo{3 - k}{name}"] for k in (1, 2) for name in LFO_KNOBS}
    settings = {f"lfo{k}destination": other.get(ones[2 - k], ones[2 - k]) for k in (1, 2)}
    return patch.with_knobs(knobs).with_settings(settings), note


def with_free_rates(patch: Patch, note: Note) -> Sound | None:
    """LFO rates and the delay's time in hertz and seconds instead of note values, at 120 bpm."""
    changes: dict[str, float | str | bool] = {}
    for name in ("lfo1", "lfo2"):
        patch = patch.with_settings({f"{name}sync": True, f"{name}rate": "1/4T"})
        changes |= {f"{name}sync": False, f"{name}rate": 3.0}
    patch = patch.with_settings({"delaysync": True, "delaytime": "1/8"})
    return patch.with_settings(changes | {"delaysync": False, "delaytime": 0.5}), note


def without_velocity(patch: Patch, note: Note) -> Sound | None:
    """Another velocity, where nothing follows it."""
    return patch.with_knobs({f"velocity{name}": 0.0 for name in ("volume", "cutoff", "contour")}), note


def with_another_key_trigger(patch: Patch, note: Note) -> Sound | None:
    """LFOs whose key trigger says what they do anyway."""
    plain = {f"lfo{k}keytrigger": 0.0 for k in (1, 2)}
    return patch.with_knobs(plain), note


def with_other_silent_knobs(patch: Patch, note: Note) -> Sound | None:
    """What stands behind switches that are off."""
    off = {"delaywet": 0.0, "reverbwet": 0.0, "freeadamount": 0.5, "lfo1amount": 0.5, "osc2volume": 0.0}
    return patch.with_knobs(off), note


BEFORE: dict[Callable[[Patch, Note], Sound | None], Callable[[Patch, Note], Sound]] = {
    with_swapped_oscillators: lambda patch, note: (patch.with_knobs({"osc1pw": 0.5, "osc2fm": 0.0}), note),
    with_free_rates: lambda patch, note: (
        patch.with_settings(
            {
                "lfo1sync": True,
                "lfo2sync": True,
                "delaysync": True,
                "lfo1rate": "1/4T",
                "lfo2rate": "1/4T",
                "delaytime": "1/8",
            }
        ),
        note,
    ),
    without_velocity: lambda patch, note: (
        patch.with_knobs({f"velocity{name}": 0.0 for name in ("volume", "cutoff", "contour")}),
        replace(note, velocity=33),
    ),
    with_another_key_trigger: lambda patch, note: (
        patch.with_knobs({f"lfo{k}{name}": value for k in (1, 2) for name, value in TRIGGERED}),
        note,
    ),
    with_other_silent_knobs: lambda patch, note: (
        patch.with_knobs(
            {"delaywet": 0.0, "reverbwet": 0.0, "freeadamount": 0.5, "lfo1amount": 0.5, "osc2volume": 0.0}
        ).with_knobs({"delaytime": 0.9, "reverbdecay": 0.1, "freeadattack": 0.7, "lfo1rate": 0.9, "osc2tune": 0.9}),
        note,
    ),
}
"""What the sound is rewritten to before, for equivalences that not every draw has."""
TRIGGERED = (("keytrigger", 1.0), ("phase", 0.0))


@pytest.mark.parametrize(
    "equivalent",
    [
        transposed,
        retuned,
        with_swapped_oscillators,
        with_swapped_lfos,
        with_free_rates,
        without_velocity,
        with_another_key_trigger,
        with_other_silent_knobs,
    ],
)
def test_equivalent_patches_get_the_same_code(equivalent: Callable[[Patch, Note], Sound | None]) -> None:
    n_found = 0
    for patch, note in drawn(6, 150):
        other = equivalent(patch, note)
        if other is None:
            continue
        n_found += 1
        patch, note = BEFORE.get(equivalent, lambda patch, note: (patch, note))(patch, note)
        codes = SOUND.encode([patch, other[0]], [note, other[1]])
        differing = [SOUND.variables[k].name for k in np.flatnonzero(codes[0] != codes[1])]
        assert not differing, (patch, note)
    assert n_found >= 20


def test_different_sounds_get_different_codes() -> None:
    patch, note = (
        TABLE.default.with_settings({"osc2volume": 0.5, "osc1tune": 0, "osc2tune": 7, "cutoff": 3000.0}),
        Note(60),
    )
    changes: tuple[dict[str, float | str | bool], ...] = (
        {"osc2tune": 5},
        {"osc1waveform": "pulse"},
        {"cutoff": 300.0},
        {"lfo2destination": "osc2", "lfo2amount": 0.1},
        {"delaywet": 0.5},
        {"osc1finetune": 0.2},
    )
    codes = SOUND.encode([patch, *(patch.with_settings(change) for change in changes)], [note] * (1 + len(changes)))
    assert len({tuple(row) for row in codes.tolist()}) == 1 + len(changes)
    higher = SOUND.encode([patch], [replace(note, number=61)])
    assert [SOUND.variables[k].name for k in np.flatnonzero(higher[0] != codes[0])] == ["pitch"]


def test_a_canonical_patch_is_canonical() -> None:
    for patch, note in drawn(7, 100):
        once = canonical(patch, note)
        twice = canonical(*once)
        np.testing.assert_allclose(once[0].knobs, twice[0].knobs, atol=1e-6)
        assert once[0].extra == twice[0].extra
        assert once[1].number == twice[1].number
        assert once[1].gate_seconds == pytest.approx(twice[1].gate_seconds)


def test_a_canonical_patch_sounds_like_its_original() -> None:
    host, distances = open_host(), []
    for patch, note in drawn(8, 60):
        if any(patch.choice(f"lfo{k}waveform") in RANDOM_LFOS for k in (1, 2)):
            continue
        audio = host.render(patch, note)
        if refusal(audio) is None:
            distances.append(mss(audio, host.render(*canonical(patch, note)), SAMPLE_RATE))
    assert len(distances) >= 30
    assert np.quantile(distances, 0.9) <= 0.05
    assert np.quantile(distances, 0.95) <= 0.3
    assert max(distances) <= 3.0


@pytest.mark.parametrize("destination", list(INAUDIBLE))
def test_a_modulator_that_is_taken_out_is_inaudible(destination: str) -> None:
    """Beside the same patch with the amount at the threshold."""
    if destination == "ring mod":
        name, route, knob = "envelopeeditoramount", "envelopeeditordest1", math.sqrt(INAUDIBLE[destination])
    else:
        source = "lfo2" if destination in LFO2_DESTINATIONS else "lfo1"
        name, route, knob = f"{source}amount", f"{source}destination", 0.5 + 0.5 * math.cbrt(INAUDIBLE[destination])
    host, distances = open_host(), []
    for patch, note in drawn(31, 12):
        note = replace(note, gate_seconds=0.7, seconds=1.0)
        moved = patch.with_settings({route: destination}).with_knobs({name: knob})
        audio = host.render(moved, note)
        if refusal(audio) is None and not any(patch.choice(f"lfo{k}waveform") in RANDOM_LFOS for k in (1, 2)):
            distances.append(mss(audio, host.render(moved.with_settings({route: "off"}), note), SAMPLE_RATE))
    assert len(distances) >= 6
    assert np.quantile(distances, 0.9) <= 0.3


def test_codes_of_sounds_survive_a_round_trip() -> None:
    sounds = drawn(5, 150)
    codes = SOUND.encode([patch for patch, _ in sounds], [note for _, note in sounds])
    assert codes.min() >= SILENT
    for number in (UNKNOWN_NOTE, 55):
        relative = SOUND.relative(codes, np.full(len(codes), number))
        assert (relative < np.array(SOUND.sizes)).all()
        decoded = [SOUND.decode(row.tolist(), [0.5] * len(SOUND), number) for row in relative]
        notes = [
            replace(note, number=found.number, gate_seconds=found.gate_seconds)
            for (_, note), found in zip(sounds, decoded, strict=True)
        ]
        again = SOUND.encode([found.patch for found in decoded], notes)
        # A sustain level that the decay does not reach moves with the middle of the decay's category.
        assert (again == codes).mean() > 0.99
        choices = [SOUND.index(name) for name in ("osc1", "osc2", "filtertype", "osc2 interval", "base interval")]
        np.testing.assert_array_equal(again[:, choices], codes[:, choices])


def test_a_known_key_is_kept_and_the_pitch_too() -> None:
    patch = TABLE.default.with_settings({"osc1tune": 7, "osc2volume": 0.5, "osc2tune": 12, "osc3volume": 0.0})
    codes = SOUND.encode([patch], [Note(50)])
    row = SOUND.relative(codes, np.array([57]))[0].tolist()
    for key in (50, 62, 45, 75):
        found = SOUND.decode(row, [0.5] * len(SOUND), 57, key)
        assert found.number == key
        pitches = [
            key + float(found.patch.choice("transpose")) + float(found.patch.choice(f"osc{k}tune")) for k in (1, 2)
        ]
        assert pitches == [57.0, 62.0]


def test_every_row_of_categories_is_a_patch_and_a_note() -> None:
    """Whatever a network draws: here each variable alone, with the rest of its row from elsewhere."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        codes = np.full((1, len(SOUND)), SILENT, np.int64)
        for k, size in enumerate(SOUND.sizes):
            if SOUND.sounding(k, codes)[0]:
                codes[0, k] = rng.integers(size)
        for number, key in ((UNKNOWN_NOTE, None), (3, None), (120, None), (60, 40)):
            found = SOUND.decode(codes[0].tolist(), rng.random(len(SOUND)).tolist(), number, key)
            Note(found.number, gate_seconds=found.gate_seconds)
            assert key in (None, found.number)
            canonical(found.patch, Note(found.number, gate_seconds=found.gate_seconds))


def test_a_sound_and_its_note_may_be_transposed_together() -> None:
    for patch, note in drawn(9, 20):
        patch = patch.with_knobs({"keyfollow": 0.0})
        codes = SOUND.encode([patch, patch], [note, replace(note, number=note.number + 12)])
        relative = SOUND.relative(codes, np.array([50, 62]))
        np.testing.assert_array_equal(relative[0], relative[1])
