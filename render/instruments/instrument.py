"""An instrument as a value: everything that the product needs to know about a synthesizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from render.audio import Audio
from render.instruments.hints import Hints
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.instruments.table import Table
from render.note import Note


@dataclass(frozen=True, slots=True)
class Program:
    """A patch with its name, as in a preset file."""

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
        """The host to open if the user asks for ``where``, or for none; and notices about unusable plug-ins."""
        ...

    def open_host(self, where: str = ...) -> Host:
        """Open a host in this process; raises ``HostError``. It must be a function that can be pickled."""
        ...


class ExtraCodes(Protocol):
    """A patch's ``extra`` as codes in 0..1, for an optimiser."""

    @property
    def count(self) -> int:
        """Number of codes."""
        ...

    def encode(self, patch: Patch) -> Sequence[float]:
        """The codes of a patch."""
        ...

    def decode(self, patch: Patch, codes: Sequence[float]) -> Patch:
        """The patch with the ``extra`` that the codes stand for."""
        ...


class ExtraState(Protocol):
    """State of an instrument's patches beside the knobs (``Patch.extra``)."""

    @property
    def KNOB(self) -> str:  # noqa: N802
        """Name of the knob that must be above 0 for the state to be audible."""
        ...

    def as_data(self, patch: Patch) -> Any:
        """Its JSON form."""
        ...

    def from_data(self, data: Any) -> tuple[Any, ...]:
        """``Patch.extra`` from its JSON form; raises ``FormatError``."""
        ...

    def codes(self, base: Patch, free: frozenset[str], *, discrete: bool) -> ExtraCodes | None:
        """Codes around a base patch, or None if the state must not change or is inaudible.

        Args:
            base: the patch around which to search.
            free: names of the parameters that may be changed.
            discrete: whether discrete changes are allowed too.
        """
        ...


ClosestOf = Callable[[Sequence[Patch]], tuple[NDArray[np.float64], float]]
"""For every frame while the key is held the place of the patch that sounds most like the clip, with fractions,
``(frames,)``; and the seconds between two frames."""

LeftBy = Callable[[Patch], Hints]
"""Rates, brightness, loudness and sweeps of what a patch leaves of a clip."""

Curves = Mapping[str, tuple[Sequence[float], float]]
"""By section of the panel: heights at even distances, -1 to 1 or 0 to 1, and the seconds that they span."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A distribution over patches and notes.

    Attributes:
        draw: pure function from the seed of a set, an index and an attempt to a patch and a note.
        hash: returns a text that identifies the distribution.
    """

    draw: Callable[[int, int, int], tuple[Patch, Note]]
    hash: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Bank:
    """A file of several programs, which is written beside the presets if several matches are wanted.

    Attributes:
        suffix: ending of the file name, with its dot.
        write: writes the programs to a file; raises ``FileError``.
    """

    suffix: str
    write: Callable[[Path, Sequence[Program]], None]


