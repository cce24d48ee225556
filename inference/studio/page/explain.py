"""What brings the patch close to the clip: each part, each knob, and the steps from a preset that the user knows."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from nicegui import ui
from nicegui.events import UploadEventArguments

from inference.match import KNOB_MOVE
from inference.output.explained import distances_table, lesson_table
from inference.studio.page.desk import Desk
from inference.studio.page.frame import MOST_PRESET_BYTES, section
from inference.studio.page.panel import section_title
from render.errors import HostError, ReconstructError

_SHOWN_KNOBS = 12


@dataclass
class ExplainView:
    """The explanation's part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk
    _busy: bool = False

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
        if not self._begin():
            return
        desk = self.desk
        try:
            found = await desk.studio.explain(desk.live, desk.patch, desk.note)
        except HostError as error:
            desk.tell(str(error), "negative")
            return
        finally:
            self._end()
        table = desk.patch.table
        parts = {section_title(name): mss for name, mss in found.parts.items()}
        knobs = {table.parameter(name).label: found.knobs[name] for name in list(found.knobs)[:_SHOWN_KNOBS]}
        self._tables.set_content(
            f"<p>{escape(desk.label)}, {found.mss:.2f} dB from the clip.</p>"
            f"{distances_table(('switched off', 'MSS'), found.mss, parts)}"
            f"{distances_table((f'knob moved by {KNOB_MOVE}', 'MSS'), found.mss, knobs)}"
        )

    async def _teach(self, event: UploadEventArguments) -> None:
        self._upload.reset()
        desk, name = self.desk, Path(event.file.name).name
        try:
            bank = desk.programs_of(name, await event.file.read())
        except ReconstructError as error:
            desk.tell(str(error), "warning")
            return
        if not self._begin():
            return
        try:
            lesson = await desk.studio.teach(desk.live, bank, desk.patch, desk.note)
        except HostError as error:
            desk.tell(str(error), "negative")
            return
        finally:
            self._end()
        if lesson is None:
            desk.tell("no preset of that bank could be played", "warning")
            return
        of = f", the closest of {len(bank)}" if len(bank) > 1 else ""
        self._steps.set_content(
            f"<p>From {escape(lesson.preset)}{of}, to {escape(desk.label)}; what brings most comes first.</p>"
            f"{lesson_table(desk.patch.table, lesson.as_data())}"
        )

    def _begin(self) -> bool:
        """Whether there is something to explain, and nothing else is being explained."""
        if self.desk.live.analysis is None:
            self.desk.tell("there is no clip to compare with", "warning")
        elif not self._busy:
            self._busy = True
            self._go.props("loading")
            return True
        return False

    def _end(self) -> None:
        self._busy = False
        self._go.props(remove="loading")
