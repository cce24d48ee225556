"""Preset files of any plug-in.

A ``.fxp`` of a VST2 holds the values of all parameters, a ``.vstpreset`` of a VST3 the state that the plug-in gives.
"""

from __future__ import annotations

import functools
import struct
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from render.errors import HostError, PresetError
from render.files import read_start, write_bytes
from render.generic.description import Description, read_description, table_of
from render.hosts.plugin_files import plugin_format
from render.hosts.pool import Pool
from render.instruments.containers import vst3_component, vstpreset
from render.instruments.instrument import Program
from render.instruments.patch import Patch

_PARAMETERS_HEAD = ">4si4siiii28s"
"""A VST2 program of parameters: magic, size of the rest, kind, format version, id, version, count and name."""
_NAME_BYTES = 28
_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class PluginPresets:
    """Reads and writes the presets of a described plug-in.

    Attributes:
        path: file of the description.
    """

    path: Path

    @property
    def description(self) -> Description:
        """The description of the plug-in."""
        return read_description(self.path)

    @property
    def SUFFIX(self) -> str:  # noqa: N802
        """Ending of the file name, with its dot."""
        return ".vstpreset" if plugin_format(Path(self.description.plugin)) == "VST3" else ".fxp"

    def read_programs(self, path: Path | str) -> list[Program]:
        """The program of a preset file; raises ``FileError``, ``PresetError`` or ``HostError``."""
        path = Path(path)
        description, table = self.description, table_of(self.path)
        content = read_start(path, _MAX_BYTES + 1)
        _check(content, description, path.name)
        if content[8:12] == b"FxCk":
            values = _parameters(content, path.name)
        else:
            try:
                values = _plugin_of(description.plugin).submit(_Load(content, self.SUFFIX)).result()
            except HostError as error:
                raise PresetError(f"{path.name}: {error}") from error
        knobs = {p.name: min(max(values[p.index], 0.0), 1.0) for p in description.rows() if p.index < len(values)}
        return [Program(path.stem, table.patch(knobs))]

    def write_program(self, path: Path | str, program: Program) -> None:
        """Write one program; raises ``FileError``, or ``HostError`` if the plug-in does not give its state."""
        description = self.description
        values = _values(description, program.patch)
        if self.SUFFIX == ".fxp":
            write_bytes(Path(path), _program_file(description, values, program.name))
            return
        state, class_id = _plugin_of(description.plugin).submit(_Save(values)).result()
        write_bytes(Path(path), vstpreset(vst3_component(state), class_id))


def _values(description: Description, patch: Patch) -> dict[int, float]:
    """Value of every parameter by number: the rows from the patch, the others at their defaults."""
    rows = {parameter.name for parameter in description.rows()}
    return {p.index: patch[p.name] if p.name in rows else p.default for p in description.parameters}


def _program_file(description: Description, values: Mapping[int, float], name: str) -> bytes:
    known = description.program
    if not known:
        raise HostError(f"{description.title} has no id for preset files; allowed: a VST2 or a VST3")
    count = max(values) + 1
    numbers = struct.pack(f">{count}f", *(values.get(k, 0.0) for k in range(count)))
    text = name.encode("ascii", "replace")[: _NAME_BYTES - 1]
    size = struct.calcsize(_PARAMETERS_HEAD) - 8 + len(numbers)
    head = (b"CcnK", size, b"FxCk", 1, _signed(known["id"]), known["version"], count, text)
    return struct.pack(_PARAMETERS_HEAD, *head) + numbers


def _parameters(content: bytes, name: str) -> list[float]:
    try:
        count = struct.unpack_from(_PARAMETERS_HEAD, content)[6]
        return list(struct.unpack_from(f">{count}f", content, struct.calcsize(_PARAMETERS_HEAD)))
    except struct.error as error:
        raise PresetError(f"{name}: a damaged VST2 program") from error


def _check(content: bytes, description: Description, name: str) -> None:
    """Refuse what is no preset of the plug-in; raises ``PresetError``."""
    if content[:4] not in (b"CcnK", b"VST3") or len(content) > _MAX_BYTES:
        raise PresetError(f"{name}: not a preset of a plug-in; allowed: .fxp, .fxb or .vstpreset")
    if content[:4] == b"CcnK" and int.from_bytes(content[16:20], "big") != description.program.get("id"):
        raise PresetError(f"{name}: a preset of another plug-in than {description.title}")


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


@dataclass(frozen=True)
class _Save:
    """Asks for the plug-in's state with some values by number; the reply is the state and the class id."""

    values: Mapping[int, float]


@dataclass(frozen=True)
class _Load:
    """Asks for the values of all parameters after a preset, the content of a file with a suffix, was loaded."""

    content: bytes
    suffix: str


@functools.cache
def _plugin_of(path: str) -> Pool[_Save | _Load, Any]:
    """A process that holds the plug-in."""
    return Pool(functools.partial(_make_worker, path), 1)


def _make_worker(path: str) -> Callable[[_Save | _Load], Any]:
    from render.hosts.dawdreamer import PluginInstance
    from render.hosts.plugin import findable
    from render.hosts.plugin_files import plugin_class

    kind = plugin_format(Path(path))
    instance = PluginInstance(findable(Path(path), kind))
    class_id = plugin_class(Path(path)).class_id if kind == "VST3" else ""

    def work(job: _Save | _Load) -> tuple[bytes, str] | list[float]:
        with tempfile.TemporaryDirectory() as folder:
            if isinstance(job, _Save):
                for index, value in job.values.items():
                    instance.set_parameter(index, value)
                instance.play([60], 1, 0.0, 0.01, 512)  # values arrive with the first block
                instance.save_state(Path(folder) / "state")
                return (Path(folder) / "state").read_bytes(), class_id
            file = Path(folder) / f"preset{job.suffix}"
            file.write_bytes(job.content)
            if not instance.load_preset(file):
                raise HostError("the plug-in refused it")
            instance.play([60], 1, 0.0, 0.01, 512)
            return [instance.parameter(index) for index in range(len(instance.parameter_names()))]

    return work
