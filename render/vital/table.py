"""Vital's parameter table: the controls of the engine that a single note can bring out, and rows of our own.

Rows of our own are the wavetable of each oscillator and the shape of each LFO, which a preset stores as data; the
octave, which is the transposition of the voice in whole octaves; and the source and destination of eight slots of the
modulation matrix. Everything else in a preset stays in ``Patch.extra`` (``render/vital/state.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from render.instruments.parameter import OFF_ON, Clause, Condition, Kind, Parameter, Role
from render.instruments.table import Table
from render.vital.controls import CONTROLS
from render.vital.curves import curve_of
from render.vital.waves import SHAPE_CHOICES, WAVETABLE_CHOICES

OSCILLATORS, FILTERS, ENVELOPES, LFOS, SLOTS = (1, 2, 3), ("1", "2", "fx"), (1, 2, 3), (1, 2, 3, 4), tuple(range(1, 9))

OCTAVES = tuple(f"{12 * k:+d}" if k else "0" for k in range(-4, 5))

SOURCES = ("none", *(f"env_{k}" for k in ENVELOPES), *(f"lfo_{k}" for k in LFOS), "velocity", "note")
"""Sources of modulation that people use; others stay in ``Patch.extra``."""

_OSC_TARGETS = ("level", "wave_frame", "transpose", "tune", "pan", "unison_detune", "distortion_amount",
                "spectral_morph_amount")  # fmt: skip
DESTINATIONS = (
    "none",
    *(f"osc_{k}_{target}" for target in _OSC_TARGETS for k in OSCILLATORS),
    *(f"filter_{k}_{target}" for target in ("cutoff", "resonance", "drive", "mix") for k in ("1", "2")),
    *("filter_fx_cutoff", "sample_level", "voice_transpose", "voice_tune", "volume"),
    *("chorus_dry_wet", "delay_dry_wet", "reverb_dry_wet", "distortion_drive", "phaser_center", "flanger_center"),
    *("lfo_1_frequency", "lfo_2_frequency"),
)
"""Destinations of modulation, by the engine's names."""

_SEMITONES = (-24, -19, -12, -7, -5, -1, 1, 5, 7, 12, 19, 24)
"""Steps by which a transposition is moved to reach its neighbours."""

_ANALOG, _FORMANT, _COMB, _PHASER = (0, 1, 2, 3, 4), 5, 6, 7  # models of the filters


def _row(name: str, group: str, *needs: Clause, **columns: Any) -> Parameter:
    """The row of a control of the engine; ``columns`` are further fields of the row."""
    control = CONTROLS[name]
    if control.discrete:
        on_off = control.options == ("Off", "On")
        return Parameter(
            name,
            control.label,
            group,
            Kind.SWITCH if on_off else Kind.CHOICE,
            control.knob(control.default),
            OFF_ON if on_off else control.choices,
            needs=needs,
            **columns,
        )
    curve = curve_of(control)
    default = control.knob(control.default)
    return Parameter(name, control.label, group, Kind.CONTINUOUS, default, curve=curve, needs=needs, **columns)


def _on(name: str) -> Clause:
    return (Condition(name, indices=(1,)),)


def _index(name: str, *indices: int) -> Clause:
    return (Condition(name, indices=indices),)


def _differs(name: str) -> Clause:
    """A continuous control is not at the value that does nothing: 0."""
    return (Condition(name, inert=CONTROLS[name].knob(0.0)),)


