"""Standard MIDI files of a note or a chord."""

from __future__ import annotations

import struct

from render.note import Note

_TICKS_PER_BEAT = 960
_BEATS_PER_SECOND = 2.0
"""120 beats per minute, at which the renders run and which a file without a tempo has."""


def midi_file(note: Note, program: int | None = None) -> bytes:
    """The content of a ``.mid`` file that plays a note, or a chord, as it was rendered.

    The note begins at the start of the file; the track ends where the render ends.

        >>> midi_file(Note(60, velocity=100, gate_seconds=1.0, seconds=2.0))[:4]
        b'MThd'

    Args:
        note: keys, velocity, length of the key press, and length of the track.
        program: number of the sound, from 0, that is chosen before the note; none if missing.
    """
    gate = max(1, round(note.gate_seconds * _BEATS_PER_SECOND * _TICKS_PER_BEAT))
    end = max(gate, round(note.seconds * _BEATS_PER_SECOND * _TICKS_PER_BEAT))
    tempo = round(1e6 / _BEATS_PER_SECOND)
    track = b"\0\xff\x51\x03" + tempo.to_bytes(3, "big")
    if program is not None:
        track += bytes((0, 0xC0, program))
    track += b"".join(bytes((0, 0x90, key, note.velocity)) for key in note.keys)
    track += b"".join(_variable_length(gate if key == note.number else 0) + bytes((0x80, key, 0)) for key in note.keys)
    track += _variable_length(end - gate) + b"\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, _TICKS_PER_BEAT)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + track


def _variable_length(value: int) -> bytes:
    """A number of ticks as MIDI files write it: seven bits a byte, the highest first."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))
