"""Vary and cross: a grid of new sounds from the patch on the panel, or from it and another one."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from nicegui import ui
from nicegui.events import UploadEventArguments

from inference.after.vary import STRENGTH, Variety, section_names
from inference.studio.jobs import Offspring
from inference.studio.page.desk import Desk
from inference.studio.page.frame import MOST_PRESET_BYTES, section
from inference.studio.page.panel import section_title
from render.errors import HostError, ReconstructError
from render.instruments.instrument import Program
from render.instruments.patch import Patch

_COUNT = 12
_NOBODY = "nothing"


@dataclass
class VaryView:
    """The variations' part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk
    _children: tuple[Offspring, ...] = ()
    _presets: dict[str, Patch] = field(default_factory=dict)
    _busy: bool = False

    def build(self) -> None:
        """Put it on the page."""
        names = list(section_names(self.desk.studio.instrument))
        with section("Vary and cross", hint="new sounds from the patch on the panel"):
            with ui.row().classes("tools"):
                self._go = ui.button("Twelve variations", icon="casino", on_click=self._vary).props("dense unelevated")
                ui.label("Strength")
                self._strength = ui.slider(min=0.05, max=1.0, step=0.05, value=STRENGTH).props("label dense")
                self._strength.classes("velocity").props["aria-label"] = "strength of the mutations"
                self._other = ui.select([_NOBODY], value=_NOBODY, label="Cross with").props("dense outlined")
                self._other.classes("grow").on("popup-show", self._fill, args=[])
                upload = ui.upload(
                    label="or a preset", auto_upload=True, max_files=1, max_file_size=MOST_PRESET_BYTES,
                    on_upload=self._add,
                ).props("flat dense")  # fmt: skip
                upload.classes("small")
            self._kept = ui.select(
                {name: section_title(name) for name in names}, value=[], multiple=True, label="Sections to keep"
            ).props("dense outlined use-chips")
            self._message = ui.label().classes("hint")
            self._grid = ui.element("div").classes("grid")
            self._list = ui.element("div").classes("kept")
        self._fill()
        self._show_kept()

    def _others(self) -> dict[str, Patch]:
        live = self.desk.live
        found = {f"candidate {k}": candidate.patch for k, candidate in enumerate(live.candidates, start=1)}
        found |= {f"program {k}: {program.name}": program.patch for k, program in enumerate(live.programs, start=1)}
        return found | self._presets

    def _fill(self) -> None:
        self._other.set_options([_NOBODY, *self._others()], value=self._other.value)

    async def _add(self, event: UploadEventArguments) -> None:
        name = Path(event.file.name).name
        try:
            programs = self.desk.programs_of(name, await event.file.read())
        except ReconstructError as error:
            self.desk.tell(str(error), "warning")
            return
        self._presets |= {f"{name}: {program.name}": program.patch for program in programs}
        self._fill()
        self._other.set_value(next(reversed(self._presets)))

    async def _vary(self, parent: Patch | None = None) -> None:
        if self._busy:
            return
        parent = parent if isinstance(parent, Patch) else self.desk.patch
        other = self._others().get(self._other.value)
        variety = Variety(_COUNT, float(self._strength.value), frozenset(self._kept.value), random.randrange(1 << 31))
        self._busy = True
        self._go.props("loading")
        try:
            self._children = await self.desk.studio.vary(parent, other, self.desk.note, variety)
        except HostError as error:
            self.desk.tell(str(error), "negative")
            return
        finally:
            self._busy = False
            self._go.props(remove="loading")
        short = len(self._children) < _COUNT
        self._message.set_text(f"only {len(self._children)} could be heard without clipping" if short else "")
        self._grid.clear()
        with self._grid:
            for number, child in enumerate(self._children, start=1):
                self._card(number, child)

    def _card(self, number: int, child: Offspring) -> None:
        with ui.element("article").classes("card") as box:
            box.props["aria-label"] = f"variation {number}"
            image = ui.image(self.desk.studio.store.address(child.sound.picture, "png")).classes("spectrum")
            image.props('no-spinner fit=fill alt=""')
            with ui.row().classes("tools"):
                for icon, label, action in (
                    ("play_arrow", "play", self._play),
                    ("tune", "put on the panel", self._load),
                    ("bookmark_add", "keep", self._keep),
                    ("casino", "vary again", self._again),
                ):
                    button = ui.button(icon=icon, on_click=lambda action=action: action(number, child))
                    button.props("dense unelevated round" if icon == "play_arrow" else "dense flat round")
                    button.props["aria-label"] = f"{label}: variation {number}"
                    button.tooltip(label)

    def _play(self, number: int, child: Offspring) -> None:
        self.desk.run("studio.play", self.desk.studio.store.address(child.sound.wav, "wav"))

    def _load(self, number: int, child: Offspring) -> None:
        self.desk.load(child.patch, self.desk.note, f"Variation {number}")

    async def _again(self, number: int, child: Offspring) -> None:
        await self._vary(child.patch)

    def _keep(self, number: int, child: Offspring) -> None:
        instrument, files = self.desk.studio.instrument, self.desk.live.files
        taken = {path.stem for path in files.kept.glob("*")}
        name = next(n for k in range(1, 10_000) if (n := f"{files.title} {k}") not in taken)
        try:
            path = files.kept / f"{name}{instrument.presets.SUFFIX}"
            instrument.presets.write_program(path, Program(name, child.patch))
        except ReconstructError as error:
            self.desk.tell(str(error), "negative")
            return
        self._show_kept()

    def _show_kept(self) -> None:
        instrument, files = self.desk.studio.instrument, self.desk.live.files
        self._list.clear()
        paths = sorted(files.kept.glob(f"*{instrument.presets.SUFFIX}"), key=lambda path: path.stat().st_mtime)
        with self._list:
            if paths:
                ui.label("Kept:").classes("hint")
            for path in paths:
                ui.button(path.stem, icon="bookmark", on_click=lambda path=path: self._open(path)).props(
                    "dense outline no-caps size=sm"
                ).tooltip("put on the panel")

    def _open(self, path: Path) -> None:
        try:
            program = self.desk.studio.instrument.presets.read_programs(path)[0]
        except ReconstructError as error:
            self.desk.tell(str(error), "warning")
            return
        self.desk.load(program.patch, self.desk.note, program.name)