def _oscillator(k: int) -> Iterator[Parameter]:
    group, osc = f"osc {k}", f"osc_{k}"
    on = _on(f"{osc}_on")
    several = _index(f"{osc}_unison_voices", *range(1, 16))
    yield _row(f"{osc}_on", group)
    label = f"Oscillator {k} Wavetable"
    yield Parameter(f"{osc}_wavetable", label, group, Kind.CHOICE, 0.0, WAVETABLE_CHOICES, needs=(on,))
    yield _row(f"{osc}_wave_frame", group, on, _index(f"{osc}_wavetable", *range(1, len(WAVETABLE_CHOICES))))
    for name in ("level", "pan", "tune", "phase"):
        yield _row(f"{osc}_{name}", group, on)
    # With random phases no two notes are equal, so that a search would fit noise: it leaves them unchanged. The
    # initial preset has random ones.
    yield replace(_row(f"{osc}_random_phase", group, on, silent=True), default=0.0)
    yield _row(f"{osc}_transpose", group, on, steps=_SEMITONES)
    yield _row(f"{osc}_unison_voices", group, on, steps=(-4, -2, -1, 1, 2, 4))
    for name in ("unison_detune", "unison_blend", "stereo_spread", "stack_style"):
        yield _row(f"{osc}_{name}", group, on, several)
    yield _row(f"{osc}_distortion_type", group, on)
    for name in ("distortion_amount", "distortion_phase"):
        yield _row(f"{osc}_{name}", group, on, _index(f"{osc}_distortion_type", *range(1, 13)))
    yield _row(f"{osc}_spectral_morph_type", group, on)
    yield _row(f"{osc}_spectral_morph_amount", group, on, _index(f"{osc}_spectral_morph_type", *range(1, 12)))
    yield _row(f"{osc}_destination", group, on)


def _sample() -> Iterator[Parameter]:
    on = _on("sample_on")
    yield _row("sample_on", "sample")
    for name in ("level", "pan", "keytrack", "destination"):
        yield _row(f"sample_{name}", "sample", on)
    yield _row("sample_transpose", "sample", on, steps=_SEMITONES)


def _filter(k: str) -> Iterator[Parameter]:
    group, name = f"filter {k}", f"filter_{k}"
    on = _on(f"{name}_on")
    yield _row(f"{name}_on", group, role=Role.EFFECT if k == "fx" else None)
    if k != "fx":
        yield _row(f"{name}_filter_input", group, on)
    for part in ("model", "style", "resonance", "blend", "mix", "keytrack"):
        yield _row(f"{name}_{part}", group, on)
    yield _row(f"{name}_cutoff", group, on, _index(f"{name}_model", *_ANALOG, _COMB, _PHASER))
    yield _row(f"{name}_drive", group, on, _index(f"{name}_model", *_ANALOG))
    yield _row(f"{name}_blend_transpose", group, on, _index(f"{name}_model", _COMB))
    for part in ("x", "y", "transpose", "resonance", "spread"):
        yield _row(f"{name}_formant_{part}", group, on, _index(f"{name}_model", _FORMANT))


def _is_source(source: str) -> Clause:
    """Some slot of the modulation matrix has a source."""
    return tuple(Condition(f"modulation_{n}_source", indices=(SOURCES.index(source),)) for n in SLOTS)


def _envelope(k: int) -> Iterator[Parameter]:
    group, name = f"env {k}", f"env_{k}"
    used = (_is_source(name),) if k > 1 else ()  # envelope 1 is that of the voice
    for part in ("delay", "attack", "attack_power", "hold", "sustain", "release"):
        yield _row(f"{name}_{part}", group, *used)
    for part in ("decay", "decay_power"):
        yield _row(f"{name}_{part}", group, *used, (Condition(f"{name}_sustain", inert=1.0),))
    yield _row(f"{name}_release_power", group, *used, _differs(f"{name}_release"))


def _lfo(k: int) -> Iterator[Parameter]:
    group, name = f"LFO {k}", f"lfo_{k}"
    used, tempo = _is_source(name), (1, 2, 3)
    label = f"LFO {k} Shape"
    yield Parameter(f"{name}_shape", label, group, Kind.CHOICE, 0.0, SHAPE_CHOICES, needs=(used,))
    yield _row(f"{name}_sync", group, used)
    yield _row(f"{name}_frequency", group, used, _index(f"{name}_sync", 0))
    yield _row(f"{name}_tempo", group, used, _index(f"{name}_sync", *tempo), steps=(-2, -1, 1, 2))
    for part in ("sync_type", "phase", "delay_time", "fade_time"):
        yield _row(f"{name}_{part}", group, used)


def _slot(n: int) -> Iterator[Parameter]:
    group, name = f"modulation {n}", f"modulation_{n}"
    source, destination = f"{name}_source", f"{name}_destination"
    has_source = _index(source, *range(1, len(SOURCES)))
    has_destination = _index(destination, *range(1, len(DESTINATIONS)))
    yield Parameter(source, f"Modulation {n} Source", group, Kind.CHOICE, 0.0, SOURCES, needs=(has_destination,))
    yield Parameter(destination, f"Modulation {n} Destination", group, Kind.CHOICE, 0.0, DESTINATIONS,
                    needs=(has_source,))  # fmt: skip
    yield _row(f"{name}_amount", group, has_source, has_destination)
    yield _row(f"{name}_bipolar", group, has_source, has_destination, _differs(f"{name}_amount"))


