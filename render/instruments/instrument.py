"""An instrument as a value: all that the product must know of a synthesizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from render.instruments.host import Host
from render.instruments.patch import Patch
from render.instruments.table import Table
from render.note import Note


@dataclass(frozen=True, slots=True)
class Program:
    """A patch with its name, as preset files hold it."""

    name: str
    patch: Patch


class PresetFiles(Protocol):
    """The preset files of an instrument."""

    @property
    def SUFFIX(self) -> str:  # noqa: N802
        """Ending of the file name, with its dot."""
        ...

    def read_programs(self, path: Path | str) -> list[Program]:
        """Every program of a preset file or bank, in order; raises ``FileError`` or ``PresetError``."""
        ...

    def write_program(self, path: Path | str, program: Program) -> None:
        """Write one program as a preset file that the synth opens; raises ``FileError``."""
        ...


class Hosts(Protocol):
    """The hosts that play an instrument."""

    def choose_host(self, where: str | None = None) -> tuple[str, tuple[str, ...]]:
        """Which host to open where the user asks for ``where``, or for none; and notices on what cannot be used."""
        ...

    def open_host(self, where: str = ...) -> Host:
        """Open a host in this process; raises ``HostError``. It must be a function that can be pickled."""
        ...


class ExtraCodes(Protocol):
    """A patch's ``extra`` as numbers in 0..1, for an optimiser."""

    @property
    def count(self) -> int:
        """How many numbers."""
        ...

    def encode(self, patch: Patch) -> Sequence[float]:
        """The numbers of a patch."""
        ...

    def decode(self, patch: Patch, codes: Sequence[float]) -> Patch:
        """The patch with the ``extra`` that the numbers stand for."""
        ...


class ExtraState(Protocol):
    """What an instrument's patches hold beside the knobs (``Patch.extra``)."""

    @property
    def KNOB(self) -> str:  # noqa: N802
        """Name of the knob without which it cannot be heard."""
        ...

    def as_data(self, patch: Patch) -> Any:
        """Its JSON form."""
        ...

    def from_data(self, data: Any) -> tuple[Any, ...]:
        """``Patch.extra`` of its JSON form; raises ``FormatError``."""
        ...

    def codes(self, base: Patch, free: frozenset[str], *, discrete: bool) -> ExtraCodes | None:
        """Codes around a base patch, or None where nothing of it may change or can be heard.

        Args:
            base: the patch that is searched around.
            free: names of the parameters that may be changed.
            discrete: whether its shape may change too, and not only what is continuous in it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Prior:
    """A distribution over patches and notes.

    Attributes:
        draw: patch and note of a set's seed, an index and an attempt; a pure function.
        hash: gives the text that identifies what is drawn.
    """

    draw: Callable[[int, int, int], tuple[Patch, Note]]
    hash: Callable[[], str]


@dataclass(frozen=True)
class Instrument:
    """A synthesizer that clips can be matched with.

    Attributes:
        name: how the command line and files call it.
        table: its parameters.
        presets: its preset files.
        hosts: what plays it.
        extra: what its patches hold beside the knobs, if anything.
        moves: parts of the panel switched on, to where they are clearly heard, and off: knobs by name.
        pitches: MIDI note numbers at which a patch sounds on a key, and each one's share of the power, where known.
        plugin_state: the plug-in's own state for a program, where presets of plug-in formats can be written.
        prior: where patches are drawn from to make its library and to learn from.
        library: file of the library that comes with the project.
    """

    name: str
    table: Table
    presets: PresetFiles
    hosts: Hosts
    extra: ExtraState | None = None
    moves: tuple[Mapping[str, float], ...] = ()
    pitches: Callable[[Patch, int], tuple[list[int], list[float]]] | None = None
    plugin_state: Callable[[Program], bytes] | None = None
    prior: Prior | None = None
    library: Path | None = None

    @property
    def title(self) -> str:
        """What people call it."""
        return self.table.title
