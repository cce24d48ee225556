"""What one tab works on: the patch on its panel, with the note that it is played with, and what is locked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nicegui import Client, ui

from inference.studio.live import Live
from inference.studio.studio import Studio
from render.errors import HostError
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.note import Note

LOUDEST = 1.0
"""Peak above which a sound clips."""


@dataclass
class Desk:
    """The state of a tab.

    Attributes:
        studio: what all tabs share.
        live: the session.
        client: the tab.
        patch: patch on the panel.
        note: key press that it is played with.
        loaded: the patch as it was put on the panel, before knobs were turned.
        label: where it came from.
        start: patch that differences are marked against.
        locks: names of locked parameters.
        plays: whether a turned knob is heard at once.
        listeners: called when another patch is on the panel, or a knob was turned.
    """

    studio: Studio
    live: Live
    client: Client
    patch: Patch
    note: Note
    loaded: Patch
    label: str
    start: Patch
    locks: set[str] = field(default_factory=set)
    plays: bool = True
    listeners: list[Callable[[], None]] = field(default_factory=list)
    _put: dict[tuple[int, str], str | float | None] = field(default_factory=dict)
    _waiting: tuple[Patch, Note] | None = None
    _busy: bool = False

    def load(self, patch: Patch, note: Note, label: str) -> None:
        """Put another patch on the panel."""
        self.patch = self.loaded = patch
        self.note, self.label = note, label
        self.changed()

    def turn(self, knobs: Mapping[str, float]) -> None:
        """Turn some knobs; the sound follows at once."""
        self.patch = self.patch.with_knobs(knobs)
        self.changed()

    def changed(self) -> None:
        """Tell the parts of the page."""
        for listener in list(self.listeners):
            listener()

    @property
    def edited(self) -> bool:
        """Whether knobs were turned since the patch was loaded."""
        return self.patch != self.loaded

    def locked(self) -> dict[str, float]:
        """Knobs of the locked parameters."""
        return {name: self.patch[name] for name in self.patch.table.names if name in self.locks}

    def programs_of(self, name: str, content: bytes) -> list[Program]:
        """The programs of an uploaded preset file; raises ``ReconstructError``."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"upload{Path(name).suffix[:20]}"
            path.write_bytes(content)
            return self.studio.instrument.presets.read_programs(path)

    async def hear(self, note: Note | None = None) -> None:
        """Play the patch. While a render is under way only the newest of further ones is remembered."""
        self._waiting = self.patch, note or self.note
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting is not None:
                (patch, pressed), self._waiting = self._waiting, None
                sound = await self.studio.play(patch, pressed)
                self.run("studio.play", self.studio.store.address(sound.wav, "wav"))
        except HostError as error:
            self.tell(str(error), "negative")
        finally:
            self._busy = False

    async def press(self, number: int, velocity: int) -> None:
        """Play a key beside what sounds already."""
        note = replace(self.note, number=number, velocity=velocity, chord=())
        try:
            sound = await self.studio.play(self.patch, note)
        except HostError as error:
            self.tell(str(error), "negative")
            return
        self.run("studio.play", self.studio.store.address(sound.wav, "wav"), {"chord": True})

    def run(self, function: str, *arguments: Any) -> None:
        """Call a function of ``studio.js``."""
        self.client.run_javascript(f"{function}({','.join(map(json.dumps, arguments))})")

    def put(self, element: ui.element, **properties: str | float | None) -> None:
        """Set properties of an element that change several times a second, and that nothing else sets.

        After any change of an element NiceGUI has the browser render the whole page anew, which takes it 50 to 100 ms
        with all the knobs of a panel. These properties are set by ``studio.js`` instead, if they differ from before.

        Args:
            element: element of the page.
            properties: of its node in the document, such as ``textContent``, or else attributes; None removes one.
        """
        changed = {name: value for name, value in properties.items() if self._put.get((element.id, name), "") != value}
        if changed:
            self._put.update({(element.id, name): value for name, value in changed.items()})
            self.run("studio.put", element.html_id, changed)

    def tell(self, text: str, kind: Any = "info") -> None:
        """Say something in the corner of the page."""
        with self.client:
            ui.notify(text, type=kind, multi_line=True, close_button="Close")
