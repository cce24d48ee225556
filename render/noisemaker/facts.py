"""The figures of the instrument, each written once.

The numpy engine and the differentiable synthesizer import them, the table takes its choices from them, and the Faust
programs see every number of this module under its own name (``engine/faust_header.py``). A comment above each group
names the source: a section of ``docs/noisemaker.md``, where the formulas stand, and ``golden NAME`` where a figure was
fitted to that group of renders of the real plug-in. Times are in seconds or in samples at 44.1 kHz, pitches in
semitones; poles and coefficients are per sample.

Figures that belong to an implementation (lengths of tables, limits of gradients) stay where they are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# What every render has in common
BPM = 120.0
MAX_VELOCITY = 127.0
PRE_ROLL_SECONDS = 0.25
"""How long the plug-in of the golden renders ran before the note: the sweep of the choruses has moved by that much."""

# Knobs (docs/noisemaker.md, introduction and "Signal flow")
LEVEL_BASE = 20.0
"""Base of ``log20``, the curve of levels and times."""
CUTOFF_BASE = 8.0
"""Base of ``log8``, the curve of the cutoff."""
VOLUME_BASE = LEVEL_BASE**2.0
LAST_DIVISION = 17
"""A tempo-synced rate or time knob picks ``trunc(17 v)`` of eighteen divisions; the last is never reached."""

# Pitch (docs/noisemaker.md, "Oscillators")
A4_HZ, A4_NUMBER = 440.0, 69.0
MAX_HZ = 22000.0
"""Frequencies are capped here."""
TRANSPOSITIONS = (-12, 0, 12, 24)
TUNE_SEMITONES = 24
"""The coarse tune of an oscillator goes from minus to plus this."""
SUB_SEMITONES = -24
SUB_POLARITY = -1.0
"""Beside the main oscillators: where they rise, the sub falls (measured: 57 golden renders with a sub)."""
DETUNE_SHARE = 0.0025
"""Largest random detune, up or down, as a share of the note number."""

# Oscillators (docs/noisemaker.md, "Oscillators"; golden filter type 11, osc2, filter_noise, vintage)
OSC1_WAVEFORMS = ("saw", "pulse", "noise")
OSC2_WAVEFORMS = ("saw", "pulse", "triangle", "sine", "noise")
BLEP_ZERO_CROSSINGS = 16
"""Zero crossings of the windowed sinc on each side of its middle: a BLEP settles within 32 samples."""
TRIANGLE_DELAY = 15
"""Samples by which a triangle is late, because the linear-phase BLAMPs of its corners reach ahead."""
DUTY_SHRINK = 2.5
"""How fast a pulse becomes square with its frequency."""
FM_REACH = 10.0
"""FM at full amount adds up to twice this multiple of oscillator 1's frequency."""
NOISE_MULTIPLIER = 16807
"""The noise is a multiplicative congruential generator modulo 2^32."""
FRESH_NOISE = 1
"""State of every noise generator in a freshly opened plug-in."""
CLICK_THRESHOLD = 0.95
"""Vintage noise lets only noise beyond this size pass."""
CLICK_GAIN, CLICK_POLES = 0.0499, (0.75, 0.47)

# Mixer (docs/noisemaker.md, "Signal flow")
RING_GAIN = 8.0
CRUSHER_LEVELS, CRUSHER_POWER = 65535.0, 8
HIGHPASS_LEAK = 0.001
"""What the master high-pass forgets per sample at knob 0."""
HIGHPASS_POLE = 1.0 - HIGHPASS_LEAK
HIGHPASS_SPAN = 0.4
"""What knob 1 takes from the pole."""

# Envelopes (docs/noisemaker.md, "Envelopes"). A rate is ``STEP (SLOWEST + FASTEST (1 - v/2)^POWER)``.
ENVELOPE_STEP = 0.004
ENVELOPE_SLOWEST = 0.0003
ATTACK_FASTEST, ATTACK_POWER = 7.0, 24
ATTACK_GAIN = 200.0
"""The rate of an attack is multiplied by this and by the step."""
ATTACK_TOP, ATTACK_TOP_SLOPE = 1.04, 0.5
"""Level that the attack heads for, at knob 0 and what knob 1 adds."""
DECAY_FASTEST, DECAY_POWER = 7.0, 23
RELEASE_FASTEST, RELEASE_POWER = 2.0, 22
RELEASE_GAIN = 8.0
RELEASE_RAMP = 250
"""Samples in which a release reaches its full rate."""