@dataclass(frozen=True)
class Instrument:
    """A synthesizer that clips can be matched with.

    ``tests/toy.py`` defines a complete one of six parameters.

    Example:
        >>> from render.note import Note
        >>> from render.synths import synth
        >>> noisemaker = synth("noisemaker")
        >>> patch = noisemaker.table.patch({"cutoff": 0.5})
        >>> host = noisemaker.hosts.open_host("embedded")
        >>> host.render(patch, Note(60, seconds=0.5)).shape
        (2, 22050)
        >>> host.close()

    Attributes:
        name: name on the command line and in files.
        table: parameter table.
        presets: reads and writes its preset files.
        hosts: opens its hosts.
        chords: whether its hosts play several keys at once.
        extra: state of its patches beside the knobs, if any.
        moves: changes that switch parts of the panel on, to a clearly audible value, or off: knobs by name.
        plain: reductions of a patch, played with a note, to a plain voice, each with the name of its kind.
        extras: parameters whose default means that a part of the synth is not used.
        structure: proposes changed patches that combine several decisions, each with the name of its kind, from a
            patch, its note and values estimated from the clip.
        explained: patches that may sound like one, played with a note, but have fewer or other modulators, each with
            the name of its kind.
        from_hints: makes plain patches from the hints alone, each with the name of its kind.
        followed: changed patches in which a part follows what the rest leaves of the clip, each with the name of its
            kind, from a patch, its note, the hints and a function that returns those of what a patch leaves.
        templated: changed patches with a modulation that the clip has, each with the name of its kind, from a patch
            and a function that compares the clip with others.
        pitches: function from a patch and a key to the MIDI note numbers at which it sounds, and each one's share of
            the power; None if unknown.
        transposed: function from a patch and a number of semitones to a patch that sounds higher by those on the same
            key, or None if that is out of reach; by the octaves of ``Role.TRANSPOSE`` alone where missing.
        plugin_state: writes the plug-in's own state for a program; None if there are no presets in plug-in formats.
        class_ids: class ids of the known VST3 builds, the likeliest first.
        vst2_id: the plug-in's VST2 id, four bytes; empty if there is none.
        preset_folders: returns the folders in which the synth may keep its user's presets, the likeliest first.
        curves: returns what a patch's envelopes and LFOs look like, see ``Curves``.
        prior: distribution of patches for the library and for training.
        library: file of the library that comes with the project.
        library_draws: by MIDI note number, how many draws of the prior are rendered at that note for the library.
        bank: writes several matches to one file; None if there is no such file.
        starts: function from a clip, with the key press at sample 0, and its note to patches that are made from the
            clip itself; None if there are none.
        settle: removes what differs from note to note, such as random phases, from a patch, so that a search does not
            fit noise; None if there is nothing of this kind.
        auditions: a patch that uses most parts of the panel, and one whose traces in a later render would be easy to
            detect; the default patch where missing.
        parts: parts of the panel, and whether a patch uses them, for the description of a data set.
        installed: lists the installed plug-ins of the synth; None if it is not a plug-in.
    """

    name: str
    table: Table
    presets: PresetFiles
    hosts: Hosts
    chords: bool = False
    extra: ExtraState | None = None
    moves: tuple[Mapping[str, float], ...] = ()
    plain: Callable[[Patch, Note], Iterable[tuple[str, Patch]]] | None = None
    extras: frozenset[str] = frozenset()
    structure: Callable[[Patch, Note, Hints], Iterable[tuple[str, Patch]]] | None = None
    explained: Callable[[Patch, Note], Iterable[tuple[str, Patch]]] | None = None
    from_hints: Callable[[Note, Hints], Iterable[tuple[str, Patch]]] | None = None
    followed: Callable[[Patch, Note, Hints, LeftBy], Iterable[tuple[str, Patch]]] | None = None
    templated: Callable[[Patch, ClosestOf], Iterable[tuple[str, Patch]]] | None = None
    pitches: Callable[[Patch, int], tuple[list[int], list[float]]] | None = None
    transposed: Callable[[Patch, int], Patch | None] | None = None
    plugin_state: Callable[[Program], bytes] | None = None
    class_ids: tuple[str, ...] = ()
    vst2_id: bytes = b""
    preset_folders: Callable[[], Sequence[Path]] | None = None
    curves: Callable[[Patch, Note], Curves] | None = None
    prior: Prior | None = None
    library: Path | None = None
    library_draws: Mapping[int, int] = field(default_factory=lambda: {60: 7000})
    bank: Bank | None = None
    starts: Callable[[Audio, Note], list[Patch]] | None = None
    settle: Callable[[Patch], Patch] | None = None
    auditions: tuple[Patch, Patch] | None = None
    parts: Mapping[str, Callable[[Patch], bool]] = field(default_factory=dict)
    installed: Callable[[], list[Path]] | None = None

    @property
    def title(self) -> str:
        """Name for people."""
        return self.table.title
