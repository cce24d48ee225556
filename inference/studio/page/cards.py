"""The candidates as cards, which improve in place while a run goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from nicegui import background_tasks, ui

from inference.candidate import Candidate
from inference.studio.jobs import Sound
from inference.studio.page.desk import LOUDEST, Desk
from inference.studio.page.frame import section
from render.errors import HostError
from render.note import Note

_CARDS = 4
_PICTURE_SECONDS = 0.8  # shortest time between two pictures of a card: the search needs the cores
_FOLLOWING_SECONDS = 1.0  # shortest time between two patches on the panel that follows: all of its knobs are sent
_ORIGINS = {"network": "guess", "resumed": "earlier", "panel": "your patch", "default patch": "default"}


@dataclass
class _Card:
    box: ui.element
    picture: ui.element
    distance: ui.label
    origin: ui.label
    candidate: Candidate | None = None
    sound: Sound | None = None
    drawn_at: float = 0.0
    drawing: bool = False


@dataclass
class CardsView:
    """The candidates' part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk
    _cards: list[_Card] = field(default_factory=list)
    _shown: int = -1
    _followed_at: float = 0.0
    followed: bool = True
    """Whether the panel follows the best candidate, which it does until somebody turns a knob or picks a card."""

    def build(self) -> None:
        """Put it on the page."""
        with section(
            "Candidates", hint="best first, by the search's own distance; they get better while the run goes on"
        ):
            self._none = ui.label("None yet.").classes("hint")
            with ui.element("div").classes("cards"):
                for number in range(_CARDS):
                    self._cards.append(self._card(number))
        self.show()

    def _card(self, number: int) -> _Card:
        with ui.element("article").classes("card") as box:
            box.props["aria-label"] = f"candidate {number + 1}"
            picture = ui.element("img").props('alt=""').classes("spectrum")
            with ui.row().classes("tools"):
                distance = ui.label().classes("db")
                origin = ui.label().classes("hint")
            with ui.row().classes("tools"):
                play = ui.button(icon="play_arrow", on_click=lambda: self.play(number)).props("dense unelevated round")
                play.props["aria-label"] = f"play candidate {number + 1}"
                load = ui.button("To the panel", on_click=lambda: self.pick(number)).props("dense flat")
                load.props["aria-label"] = f"put candidate {number + 1} on the panel"
        box.set_visibility(False)
        return _Card(box, picture, distance, origin)

    def show(self) -> None:
        """Show the candidates of the session, if they have changed."""
        live = self.desk.live
        pending = any(card.candidate is not None and card.sound is None for card in self._cards)
        if live.version == self._shown:
            self._follow()  # not before anything newer is on the cards
            if not pending:
                return
        self._shown = live.version
        self._none.set_visibility(not live.candidates)
        now = time.monotonic()
        for card, candidate in zip(self._cards, [*live.candidates, *[None] * _CARDS], strict=False):
            card.box.set_visibility(candidate is not None)
            if candidate is None or live.analysis is None:
                continue
            if candidate is not card.candidate:
                card.candidate, card.sound = candidate, None
                self.desk.put(card.origin, textContent=_ORIGINS.get(candidate.origin, candidate.origin))
                self.desk.put(card.distance, textContent=f"{candidate.loss:.3f}")
                if card is self._cards[0]:
                    self.desk.put(card.box, improved=round(1000.0 * live.improved_at))  # for measurements
            late = not live.active or now - card.drawn_at > _PICTURE_SECONDS
            if card.sound is None and late and not card.drawing:
                card.drawing, card.drawn_at = True, now
                background_tasks.create(self._draw(card, candidate))

    def _follow(self) -> None:
        """Put the best candidate on the panel, now and then."""
        candidates, now = self.desk.live.candidates, time.monotonic()
        if not candidates or not self.followed or self.desk.edited or now - self._followed_at < _FOLLOWING_SECONDS:
            return
        best = candidates[0]
        if best.patch != self.desk.patch:
            self._followed_at = now
            self.desk.load(best.patch, best.note, "Candidate 1")

    async def _draw(self, card: _Card, candidate: Candidate) -> None:
        try:
            sound = await self.desk.studio.compare(self.desk.live, candidate.patch, candidate.note)
        except HostError:
            return
        finally:
            card.drawing = False
        if card.candidate is candidate:
            card.sound = sound
        clipped = ", clips" if sound.peak > LOUDEST else ""
        decibels = f"{sound.mss:.2f} dB{clipped}" if sound.mss is not None else clipped
        self.desk.put(card.picture, src=self.desk.studio.store.address(sound.picture, "png"))
        self.desk.put(card.distance, textContent=decibels)

    async def play(self, number: int) -> None:
        """Play a candidate as loud as the clip."""
        card = self._cards[number]
        if card.candidate is None:
            return
        try:
            sound = await self.desk.studio.compare(self.desk.live, card.candidate.patch, card.candidate.note)
        except HostError as error:
            self.desk.tell(str(error), "negative")
            return
        self.desk.run("studio.play", self.desk.studio.store.address(sound.wav, "wav"))

    def pick(self, number: int) -> None:
        """Put a candidate on the panel."""
        candidate = self._cards[number].candidate
        if candidate is not None:
            self.followed = number == 0
            note: Note = candidate.note
            self.desk.load(candidate.patch, note, f"Candidate {number + 1}")
