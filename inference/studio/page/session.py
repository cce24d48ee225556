"""A session's page: the clip, the run, the candidates, the panel and all that can be done with a patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nicegui import context, ui

from inference.studio.live import Live
from inference.studio.page.cards import CardsView
from inference.studio.page.clip import ClipView
from inference.studio.page.compare import CompareView
from inference.studio.page.desk import Desk
from inference.studio.page.explain import ExplainView
from inference.studio.page.files import FilesView
from inference.studio.page.frame import frame, section
from inference.studio.page.keys import KeysView
from inference.studio.page.panel import Panel
from inference.studio.page.run import RunView
from inference.studio.page.vary import VaryView
from inference.studio.studio import Studio

_REFRESH_SECONDS = 0.05


async def session_page(studio: Studio, name: str) -> None:
    """Build the page of a session, or one that says that there is none."""
    live = studio.live(name)
    if live is None:
        with frame("No such session"), section("No such session"):
            ui.label("It may have been deleted. The list of sessions is on the first page.")
        return
    _Page(studio, live).build()


class _View(Protocol):
    def build(self) -> None: ...

    def show(self) -> None: ...


@dataclass
class _Page:
    studio: Studio
    live: Live

    def build(self) -> None:
        live = self.live
        desk = self._desk()
        views: list[_View] = []
        with frame(live.files.title):
            with ui.element("div").classes("side-left"):
                if live.programs or (live.problem and self.studio.is_preset(live.files.source)):
                    self._programs(desk)
                else:
                    views = [ClipView(desk), RunView(desk), CardsView(desk), CompareView(desk)]
                    for view in views:
                        view.build()
                    ExplainView(desk).build()
                    if live.analysis is None:
                        ui.timer(0.01, self._analyse, once=True)
                FilesView(desk).build()
            with ui.element("div").classes("side-right"):
                Panel(desk).build()
                KeysView(desk).build()
                VaryView(desk).build()

        def refresh() -> None:
            for view in views:
                view.show()

        if views:
            ui.timer(_REFRESH_SECONDS, refresh)

    def _desk(self) -> Desk:
        live, start = self.live, self.studio.instrument.table.default
        if live.candidates:
            first = live.candidates[0]
            patch, note, label = first.patch, first.note, "Candidate 1"
        elif live.programs:
            start = live.programs[0].patch
            patch, note, label = start, live.note, live.programs[0].name
        else:
            patch, note, label = start, live.note, "Default patch"
        return Desk(self.studio, live, context.client, patch, note, patch, label, start)

    def _programs(self, desk: Desk) -> None:
        with section("Preset"):
            if self.live.problem:
                ui.label(self.live.problem).classes("problem")
                return
            names = {k: program.name or f"program {k + 1}" for k, program in enumerate(self.live.programs)}

            def choose(number: int) -> None:
                program = self.live.programs[number]
                desk.start = program.patch
                desk.load(program.patch, desk.note, names[number])

            ui.select(names, value=0, label="Program", on_change=lambda event: choose(event.value)).props(
                "dense outlined"
            )
            ui.label("Play it on the keys, turn its knobs, vary it, or cross it with another one.").classes("hint")

    async def _analyse(self) -> None:
        live = self.live
        if not live.analysing:
            await self.studio.analyse(live)
