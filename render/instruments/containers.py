"""The files in which plug-in hosts keep a plug-in's state, whatever the plug-in."""

from __future__ import annotations

import contextlib
import re
import struct

from render.errors import PresetError

_JUCE_MAGIC = 0x21324356
"""Begins the state of a JUCE plug-in whose state is XML."""

_CHUNK_OFFSETS = {b"FPCh": 56, b"FBCh": 156}
"""Offset of the size of the plug-in's own chunk in a VST2 program and in a bank."""


def juce_state(text: bytes) -> bytes:
    """The state of a JUCE plug-in whose state is XML: a magic number, the length, the text and a null."""
    return struct.pack("<II", _JUCE_MAGIC, len(text)) + text + b"\0"


def vstpreset(state: bytes, class_id: str) -> bytes:
    """The content of a ``.vstpreset`` file: header, the processor's state, and the list of chunks."""
    header = struct.calcsize("<4si32sq")
    content = struct.pack("<4si32sq", b"VST3", 1, class_id.encode("ascii"), header + len(state)) + state
    return content + struct.pack("<4si4sqq", b"List", 1, b"Comp", header, len(state))


def fxprogram(state: bytes, vst2_id: bytes, name: str, n_parameters: int) -> bytes:
    """The content of a VST2 program file (``.fxp``) that holds a plug-in's own state.

    Args:
        state: the plug-in's own state.
        vst2_id: the plug-in's id, four bytes.
        name: name of the program, truncated to 27 bytes of ASCII.
        n_parameters: number of the plug-in's parameters.
    """
    label = name.encode("ascii", "replace")[:27]
    after = struct.pack(">4si4sii28si", b"FPCh", 1, vst2_id, 1, n_parameters, label, len(state)) + state
    return struct.pack(">4si", b"CcnK", len(after)) + after


def fxbank(state: bytes, saved: bytes) -> bytes:
    """The content of a VST2 bank file.

    Args:
        state: the plug-in's own state.
        saved: a bank that the plug-in saved: the first 156 bytes identify it.
    """
    return saved[:156] + struct.pack(">I", len(state)) + state


_JUCE_BASE64 = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"
"""Digits of JUCE's text form of binary data: six bits each, the lowest bits first, after the length and a point."""


def vst3_component(state: bytes) -> bytes:
    """The processor's state of a VST3, from the state that JUCE's host saved: XML with an element ``IComponent``.

    Raises:
        PresetError: if there is none.
    """
    found = re.search(rb"<IComponent>(\d+)\.([^<]*)</IComponent>", unwrapped(state))
    if found is None:
        raise PresetError("the plug-in gave no state of its processor")
    size, number = int(found[1]), 0
    for place, digit in enumerate(found[2].decode("ascii")):
        number |= _JUCE_BASE64.index(digit) << (6 * place)
    return number.to_bytes(size + 2, "little")[:size]


def unwrapped(content: bytes) -> bytes:
    """The plug-in's own state in a preset file of a plug-in format; other content is returned unchanged.

    Args:
        content: a ``.vstpreset``, a VST2 ``.fxp`` or ``.fxb`` with a chunk, a JUCE state, or anything else.
    """
    with contextlib.suppress(struct.error, UnicodeDecodeError):
        if content[:4] == b"VST3":
            content = _component(content)
        elif content[:4] == b"CcnK" and content[8:12] in _CHUNK_OFFSETS:
            offset = _CHUNK_OFFSETS[content[8:12]]
            content = content[offset + 4 :][: struct.unpack_from(">I", content, offset)[0]]
        magic, length = struct.unpack_from("<II", content)
        if magic == _JUCE_MAGIC:
            return content[8 : 8 + length].rstrip(b"\0")
    return content


def _component(content: bytes) -> bytes:
    """The processor's state in a ``.vstpreset``."""
    listed = struct.unpack_from("<q", content, 40)[0]
    for k in range(min(struct.unpack_from("<i", content, listed + 4)[0], 16)):
        name, offset, size = struct.unpack_from("<4sqq", content, listed + 8 + 20 * k)
        if name == b"Comp":
            return content[offset : offset + size]
    return content