# Cutoff control, drive, noise floor (docs/noisemaker.md, "Filter" and "Signal flow"; golden factory)
KEY_FOLLOW_CENTRE, KEY_FOLLOW_NOTES = 72, 512.0
DRIVE_INPUT, DRIVE_OUTPUT = 10.0, 5.0
"""What drive at knob 1 adds to the gain before the filter, and to what its output is divided by."""
DITHER = 1e-5
"""Level of the noise that every filter adds: without it no silent filter would start to oscillate."""
SINGING_RESONANCE = 0.85
"""From this resonance on a filter may oscillate by itself, and does so already when the key goes down."""
SETTLING_SAMPLES = 8000
"""How long such a filter runs before the note, long enough for its oscillation to settle."""
CUTOFF_SMOOTHING = 1000.0
"""Time constant in samples of the smoothed cutoff, which glides down from 1 when the plug-in is opened."""

# Filters (docs/noisemaker.md, "Filter"; golden filter, filter_selfosc)
HALF_BAND = (5042 / 16384, -1277 / 16384, 429 / 16384, -116 / 16384, 18 / 16384)
"""Taps of the half-band low-pass at odd distances from its middle tap, which is a half."""
POLE_CUBIC, POLE_SQUARE, POLE_LINEAR = 1.873, 0.4955, -0.649
"""The tuning of a pole is ``((POLE_CUBIC f + POLE_SQUARE) f + POLE_LINEAR) f + k0``."""
POLE_CONSTANT = 0.9988
"""The ``k0`` of all poles but those of the 24 dB ladder."""
LADDER_FEEDBACK = 4.2
CLIP_POSITIVE = 0.99
"""Gain of positive values in the soft clip of the ladder's fourth pole."""
DAMPING_SCALE, DAMPING_POWER, DAMPING_FLOOR = (10.0, 100000.0), 24, 0.5
"""The damping of each state-variable stage is ``1 / (scale r^24 + 0.5)``."""
STATE_LIMIT = 10.0
"""The limiter of the band state is ``10 soft(x / 10)``."""
LOW_OFFSET = 0.0005
"""What the low integrator adds to its coefficient."""
MOOG_FEEDBACK = 4.0
MOOG_LOW_CUTOFF = 0.25
"""Below this cutoff the feedback of the Moog ladder grows by ``(4 (0.25 - c))^2``."""
MOOG_INPUT_RESONANCE = 2.0
MOOG_HIGHEST = 0.99
"""The Moog ladder limits its cutoff control to this."""


class Family(StrEnum):
    """The structures of the filters, each with a Faust program of that name."""

    LADDER = "ladder"
    STATE_VARIABLE = "state_variable"
    MOOG = "moog"
    THROUGH = "through"


@dataclass(frozen=True, slots=True)
class FilterType:
    """One filter type, where r is the resonance and c the cutoff control.

    Attributes:
        label: name in the table.
        family: structure.
        mix: weights of the output: of the input's node and the four poles of a ladder, or of the low, high and band
            outputs of a state-variable stage.
        clipped: whether the output of a ladder passes the soft clip.
        clip_positive: gain of positive values in that clip.
        k0: constant term of a ladder's tuning.
        feedback_base: b of a ladder's feedback ``LADDER_FEEDBACK r (b + m c)``.
        feedback_slope: m of the same.
        input_gain: g of the gain before the filter, ``g (2 - (1 - r)^p)``.
        input_power: p of the same; 0 for a constant gain.
        output_gain: g of the gain after the filter, ``g (1 + a r + b c r)``.
        output_resonance: a of the same.
        output_slope: b of the same.
    """

    label: str
    family: Family
    mix: tuple[int, ...] = ()
    clipped: bool = False
    clip_positive: float = 1.0
    k0: float = POLE_CONSTANT
    feedback_base: float = 1.0
    feedback_slope: float = 1.0
    input_gain: float = 1.0
    input_power: int = 0
    output_gain: float = 1.0
    output_resonance: float = 0.0
    output_slope: float = 0.0


# fmt: off
FILTERS = (
    FilterType("LP 24", Family.LADDER, (0, 0, 0, 0, 1), clipped=True, clip_positive=CLIP_POSITIVE, k0=1.4,
               feedback_base=1.05, feedback_slope=1.4, input_power=2, output_resonance=1.1, output_slope=2.5),
    FilterType("LP 18", Family.LADDER, (0, 0, 0, 1, 0), clipped=True, feedback_slope=1.0, input_power=4,
               output_resonance=1.1, output_slope=1.5),
    FilterType("LP 12", Family.LADDER, (0, 0, 1, 0, 0), clipped=True, feedback_slope=0.9, input_power=2,
               output_resonance=1.1, output_slope=1.5),
    FilterType("LP 6", Family.LADDER, (0, 1, 0, 0, 0), clipped=True, feedback_slope=0.8, input_power=2,
               output_resonance=1.1, output_slope=1.5),
    FilterType("HP 12", Family.LADDER, (1, -2, 1, 0, 0)),
    FilterType("BP 12", Family.LADDER, (0, 0, 2, -4, 2), input_gain=4.0, output_resonance=1.1, output_slope=1.0),
    FilterType("Notch", Family.LADDER, (1, -2, 4, -4, 0), input_power=2, output_resonance=1.1, output_slope=1.0),
    FilterType("LP SV 24", Family.STATE_VARIABLE, (1, 0, 0)),
    FilterType("HP SV 24", Family.STATE_VARIABLE, (0, 1, 0)),
    FilterType("BP SV 24", Family.STATE_VARIABLE, (0, 0, 1)),
    FilterType("Moog 24", Family.MOOG, input_gain=0.25, output_gain=6.0),
    FilterType("Moog through", Family.THROUGH, output_gain=3.0),
)
# fmt: on
"""By position in the table's choices."""