def _effect(name: str, *parts: str, synced: tuple[str, ...] = ()) -> Iterator[Parameter]:
    """An effect with its switch; ``synced`` names the parts that have a rate, a tempo and a choice between them."""
    on = _on(f"{name}_on")
    yield _row(f"{name}_on", name, role=Role.EFFECT)
    for part in parts:
        yield _row(f"{name}_{part}", name, on)
    for part in synced:
        sync = f"{name}_{part}sync"
        yield _row(sync, name, on)
        yield _row(f"{name}_{part}frequency", name, on, _index(sync, 0))
        yield _row(f"{name}_{part}tempo", name, on, _index(sync, 1, 2, 3), steps=(-2, -1, 1, 2))


def _effects() -> Iterator[Parameter]:
    yield from _effect("chorus", "dry_wet", "feedback", "mod_depth", "delay_1", "delay_2", "voices", "cutoff", "spread",
                       synced=("",))  # fmt: skip
    yield from _effect("compressor", "attack", "release", "low_gain", "band_gain", "high_gain", "enabled_bands", "mix")
    yield from _effect("delay", "dry_wet", "feedback", "style", "filter_cutoff", "filter_spread", synced=("", "aux_"))
    yield from _effect("distortion", "type", "drive", "mix", "filter_order")
    for part in ("cutoff", "resonance", "blend"):
        name = f"distortion_filter_{part}"
        yield _row(name, "distortion", _on("distortion_on"), _index("distortion_filter_order", 1, 2))
    yield from _effect(
        "eq", *(f"{b}_{p}" for b in ("low", "band", "high") for p in ("mode", "cutoff", "gain", "resonance"))
    )
    yield from _effect("flanger", "dry_wet", "feedback", "center", "mod_depth", "phase_offset", synced=("",))
    yield from _effect("phaser", "dry_wet", "feedback", "center", "mod_depth", "blend", "phase_offset", synced=("",))
    yield from _effect("reverb", "dry_wet", "decay_time", "size", "delay", "chorus_amount", "chorus_frequency",
                       "low_shelf_cutoff", "low_shelf_gain", "high_shelf_cutoff", "high_shelf_gain", "pre_low_cutoff",
                       "pre_high_cutoff")  # fmt: skip


def _rows() -> Iterator[Parameter]:
    yield _row("volume", "master", role=Role.LEVEL)
    yield Parameter("octave", "Octave", "voice", Kind.CHOICE, 0.5, OCTAVES, role=Role.TRANSPOSE)
    yield _row("voice_tune", "voice")
    yield _row("velocity_track", "voice")
    for k in OSCILLATORS:
        yield from _oscillator(k)
    yield from _sample()
    for name in FILTERS:
        yield from _filter(name)
    for k in ENVELOPES:
        yield from _envelope(k)
    for k in LFOS:
        yield from _lfo(k)
    for n in SLOTS:
        yield from _slot(n)
    yield from _effects()


TABLE = Table("Vital", "render.vital.table:TABLE", tuple(_rows()))
"""Vital's parameters."""

EFFECT_SWITCHES = tuple(row.name for row in TABLE.with_role(Role.EFFECT))

CONTROL_ROWS = tuple(row for row in TABLE.parameters if row.name in CONTROLS)
"""The rows that are controls of the engine."""


def control_value(row: Parameter, knob: float) -> float:
    """The engine's value of a row of ``CONTROL_ROWS``."""
    control = CONTROLS[row.name]
    return control.low + row.index(knob) if row.discrete else control.value(knob)


def control_knob(row: Parameter, value: float) -> float:
    """The knob of a row of ``CONTROL_ROWS`` for one of the engine's values."""
    control = CONTROLS[row.name]
    if not row.discrete:
        return control.knob(value)
    index = min(max(round(value - control.low), 0), len(row.choices) - 1)
    return row.choice_knobs[index]
