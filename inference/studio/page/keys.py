"""The keys: the patch on the panel at any note and velocity."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui
from nicegui.events import GenericEventArguments

from inference.studio.page.desk import Desk
from inference.studio.page.frame import section
from render.note import HIGHEST_NOTE, LOWEST_NOTE, Note

_KEYS = 25
_LETTERS = "awsedftgyhujkolp"
_BLACK = (1, 3, 6, 8, 10)


@dataclass
class KeysView:
    """The keys' part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk
    _lowest: int = 48
    _marked: int = -1

    def build(self) -> None:
        """Put it on the page."""
        with section("Keys", hint="click, or type A W S E D ... once the keys have the focus; several make a chord"):
            with ui.row().classes("tools"):
                down = ui.button(icon="remove", on_click=lambda: self._shift(-12)).props("dense outline round size=sm")
                down.props["aria-label"] = "an octave down"
                self._range = ui.label()
                up = ui.button(icon="add", on_click=lambda: self._shift(12)).props("dense outline round size=sm")
                up.props["aria-label"] = "an octave up"
                ui.label("Velocity")
                self._velocity = ui.slider(min=1, max=127, step=1, value=self.desk.note.velocity).props("label dense")
                self._velocity.classes("velocity").props["aria-label"] = "velocity"
                ui.button("As heard", icon="music_note", on_click=self.desk.hear).props("dense flat").tooltip(
                    "the note, velocity and key press of the clip"
                )
            self._keys = ui.html("", sanitize=False)
        self.desk.listeners.append(self._follow)
        self._follow()
        ui.on("studio-key", self._pressed)

    def _follow(self) -> None:
        """Show the keys around the patch's note, whenever that is another one."""
        number = self.desk.note.number
        if number != self._marked:
            self._marked = number
            self._lowest = max(min(12 * (number // 12), HIGHEST_NOTE + 1 - _KEYS), LOWEST_NOTE)
            self._draw()

    def _shift(self, semitones: int) -> None:
        self._lowest = max(min(self._lowest + semitones, HIGHEST_NOTE + 1 - _KEYS + 12), LOWEST_NOTE)
        self._draw()

    def _draw(self) -> None:
        keys = [number for number in range(self._lowest, self._lowest + _KEYS) if number <= HIGHEST_NOTE]
        buttons = []
        for place, number in enumerate(keys):
            colour = "black" if number % 12 in _BLACK else "white"
            letter = _LETTERS[place].upper() if place < len(_LETTERS) else ""
            name = Note.name(number) if number % 12 == 0 else ""
            played = " played" if number == self.desk.note.number else ""
            buttons.append(
                f'<button type="button" class="key {colour}{played}" data-key="{number}" '
                f'tabindex="{0 if place == 0 else -1}" aria-label="{Note.name(number)}">'
                f"<kbd>{letter}</kbd><span>{name}</span></button>"
            )
        self._keys.set_content(f'<div class="keys" data-keys role="group" aria-label="keys">{"".join(buttons)}</div>')
        self._range.set_text(f"{Note.name(keys[0])} to {Note.name(keys[-1])}")

    async def _pressed(self, event: GenericEventArguments) -> None:
        number = event.args.get("number") if isinstance(event.args, dict) else None
        if isinstance(number, (int, float)) and LOWEST_NOTE <= int(number) <= HIGHEST_NOTE:
            await self.desk.press(int(number), int(self._velocity.value))
