"""Voices of a DX7 as bytes: a patch to the 155 bytes of a voice and back, and the 128 bytes of a cartridge's voice.

The layout is that of the DX7's manual ("VCED" and "VMEM" formats): six operators from the last to the first, the pitch
envelope, the common parameters and a name of ten characters.
"""

from __future__ import annotations

from render.dexed.table import COARSE, DETUNE, MOST, OCTAVES, OPERATORS, SEMITONES, TABLE
from render.errors import PresetError
from render.instruments.patch import Patch

VOICE_BYTES, PACKED_BYTES, NAME_BYTES = 155, 128, 10
_OPERATOR_BYTES, _PACKED_OPERATOR_BYTES = 21, 17
_PITCH, _COMMON, _NAME = 126, 134, 145
_MIDDLE_TRANSPOSE, _HIGHEST_TRANSPOSE = 24, 48

_VALUES = ("rate1", "rate2", "rate3", "rate4", "level1", "level2", "level3", "level4", "breakpoint", "left_depth",
           "right_depth")  # fmt: skip
_CHOICES = ("left_curve", "right_curve", "rate_scaling", "lfo", "velocity")
_LFO_VALUES = ("lfo_speed", "lfo_delay", "lfo_pitch_depth", "lfo_amp_depth")
_LFO_CHOICES = ("lfo_sync", "lfo_wave", "lfo_pitch")


def voice_of(patch: Patch, name: str = "") -> bytes:
    """The 155 bytes of a voice; the output level is not part of it."""
    voice = bytearray()
    for k in reversed(OPERATORS):
        op = f"op{k}_"
        voice += bytes(_value(patch, op + part) for part in _VALUES)
        voice += bytes(patch.index(op + part) for part in _CHOICES)
        voice += bytes((_value(patch, op + "level"), patch.index(op + "mode"), patch.index(op + "coarse")))
        voice += bytes((_value(patch, op + "fine"), patch.index(op + "detune")))
    voice += bytes(_value(patch, f"pitch_{part}{n}") for part in ("rate", "level") for n in range(1, 5))
    voice += bytes(patch.index(part) for part in ("algorithm", "feedback", "key_sync"))
    voice += bytes(_value(patch, part) for part in _LFO_VALUES)
    voice += bytes(patch.index(part) for part in _LFO_CHOICES)
    transpose = _MIDDLE_TRANSPOSE + int(patch.choice("octave")) + int(patch.choice("semitone"))
    voice.append(min(max(transpose, 0), _HIGHEST_TRANSPOSE))
    return bytes(voice) + name[:NAME_BYTES].ljust(NAME_BYTES).encode("ascii", "replace")


def patch_of(voice: bytes) -> tuple[Patch, str]:
    """The patch of a voice of 155 bytes, at the default output level, and its name.

    Raises:
        PresetError: if a parameter is beyond its range.
    """
    knobs: dict[str, float] = {}

    def value(name: str, byte: int) -> None:
        if byte > MOST:
            raise PresetError(f"{name} is {byte}; allowed: 0 to {MOST}")
        knobs[name] = byte / MOST

    def choice(name: str, byte: int) -> None:
        row = TABLE.parameter(name)
        if byte >= len(row.choices):
            raise PresetError(f"{name} is {byte}; allowed: 0 to {len(row.choices) - 1}")
        knobs[name] = row.choice_knobs[byte]

    for place, k in enumerate(reversed(OPERATORS)):
        part = voice[place * _OPERATOR_BYTES :][:_OPERATOR_BYTES]
        for name, byte in zip(_VALUES, part, strict=False):
            value(f"op{k}_{name}", byte)
        for name, byte in zip(_CHOICES, part[len(_VALUES) :], strict=False):
            choice(f"op{k}_{name}", byte)
        level, mode, coarse, fine, detune = part[len(_VALUES) + len(_CHOICES) :]
        value(f"op{k}_level", level)
        value(f"op{k}_fine", fine)
        for name, byte in (("mode", mode), ("coarse", coarse), ("detune", detune)):
            choice(f"op{k}_{name}", byte)
    for n in range(4):
        value(f"pitch_rate{n + 1}", voice[_PITCH + n])
        value(f"pitch_level{n + 1}", voice[_PITCH + 4 + n])
    common = voice[_COMMON:_NAME]
    for name, byte in zip(("algorithm", "feedback", "key_sync"), common, strict=False):
        choice(name, byte)
    for name, byte in zip(_LFO_VALUES, common[3:], strict=False):
        value(name, byte)
    for name, byte in zip(_LFO_CHOICES, common[7:], strict=False):
        choice(name, byte)
    if common[10] > _HIGHEST_TRANSPOSE:
        raise PresetError(f"transpose is {common[10]}; allowed: 0 to {_HIGHEST_TRANSPOSE}")
    semitones = common[10] - _MIDDLE_TRANSPOSE
    octave = min(max(round(semitones / 12.0), -2), 2)
    choice("octave", octave + len(OCTAVES) // 2)
    choice("semitone", min(max(semitones - 12 * octave + 6, 0), len(SEMITONES) - 1))
    return TABLE.patch(knobs), bytes(b & 0x7F for b in voice[_NAME:][:NAME_BYTES]).decode("ascii").strip("\0 ")


def packed(voice: bytes) -> bytes:
    """The 128 bytes of a voice in a cartridge."""
    found = bytearray()
    for place in range(len(OPERATORS)):
        part = voice[place * _OPERATOR_BYTES :][:_OPERATOR_BYTES]
        left, right, scaling, lfo, velocity, level, mode, coarse, fine, detune = part[len(_VALUES) :]
        found += part[: len(_VALUES)]
        found += bytes((left | right << 2, scaling | detune << 3, lfo | velocity << 2, level, mode | coarse << 1, fine))
    common = voice[_COMMON:_NAME]
    found += voice[_PITCH:_COMMON]
    found += bytes((common[0], common[1] | common[2] << 3, *common[3:7]))
    found += bytes((common[7] | common[8] << 1 | common[9] << 4, common[10]))
    return bytes(found) + voice[_NAME:][:NAME_BYTES]


def unpacked(voice: bytes) -> bytes:
    """The 155 bytes of a cartridge's voice of 128 bytes; bits without a meaning are ignored."""
    found = bytearray()
    for place in range(len(OPERATORS)):
        part = bytes(b & 0x7F for b in voice[place * _PACKED_OPERATOR_BYTES :][:_PACKED_OPERATOR_BYTES])
        curves, detuned, sensitivity, level, frequency, fine = part[len(_VALUES) :]
        found += part[: len(_VALUES)]
        found += bytes((curves & 3, curves >> 2 & 3, detuned & 7, sensitivity & 3, sensitivity >> 2 & 7))
        found += bytes((level, frequency & 1, frequency >> 1 & 31, fine, min(detuned >> 3, len(DETUNE) - 1)))
    rest = bytes(b & 0x7F for b in voice[len(OPERATORS) * _PACKED_OPERATOR_BYTES :])
    found += rest[:8]
    found += bytes((rest[8] & 31, rest[9] & 7, rest[9] >> 3 & 1, *rest[10:14]))
    found += bytes((rest[14] & 1, min(rest[14] >> 1 & 7, 5), rest[14] >> 4 & 7, rest[15]))
    return bytes(found) + rest[16 : 16 + NAME_BYTES]


def _value(patch: Patch, name: str) -> int:
    return round(MOST * patch[name])


assert len(COARSE) == 32  # five bits in both formats
