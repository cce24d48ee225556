"""The patch as a panel: the sections of the synth with their knobs, choices and curves."""

from __future__ import annotations

from dataclasses import dataclass, field

from nicegui import background_tasks, ui
from nicegui.element import Element
from nicegui.events import ValueChangeEventArguments

from inference.output.explained import setting_text
from inference.studio.page.desk import Desk
from inference.studio.page.drawings import curve_svg
from inference.studio.page.frame import section
from render.instruments.parameter import Kind, Parameter
from render.instruments.patch import Patch

_KNOB_STEPS = 0.005
_TITLES = {"lfo1": "LFO 1", "lfo2": "LFO 2", "lfo": "LFO", "fm": "FM", "adsr": "ADSR"}


def section_title(group: str) -> str:
    """Name of a section of the panel for people."""
    return _TITLES.get(group.lower(), group[:1].upper() + group[1:])


@dataclass
class _Cell:
    """What shows one parameter."""

    row: Parameter
    box: Element
    value: ui.knob | ui.select | ui.switch
    text: ui.label | None
    lock: ui.button


@dataclass
class Panel:
    """The panel of a tab.

    Args:
        desk: the patch and what is locked.
    """

    desk: Desk
    _cells: dict[str, _Cell] = field(default_factory=dict)
    _curves: dict[str, ui.html] = field(default_factory=dict)
    _section_locks: dict[str, ui.button] = field(default_factory=dict)
    _loading: bool = False
    _shown: Patch | None = None

    def build(self) -> None:
        """Put the panel on the page."""
        table = self.desk.patch.table
        groups: dict[str, list[Parameter]] = {}
        for row in table.parameters:
            groups.setdefault(row.group, []).append(row)
        with section("Patch", hint="turn a knob to hear it; a lock keeps it; a dot marks what differs from the start"):
            with ui.row().classes("tools"):
                self._title = ui.label().classes("grow")
                play = ui.button("Play", icon="play_arrow", on_click=self.desk.hear).props("dense unelevated")
                play.props["data-play-patch"] = ""
                play.tooltip("P")
                ui.switch("Hear knobs", value=self.desk.plays, on_change=self._set_plays).props("dense")
                self._back = ui.button("As found", icon="undo", on_click=self._undo).props("dense flat")
            with ui.element("div").classes("panel"):
                for group, rows in groups.items():
                    self._section(group, rows)
        self.desk.listeners.append(self.show)
        self.show()

    def _section(self, group: str, rows: list[Parameter]) -> None:
        with ui.element("fieldset").classes("group"):
            with ui.element("div").classes("head"):
                ui.html(f"<h3>{section_title(group)}</h3>", sanitize=False)
                names = [row.name for row in rows]
                lock = ui.button(icon="lock_open", on_click=lambda: self._lock(names), color=None)
                lock.props("dense flat round size=xs")
                lock.props["aria-label"] = f"lock the section {section_title(group)}"
                self._section_locks[group] = lock
            with ui.element("div").classes("cells"):
                for row in sorted(rows, key=_part):
                    self._cells[row.name] = self._cell(row)
            self._curves[group] = ui.html("", sanitize=False).classes("drawn")

    def _cell(self, row: Parameter) -> _Cell:
        wide = row.discrete and row.kind is not Kind.SWITCH
        with ui.element("div").classes("cell wide" if wide else "cell") as box:
            text = None
            value: ui.knob | ui.select | ui.switch
            if row.kind is Kind.SWITCH:
                value = ui.switch(value=False, on_change=lambda event: self._turned(row, float(event.value)))
                value.props("dense")
            elif row.discrete:
                choices = dict(zip(range(len(row.choices)), row.choices, strict=True))
                value = ui.select(
                    choices, value=0, on_change=lambda event: self._turned(row, row.choice_knobs[event.value])
                ).props("dense options-dense outlined")
            else:
                value = ui.knob(
                    0.0, min=0.0, max=1.0, step=_KNOB_STEPS, on_change=lambda event: self._turned(row, event.value)
                ).props("size=38px thickness=0.25 track-color=grey-5 angle=225")
                value.props["tabindex"] = 0
                text = ui.label().classes("setting")
            value.props["aria-label"] = row.label
            value.props["data-parameter"] = row.name
            with ui.element("div").classes("name"):
                ui.label(_short(row.label, row.group)).tooltip(row.label)
                lock = ui.button(icon="lock_open", on_click=lambda: self._lock([row.name]), color=None)
                lock.props("dense flat round size=xs").classes("lock")
                lock.props["aria-label"] = f"lock {row.label}"
        return _Cell(row, box, value, text, lock)

    def _turned(self, row: Parameter, knob: float) -> None:
        if self._loading or row.snap(knob) == row.snap(self.desk.patch[row.name]):
            return
        knob = min(max(float(knob), 0.0), 1.0)
        self.desk.patch = self.desk.patch.with_knobs({row.name: knob})
        if self.desk.plays:
            background_tasks.create(self.desk.hear())
        background_tasks.create(self._show_later())  # after the render has begun, as somebody waits for that

    async def _show_later(self) -> None:
        self.desk.changed()

    def show(self) -> None:
        """Show the desk's patch; only what has changed is sent."""
        patch, before = self.desk.patch, self._shown
        differs = patch.diff(self.desk.start)
        self._loading = True
        try:
            for name, cell in self._cells.items():
                self._show_cell(cell, patch, name in differs)
        finally:
            self._loading = False
        if before is None or patch != before:
            self._draw(patch)
        self._shown = patch
        self._title.set_text(f"{self.desk.label}{', edited' if self.desk.edited else ''}")
        self._back.set_enabled(self.desk.edited)
        self._show_locks()

    def _show_cell(self, cell: _Cell, patch: Patch, differs: bool) -> None:
        row, knob = cell.row, patch[cell.row.name]
        if row.kind is Kind.SWITCH:
            cell.value.set_value(row.index(knob) == 1)
        elif row.discrete:
            cell.value.set_value(row.index(knob))  # type: ignore[arg-type]
        elif abs(cell.value.value - knob) > 1e-9:
            cell.value.set_value(knob)  # type: ignore[arg-type]
        if cell.text is not None:
            cell.text.set_text(setting_text(row, patch.setting(row.name)).replace("semitones", "st"))
        start = setting_text(row, self.desk.start.setting(row.name))
        cell.box.classes(
            add=("differs " if differs else "") + ("" if patch.sounds(row.name) else "still"),
            remove=("" if differs else "differs ") + ("still" if patch.sounds(row.name) else ""),
        )
        if cell.box.props.get("title", "") != (title := f"at the start: {start}" if differs else ""):
            cell.box.props["title"] = title

    def _draw(self, patch: Patch) -> None:
        curves = self.desk.studio.instrument.curves
        if curves is None:
            return
        for group, (heights, seconds) in curves(patch, self.desk.note).items():
            if group in self._curves:
                rows = [row for row in patch.table.parameters if row.group == group]
                heard = any(patch.sounds(row.name) for row in rows if row.curve.unit in ("s", "Hz")) or group == "amp"
                title = f"{section_title(group)} curve"
                self._curves[group].set_content(curve_svg(heights, seconds, title, heard=heard))

    def _lock(self, names: list[str]) -> None:
        locks = self.desk.locks
        if all(name in locks for name in names):
            locks.difference_update(names)
        else:
            locks.update(names)
        self._show_locks()

    def _show_locks(self) -> None:
        locks = self.desk.locks
        for name, cell in self._cells.items():
            _show_lock(cell.lock, name in locks)
        for group, button in self._section_locks.items():
            names = [name for name, cell in self._cells.items() if cell.row.group == group]
            _show_lock(button, all(name in locks for name in names))

    def _set_plays(self, event: ValueChangeEventArguments[bool | None]) -> None:
        self.desk.plays = bool(event.value)

    def _undo(self) -> None:
        self.desk.load(self.desk.loaded, self.desk.note, self.desk.label)


def _show_lock(button: ui.button, locked: bool) -> None:
    icon = "lock" if locked else "lock_open"
    if button.props.get("icon") != icon:
        button.props["icon"] = icon
        button.props["aria-pressed"] = str(locked).lower()
        button.classes(add="on" if locked else "", remove="" if locked else "on")


def _part(row: Parameter) -> tuple[bool, str]:
    """Order of the parameters of a section: those of a numbered part together, then all others."""
    first, _, rest = row.label.partition(" ")
    number = rest.partition(" ")[0]
    return not number.isdecimal(), f"{first} {number}" if number.isdecimal() else ""


def _short(label: str, group: str) -> str:
    """A parameter's label without the name of its section."""
    for prefix in (group, section_title(group), {"free AD": "AD"}.get(group, group)):
        if label.lower().startswith(prefix.lower() + " "):
            rest = label[len(prefix) + 1 :]
            return rest[:1].upper() + rest[1:]
    return label
