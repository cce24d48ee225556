"""Clip and patch side by side: A/B on one key, blind too, and what is left of the clip."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from nicegui import background_tasks, ui

from inference.studio.jobs import Sound
from inference.studio.page.desk import LOUDEST, Desk
from inference.studio.page.frame import section
from render.errors import HostError
from render.instruments.patch import Patch
from render.note import Note

_SETTLED_SECONDS = 0.4  # without a turned knob before the patch is compared


@dataclass
class CompareView:
    """The comparison's part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk
    _asked: tuple[Patch, Note, int] | None = None
    _sound: Sound | None = None
    _swapped: bool | None = None
    _right: int = 0
    _tries: int = 0

    def build(self) -> None:
        """Put it on the page."""
        with section("Compare", hint="X starts and changes sides, Escape is silence; both are as loud as each other"):
            with ui.row().classes("tools"):
                both = ui.button("A/B", icon="compare_arrows", on_click=self._compare).props("dense unelevated")
                both.props["data-compare"] = ""
                ui.button("Blind", icon="visibility_off", on_click=self._blind).props("dense outline")
                side = ui.element("span").classes("side")
                side.props["data-side"] = ""
                self._guess = ui.row().classes("tools")
                with self._guess:
                    ui.label("Which one is the clip?")
                    ui.button("First", on_click=lambda: self._answer(0)).props("dense outline")
                    ui.button("Second", on_click=lambda: self._answer(1)).props("dense outline")
                self._guess.set_visibility(False)
                self._score = ui.label().classes("hint")
            self._distance = ui.label().classes("db")
            self._verdict = ui.label().classes("hint")
            self._residual = ui.image().props("no-spinner no-transition fit=fill").classes("spectrum residual")
            self._residual.props["alt"] = "difference of the spectrograms of clip and patch"
            ui.label("What is left of the clip: red where the patch is too quiet, blue where it is too loud.").classes(
                "hint"
            )
        self.desk.listeners.append(self._later)
        self._later()

    def show(self) -> None:
        """Compare again if the clip was heard anew."""
        if self._asked is None or self._asked[2] != self.desk.live.times_analysed:
            self._later()

    def _later(self) -> None:
        if self.desk.live.analysis is None:
            return
        asked = self.desk.patch, self.desk.note, self.desk.live.times_analysed
        if asked == self._asked:
            return
        self._asked, self._sound = asked, None
        background_tasks.create(self._measure(asked))

    async def _measure(self, asked: tuple[Patch, Note, int]) -> None:
        await asyncio.sleep(_SETTLED_SECONDS)
        if asked != self._asked:
            return
        try:
            sound = await self.desk.studio.compare(self.desk.live, asked[0], asked[1])
        except HostError as error:
            self._verdict.set_text(str(error))
            return
        if asked != self._asked:
            return
        self._sound = sound
        clipped = f", clips (peak {sound.peak:.1f})" if sound.peak > LOUDEST else ""
        self._distance.set_text(f"{sound.mss:.2f} dB from the clip{clipped}" if sound.mss is not None else "")
        self._verdict.set_text(sound.verdict)
        self._residual.set_source(self.desk.studio.store.address(sound.residual, "png"))

    async def _compare(self) -> None:
        self._guess.set_visibility(False)
        await self._begin(("clip", "patch"), swapped=False)

    async def _blind(self) -> None:
        self._swapped = random.random() < 0.5
        self._guess.set_visibility(True)
        await self._begin(("first", "second"), swapped=self._swapped)

    async def _begin(self, names: tuple[str, str], *, swapped: bool) -> None:
        live, store = self.desk.live, self.desk.studio.store
        if live.analysis is None:
            self.desk.tell("there is no clip to compare with", "warning")
            return
        try:
            sound = await self.desk.studio.compare(live, self.desk.patch, self.desk.note)
        except HostError as error:
            self.desk.tell(str(error), "negative")
            return
        urls = [store.address(live.analysis.wav, "wav"), store.address(sound.wav, "wav")]
        self.desk.run("studio.compare", urls[::-1] if swapped else urls, names)

    def _answer(self, chosen: int) -> None:
        if self._swapped is None:
            return
        right = chosen == int(self._swapped)
        self._right, self._tries, self._swapped = self._right + right, self._tries + 1, None
        self._guess.set_visibility(False)
        self._score.set_text(f"{'right' if right else 'wrong'}: {self._right} of {self._tries} so far")
        self.desk.run("studio.stop")
