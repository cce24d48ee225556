"""Plug-ins as files: their standard folders, formats and identity."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from render.errors import HostError
from render.files import home_folder

FORMATS = ("VST3", "VST2", "LV2")
"""In order of preference: only a VST3 or VST2 can load the envelope editor's points."""

_FORMAT_OF_SUFFIX = {".vst3": "VST3", ".vst": "VST2", ".so": "VST2", ".dll": "VST2", ".lv2": "LV2"}

_SYSTEM_ROOTS = (Path("/usr/local/lib"), Path("/usr/lib"), Path("/usr/lib64"))


@dataclass(frozen=True, slots=True)
class PluginClass:
    """Identity of a VST3 plug-in.

    Attributes:
        class_id: class id of its processor, 32 hexadecimal digits as in ``.vstpreset`` files.
        name, vendor, version: free text.
    """

    class_id: str
    name: str
    vendor: str
    version: str


def normalised(name: str) -> str:
    """A name in lower case, without the spaces and punctuation in which versions differ."""
    return "".join(character for character in name.lower() if character.isalnum())


def plugin_format(path: Path) -> str:
    """One of ``FORMATS``, by the file's suffix; raises ``HostError``."""
    try:
        return _FORMAT_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        raise HostError(
            f"{path} is not a plug-in; allowed: a path that ends in {', '.join(_FORMAT_OF_SUFFIX)}"
        ) from None


def find_plugins(file_name: re.Pattern[str]) -> list[Path]:
    """Every plug-in of a certain name in the standard plug-in folders, the preferred format first.

    Args:
        file_name: pattern for the stem of the plug-in's file, as ``normalised`` returns it.
    """
    found = []
    for folder in _standard_folders():
        if folder.is_dir():
            # Vendors may have folders of their own, one level down.
            for pattern in ("*", "*/*"):
                for path in sorted(folder.glob(pattern)):
                    known = _FORMAT_OF_SUFFIX.get(path.suffix.lower())
                    if known and file_name.match(normalised(path.stem)) and path not in found:
                        found.append(path)
    return sorted(found, key=lambda path: FORMATS.index(plugin_format(path)))


def _standard_folders() -> Iterator[Path]:
    for variable in ("VST3_PATH", "VST_PATH", "LV2_PATH"):
        yield from (Path(part) for part in os.environ.get(variable, "").split(os.pathsep) if part)
    home = home_folder()
    if sys.platform == "win32":
        programs = Path(os.environ.get("PROGRAMFILES", r"C:\Program Files"))
        yield Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "Programs" / "Common" / "VST3"
        yield from (programs / "Common Files" / name for name in ("VST3", "VST2", "LV2"))
        yield from (programs / name for name in ("VstPlugins", "Steinberg/VstPlugins"))
    elif sys.platform == "darwin":
        for root in (home, Path("/")):
            yield from (root / "Library" / "Audio" / "Plug-Ins" / name for name in ("VST3", "VST", "LV2"))
    else:
        for name in ("vst3", "vst", "lv2"):
            yield home / f".{name}"
            yield from (root / name for root in _SYSTEM_ROOTS)


def lv2_uri(bundle: Path) -> str:
    """The URI of the first plug-in of an LV2 bundle; raises ``HostError``."""
    try:
        manifest = (bundle / "manifest.ttl").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise HostError(f"{bundle} is not an LV2 bundle: {error.strerror or error}") from error
    subject = re.search(r"(?:<([^<>\s]+)>|(\w*):(\w+))\s+a\s+[^.;]*lv2:Plugin\b", manifest)
    if subject is None:
        raise HostError(f"{bundle} is not an LV2 bundle: its manifest.ttl names no plug-in")
    if subject[1]:
        return subject[1]
    prefix = re.search(rf"@prefix\s+{subject[2]}:\s*<([^<>\s]+)>", manifest)
    return (prefix[1] if prefix else "") + subject[3]


