"""What every host of the synthesizer offers, whatever is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

from render.audio import Audio
from render.instruments.patch import Patch
from render.note import Note


@dataclass(frozen=True, slots=True)
class HostInfo:
    """What a result file says about where its renders came from.

    Attributes:
        kind: ``embedded``, ``plugin`` or ``fake``.
        name: name of the instrument.
        version: version of the instrument, as far as it can be known.
        path: of a plug-in.
        class_id: of a VST3, which its preset files carry.
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
    """Something that plays patches. ``render`` and ``close`` are all that an implementation writes."""

    @property
    def info(self) -> HostInfo:
        """What this host is."""
        ...

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        """Play one note.

        Args:
            patch: what to play it with.
            note: the key press and the length of the render.
            seed: of whatever the instrument draws at random; the same seed gives the same audio from a clean render.
            clean: whether nothing of earlier renders may be heard; a host may be faster without.

        Returns:
            Audio of shape ``(2, note.n_samples)``, the key press at sample 0.

        Raises:
            HostError: if the host fails.
        """
        ...

    def render_many(self, jobs: Iterable[tuple[Patch, Note]], *, seed: int = 0, clean: bool = True) -> Iterator[Audio]:
        """``render`` for each job, in order."""
        for patch, note in jobs:
            yield self.render(patch, note, seed=seed, clean=clean)

    def close(self) -> None:
        """Give back what the host holds; closing twice is allowed."""
        ...


EMBEDDED = "embedded"
"""What stands for an instrument's embedded host where a plug-in's path might stand."""
