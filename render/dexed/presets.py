"""Voices of a DX7 as system-exclusive files (``NAME.syx``): single voices, and cartridges of 32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from render.dexed.table import TABLE
from render.dexed.voice import PACKED_BYTES, VOICE_BYTES, packed, patch_of, unpacked, voice_of
from render.errors import PresetError
from render.files import write_bytes
from render.instruments.instrument import Program
from render.instruments.preset_file import read_preset_file

SUFFIX = ".syx"
BANK_SUFFIX = ".bank.syx"
BANK_SIZE = 32

_VOICE_HEAD = bytes((0xF0, 0x43, 0x00, 0x00, 0x01, 0x1B))
_BANK_HEAD = bytes((0xF0, 0x43, 0x00, 0x09, 0x20, 0x00))
_END = 0xF7
_MAX_BYTES = 1024 * 1024


def read_programs(path: Path | str) -> list[Program]:
    """The voice of a file, or the voices of a cartridge.

    Raises:
        FileError: if the file cannot be read.
        PresetError: if it is neither a voice nor a cartridge of a DX7, or is damaged.
    """
    return read_preset_file(path, parse_programs, most_bytes=_MAX_BYTES, kind="voice of a DX7")


def parse_programs(content: bytes) -> list[Program]:
    """The voices in a file's content; raises ``PresetError``."""
    if content[:4] == _VOICE_HEAD[:3] + b"\x00":
        voices = [_body(content, VOICE_BYTES)]
    elif content[:4] == _BANK_HEAD[:3] + b"\x09":
        body = _body(content, BANK_SIZE * PACKED_BYTES)
        voices = [unpacked(body[k * PACKED_BYTES :][:PACKED_BYTES]) for k in range(BANK_SIZE)]
    elif content[:1] == b"\xf0":
        raise PresetError("a system-exclusive message, but neither a voice nor a cartridge of a DX7")
    else:
        raise PresetError("not a voice of a DX7: it does not begin as a system-exclusive message")
    programs = []
    for number, voice in enumerate(voices, start=1):
        try:
            patch, name = patch_of(voice)
        except PresetError as error:
            raise PresetError(f"voice {number}: {error}" if len(voices) > 1 else str(error)) from error
        programs.append(Program(name, patch))
    return programs


def write_program(path: Path | str, program: Program) -> None:
    """Write one voice; raises ``FileError``."""
    write_bytes(Path(path), _message(_VOICE_HEAD, voice_of(program.patch, program.name)))


def write_bank(path: Path, programs: Sequence[Program]) -> None:
    """Write a cartridge of 32 voices, the initial voice in places that are left; raises ``FileError``."""
    kept = [voice_of(program.patch, program.name) for program in programs[:BANK_SIZE]]
    kept += [voice_of(TABLE.default, "INIT VOICE")] * (BANK_SIZE - len(kept))
    write_bytes(path, _message(_BANK_HEAD, b"".join(map(packed, kept))))


def _message(head: bytes, body: bytes) -> bytes:
    return head + body + bytes((_checksum(body), _END))


def _checksum(body: bytes) -> int:
    return -sum(body) & 0x7F


def _body(content: bytes, size: int) -> bytes:
    body = content[len(_VOICE_HEAD) :][:size]
    if len(body) < size:
        raise PresetError(f"a damaged voice of a DX7: {len(content)} bytes, {size + 8} wanted")
    checksum = content[len(_VOICE_HEAD) + size : len(_VOICE_HEAD) + size + 1]
    if checksum and checksum[0] != _checksum(body):
        raise PresetError("a damaged voice of a DX7: its checksum is wrong")
    return body
