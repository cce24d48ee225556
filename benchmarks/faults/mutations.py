"""Damaged and hostile files: audio of every format that libsndfile writes, and presets of every version."""

from __future__ import annotations

import functools
import io
import random
import struct

import numpy as np
import soundfile

from render.instruments.containers import fxbank, juce_state, vstpreset
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.presets import to_xml
from render.noisemaker.table import TABLE

_RATES = (8000, 22050, 44100, 48000, 96000)
_INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_NUMBERS = ("nan", "inf", "-inf", "1e400", "-0", "0x1p3", "1_0", "1e-400", "", " 1 ", "true", "2", "-1e-9", "9" * 5000)
_SECONDS = 0.4


def mutated(data: bytes, choose: random.Random, other: bytes = b"") -> bytes:
    """Damage a file: flipped bits, cuts, insertions, repeats, holes, hostile lengths, and pieces of another file.

    Args:
        data: the whole file.
        choose: source of all choices.
        other: another file, whose end may take the place of this one's.
    """
    changed = bytearray(data)
    for _ in range(choose.choice((1, 1, 1, 2, 3))):
        size = len(changed)
        if size < 8:
            break
        place = choose.randrange(choose.choice((min(size, 64), min(size, 512), size)))
        length = choose.randrange(1, choose.choice((8, 600, max(size // 2, 2))))
        match choose.randrange(9):
            case 0:
                for position in [choose.randrange(size) for _ in range(choose.randrange(1, 60))]:
                    changed[position] ^= 1 << choose.randrange(8)
            case 1:
                del changed[place:]
            case 2:
                width = choose.choice((1, 2, 4, 8))
                value = choose.choice(_INTEGERS) % (1 << 8 * width)
                order = choose.choice(("big", "little"))
                changed[place : place + width] = value.to_bytes(width, order)  # type: ignore[arg-type]
            case 3:
                changed[place:place] = choose.randbytes(length)
            case 4:
                for position in [choose.randrange(min(size, 100)) for _ in range(choose.randrange(1, 8))]:
                    changed[position] = choose.randrange(256)
            case 5:
                changed[place : place + length] = bytes(len(changed[place : place + length]))
            case 6:
                changed[place:place] = changed[place : place + length]
            case 7:
                del changed[place : place + length]
            case 8:
                changed[place:] = other[place:]
    return bytes(changed)


def damaged_audio(seed: int, number: int) -> tuple[str, bytes]:
    """A damaged audio file: its format, which is a suffix, and its content."""
    choose = random.Random(f"audio {seed} {number}")
    kinds = audio_kinds()
    kind, rate, channels = choose.choice(kinds), choose.choice(_RATES), choose.choice((1, 1, 2, 3))
    whole = _encoded(*kind, rate, channels) or _encoded("WAV", "PCM_16", 44100, 1) or b""
    other = _encoded(*choose.choice(kinds), 44100, 1) or b""
    return kind[0].lower(), mutated(whole, choose, other)


@functools.cache
def audio_kinds() -> tuple[tuple[str, str], ...]:
    """Every format and coding that libsndfile writes."""
    kinds = [
        (name, coding)
        for name in sorted(soundfile.available_formats().keys() - {"RAW", "SD2"})
        for coding in sorted(soundfile.available_subtypes(name))
    ]
    return tuple(kind for kind in kinds if _encoded(*kind, 44100, 1) is not None)


@functools.cache
def _encoded(name: str, coding: str, rate: int, channels: int) -> bytes | None:
    """A decaying tone in a format; None where libsndfile does not write it."""
    seconds = np.arange(round(_SECONDS * rate)) / rate
    tone = 0.4 * np.sign(np.sin(2.0 * np.pi * 220.0 * seconds)) * np.exp(-4.0 * seconds)
    stream = io.BytesIO()
    try:
        soundfile.write(stream, np.repeat(tone[:, None], channels, axis=1), rate, format=name, subtype=coding)
    except (soundfile.SoundFileError, TypeError, ValueError):
        return None
    return stream.getvalue()


def damaged_preset(seed: int, number: int) -> bytes:
    """A damaged or hostile preset file."""
    choose = random.Random(f"preset {seed} {number}")
    text = to_xml([_program(choose) for _ in range(choose.choice((1, 1, 1, 3)))])
    text = text.replace(b'version="1.7"', f'version="{choose.choice(("1.0", "1.3", "1.6", "1.7"))}"'.encode())
    kind = choose.randrange(10)
    if kind == 0:
        return _bomb(text, choose)
    if kind <= 3:
        for _ in range(choose.randrange(1, 4)):
            name, value = choose.choice(TABLE.names).encode(), choose.choice(_NUMBERS).encode()
            start = text.find(b" " + name + b'="')
            end = text.find(b'"', start + len(name) + 3)
            if 0 <= start < end:
                text = text[: start + len(name) + 3] + value + text[end:]
        return text
    header = b"CcnK" + bytes(4) + b"FBCh" + bytes(144)
    state = juce_state(text)
    wrapped = choose.choice((text, text, state, vstpreset(state, "0123456789ABCDEF" * 2), fxbank(state, header)))
    return mutated(wrapped, choose, struct.pack("<I", 7) * 2000)


def _program(choose: random.Random) -> Program:
    points = tuple(EnvelopePoint(*(choose.random() for _ in range(6))) for _ in range(choose.choice((0, 2, 5))))
    return Program("a patch", Patch(TABLE, tuple(choose.random() for _ in TABLE.names), points))


def _bomb(text: bytes, choose: random.Random) -> bytes:
    """XML that costs more than it weighs."""
    body = text.partition(b"\n")[2]
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (k, b"&l%d;" % (k - 1) * 10) for k in range(1, 12))
    depth = choose.choice((100, 10_000, 200_000))
    return choose.choice(
        (
            b'<!DOCTYPE a [<!ENTITY l0 "ha">' + laughs + b"]><tal>&l11;</tal>",
            b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 100_000 + b'">]><tal version="' + b"&x;" * 1000 + b'"/>',
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><tal version="1.7">&x;</tal>',
            b'<!DOCTYPE tal SYSTEM "http://localhost:1/a.dtd">' + body,
            b"<tal version='1.7'>" + b"<a>" * depth + b"</a>" * depth + b"</tal>",
            b"<tal version='1.7'>" + b"<a>" * depth,
            body.replace(b"programname=", b'x="' + b"y" * 2_000_000 + b'" programname='),
            body.replace(b"<program ", b"<program " + b" ".join(b'a%d="1"' % k for k in range(20_000)) + b" "),
            body.replace(b"</splinePoints>", b"<splinePoint/>" * 50_000 + b"</splinePoints>"),
            body.decode().encode("utf-16"),
            b'<?xml version="1.0" encoding="utf-7"?>' + body,
            b'<?xml version="1.0" encoding="no such encoding"?>' + body,
            b'<?xml version="1.0" encoding="rot13"?>' + body,
            b"\xef\xbb\xbf" + body,
            b"\0" * 1000 + body,
            body * 2,
        )
    )
