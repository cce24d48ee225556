"""The interface of every host: something that plays patches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

from render.audio import Audio
from render.instruments.patch import Patch
from render.note import Note


@dataclass(frozen=True, slots=True)
class HostInfo:
    """Identity of a host, as result files record it.

    Attributes:
        kind: ``embedded``, ``plugin`` or ``fake``.
        name: name of the instrument.
        version: version of the instrument, as far as it is known.
        path: file of the plug-in, if it is one.
        class_id: class id of a VST3, which its preset files contain.
    """

    kind: str
    name: str
    version: str
    path: str | None = None
    class_id: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Plain form for JSON."""
        return asdict(self)


class Host(Protocol):
    """Something that plays patches. An implementation needs ``info``, ``render`` and ``close`` only."""

    @property
    def info(self) -> HostInfo:
        """Identity of this host."""
        ...

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        """Play one note, or a chord where the instrument's hosts can (``Instrument.chords``).

        Args:
            patch: patch to play.
            note: key press, and length of the render.
            seed: seed of the instrument's random generators; a clean render is the same for the same seed.
            clean: whether the render must be free of traces of earlier ones; a host may be faster if it need not be.

        Returns:
            Audio of shape ``(2, note.n_samples)``, the key press at sample 0.

        Raises:
            HostError: if the host fails.
        """
        ...

    def close(self) -> None:
        """Release the host's resources; closing twice is allowed."""
        ...


@runtime_checkable
class Compiling(Protocol):
    """A host that compiles its parts when they are first heard, and keeps them on disk for other processes."""

    def not_compiled(self) -> tuple[str, ...]:
        """Names of the parts that must still be compiled; none where they cannot be kept."""
        ...

    def compile(self, part: str) -> None:
        """Compile a part and keep it; raises ``HostError``."""
        ...


EMBEDDED = "embedded"
"""Names an instrument's embedded host wherever the path of a plug-in is accepted."""
