"""What brings the patch close to the clip: each part, each knob, and the steps from a preset that the user knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TypeVar

from nicegui import ui
from nicegui.events import UploadEventArguments

from inference.match import KNOB_MOVE
from inference.output.explained import distances_table, lesson_table
from inference.studio.page.desk import Desk
from inference.studio.page.frame import MOST_PRESET_BYTES, section
from inference.studio.page.panel import section_title
from render.errors import HostError, ReconstructError

_SHOWN_KNOBS = 12

_Found = TypeVar("_Found")


@dataclass
class ExplainView:
    """The explanation's part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def build(self) -> None:
        """Put it on the page."""
        with section("Explain", hint="what brings the patch on the panel close to the clip"):
            with ui.row().classes("tools"):
                self._go = ui.button("Parts and knobs", icon="insights", on_click=self._explain)
                self._go.props("dense unelevated")
                upload = ui.upload(
                    label="From a preset", auto_upload=True, max_files=1, max_file_size=MOST_PRESET_BYTES,
                    on_upload=self._teach,
                ).props("flat dense")  # fmt: skip
                upload.classes("small").tooltip("a preset or bank that you know: the steps from there to this patch")
                self._upload = upload
            self._tables = ui.html("", sanitize=False).classes("explained")
            self._steps = ui.html("", sanitize=False).classes("explained")

    async def _explain(self) -> None:
        desk = self.desk
        patch, note, label = desk.patch, desk.note, desk.label
        found = await self._done(lambda: desk.studio.explain(desk.live, patch, note))
        if found is None:
            return
        parts = {section_title(name): mss for name, mss in found.parts.items()}
        knobs = {patch.table.parameter(name).label: found.knobs[name] for name in list(found.knobs)[:_SHOWN_KNOBS]}
        self._tables.set_content(
            f"<p>{escape(label)}, {found.mss:.2f} dB from the clip.</p>"
            f"{distances_table(('switched off', 'MSS'), found.mss, parts)}"
            f"{distances_table((f'knob moved by {KNOB_MOVE}', 'MSS'), found.mss, knobs)}"
        )

    async def _teach(self, event: UploadEventArguments) -> None:
        self._upload.reset()
        desk, name = self.desk, Path(event.file.name).name
        patch, note, label = desk.patch, desk.note, desk.label
        try:
            bank = desk.programs_of(name, await event.file.read())
        except ReconstructError as error:
            desk.tell(str(error), "warning")
            return
        lesson = await self._done(lambda: desk.studio.teach(desk.live, bank, patch, note))
        if lesson is None:
            return
        of = f", the closest of {len(bank)}" if len(bank) > 1 else ""
        self._steps.set_content(
            f"<p>From {escape(lesson.preset)}{of}, to {escape(label)}; what brings most comes first.</p>"
            f"{lesson_table(patch.table, lesson.as_data())}"
        )

    async def _done(self, work: Callable[[], Awaitable[_Found | None]]) -> _Found | None:
        """What the workers find, one job after the other; None, after it was said why, if they find nothing."""
        desk = self.desk
        if desk.live.analysis is None:
            desk.tell("there is no clip to compare with", "warning")
            return None
        try:
            async with self._one_at_a_time:
                self._go.props("loading")
                found = await work()
        except HostError as error:
            desk.tell(str(error), "negative")
            return None
        finally:
            self._go.props(remove="loading")
        if found is None:
            desk.tell("none of these presets can be played", "warning")
        return found