def plugin_class(path: Path) -> PluginClass:
    """Read the identity of a VST3 from its class factory.

    This loads the plug-in's code: call it only where a crash does no harm.

    Raises:
        HostError: if the file is not a VST3 with a processor.
    """
    try:
        library = ctypes.CDLL(str(_binary(path)))
        library.GetPluginFactory.restype = ctypes.c_void_p
        factory = library.GetPluginFactory()
    except (OSError, AttributeError) as error:
        raise HostError(f"{path} is not a VST3: {error}") from error
    n_classes = _call(factory, 4)
    for index in range(n_classes):
        info = _ClassInfo()
        if _call(factory, 5, index, ctypes.byref(info)) == 0 and info.category == b"Audio Module Class":
            vendor = _FactoryInfo()
            _call(factory, 3, ctypes.byref(vendor))
            raw = bytes(info.cid)
            # Windows stores the parts of an id in COM's byte order.
            class_id = uuid.UUID(bytes_le=raw).hex if sys.platform == "win32" else raw.hex()
            name, vendor_name = (text.decode(errors="replace") for text in (info.name, vendor.vendor))
            return PluginClass(class_id.upper(), name, vendor_name, _version(factory, index))
    raise HostError(f"{path} is a VST3 without a processor")


def _binary(path: Path) -> Path:
    """The shared library of a VST3: the file itself, or a file in its bundle."""
    if not path.is_dir():
        return path
    machine = platform.machine().lower()
    folder = {
        "win32": {"amd64": "x86_64-win"}.get(machine, f"{machine}-win"),
        "darwin": "MacOS",
    }.get(sys.platform, f"{machine}-linux")
    for candidate in sorted((path / "Contents" / folder).glob("*")):
        return candidate
    raise HostError(f"{path} has no binary for this machine ({folder})")


# The binary interface of a VST3's class factory, from Steinberg's public description (ipluginbase.h): a pointer to a
# table of functions, in the order queryInterface, addRef, release, getFactoryInfo, countClasses, getClassInfo,
# createInstance and, in its second version, getClassInfo2.


class _ClassInfo(ctypes.Structure):
    _fields_ = (
        ("cid", ctypes.c_ubyte * 16),
        ("cardinality", ctypes.c_int32),
        ("category", ctypes.c_char * 32),
        ("name", ctypes.c_char * 64),
        # the following fields are filled by getClassInfo2 only
        ("class_flags", ctypes.c_uint32),
        ("sub_categories", ctypes.c_char * 128),
        ("vendor", ctypes.c_char * 64),
        ("version", ctypes.c_char * 64),
        ("sdk_version", ctypes.c_char * 64),
    )


class _FactoryInfo(ctypes.Structure):
    _fields_ = (
        ("vendor", ctypes.c_char * 64),
        ("url", ctypes.c_char * 256),
        ("email", ctypes.c_char * 128),
        ("flags", ctypes.c_int32),
    )


_FACTORY_2 = uuid.UUID("0007b650-f24b-4c0b-a464-edb9f00b2abb")


def _call(instance: int, index: int, *arguments: object) -> int:
    table = ctypes.cast(instance, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
    kinds = [ctypes.c_int32 if isinstance(argument, int) else ctypes.c_void_p for argument in arguments]
    function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, *kinds)(table[index] or 0)
    return int(function(instance, *arguments))


def _version(factory: int, index: int) -> str:
    iid = (ctypes.c_ubyte * 16)(*(_FACTORY_2.bytes_le if sys.platform == "win32" else _FACTORY_2.bytes))
    second = ctypes.c_void_p()
    info = _ClassInfo()
    if _call(factory, 0, ctypes.byref(iid), ctypes.byref(second)) != 0 or not second.value:
        return ""
    return info.version.decode(errors="replace") if _call(second.value, 7, index, ctypes.byref(info)) == 0 else ""