# LFOs (docs/noisemaker.md, "LFOs"; golden lfo2_volume, lfo_rate, lfo_sync)
LFO_WAVEFORMS = ("sine", "triangle", "saw", "rectangle", "random step", "noise")
LFO_RATE_OFFSET, LFO_RATE_POWER = 0.2, 3.0
"""The rate is ``(exp(offset) 20^(power v) - 1) / 19`` Hz."""
LFO_TABLE_POINTS = 256
"""Points of a waveform's table, read with straight lines between them."""
LFO_CYCLE_POINTS = 255
"""Points after which a cycle begins again: one less than the table has, so every LFO runs 256/255 fast."""
LFO_SMOOTHING = 0.05
"""Share of a new value that one sample lets in."""
LFO_SYNCED_HZ = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25)
"""Tempo-synced rates at ``BPM``: 1/16 to 2/1."""
LFO_SYNCED_FACTORS = (1.0, 3.0 / 2.0, 4.0 / 3.0)
"""The first, second and third six of the divisions against ``LFO_SYNCED_HZ``."""
LFO_FASTER, LFO_SLOWER = 100.0, 0.01
"""The other LFO multiplies a rate by ``1 + k m^3``, where k depends on the sign of the modulation m."""

# Reaches of modulations at full amount (docs/noisemaker.md, "LFOs" and "Envelope editor")
PITCH_REACH = 48.0
EDITOR_PITCH_REACH = 24.0
EDITOR_VOLUME_REACH = 0.5

# Envelope editor (docs/noisemaker.md, "Envelope editor"; golden envelope_editor)
EDITOR_LOOP_SECONDS = 16.0 * 60.0 / BPM
"""The curve takes 16 beats over the speed."""
EDITOR_SPEEDS = (1, 2, 4, 8, 16, 32)

# Delay (docs/noisemaker.md, "Effects"; golden delay, delay_tone, delay_switch)
MAX_DELAY_SECONDS = 4.0
DELAY_SHORTEST = 0.01
"""Shortest delay as a share of the longest."""
DELAY_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Tempo-synced times at ``BPM``, 1/16 to 2/1, before they are limited to the longest."""
DELAY_FACTORS = (1.0, 3.0 / 2.0, 2.0 / 3.0)
"""The first, second and third six of the divisions against ``DELAY_SECONDS``."""
DELAY_TONE = 0.38
"""Frequency of the low-pass in the loop when it is open."""
DELAY_AVERAGE = 0.125
"""Share of the sample before in the average that follows the low-pass."""
DELAY_LOW_CUT = 0.05
"""The low cut of the loop is the master high-pass with a knob that begins here."""

# Chorus (docs/noisemaker.md, "Effects"; golden chorus)
CHORUS_GAIN = 1.4
CHORUS_SECONDS = 0.007
CHORUS_MIDDLE, CHORUS_SWING = 0.4, 0.3
"""The delay of a line is ``CHORUS_SECONDS (middle + swing triangle)``."""
CHORUS_HZ = (0.5, 0.83)
CHORUS_LOW_PASS, CHORUS_DC_BLOCK = 0.747, 0.995
"""Poles of the two filters behind the lines."""

# Reverb (docs/noisemaker.md, "Effects"; golden reverb, reverb_tone)
REVERB_INPUT = 0.25
REVERB_FEEDBACK = 0.99
REVERB_COMBS = ((1949, 2083, 2267, 2437), (1949, 2105, 2251, 2473))
"""Lengths at the longest decay in samples, left and right; they grow with the decay."""
REVERB_COMB_EXTRA = ((7.2, 7.6, 8.2, 6.3), (5.2, 6.6, 7.7, 7.3))
"""Samples that every comb has besides."""
REVERB_ALL_PASSES = ((263, 281, 307, 331, 353), (251, 269, 293, 311, 337))
REVERB_ALL_PASS_GAIN = 0.68
REVERB_TONE, REVERB_TONE_SQUARE = 3.6, 1.6
"""The poles of the tone are at ``REVERB_TONE f - REVERB_TONE_SQUARE f^2 - 1``."""
