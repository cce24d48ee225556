"""What all pages have in common: head, header, colours, and how a page runs code of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

from nicegui import ui

STATIC = Path(__file__).parents[1] / "static"
STATIC_ROOT = "/studio"
MOST_PRESET_BYTES = 32 << 20
"""Largest preset or bank that can be uploaded."""

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' "
    "rx='7' fill='%23d4572a'/%3E%3Cpath d='M4 16q4-14 8 0t8 0 8 0' fill='none' stroke='%23fff' stroke-width='3'/%3E"
    "%3C/svg%3E"
)


@contextmanager
def frame(title: str, *, home: bool = False) -> Iterator[None]:
    """The frame of a page.

    Args:
        title: name of the page.
        home: whether it is the first page, which needs no way back.
    """
    ui.page_title(title)
    ui.add_head_html(
        f'<link rel="icon" href="{_ICON}"><link rel="stylesheet" href="{STATIC_ROOT}/studio.css">'
        f'<script defer src="{STATIC_ROOT}/studio.js"></script>'
    )
    ui.colors(primary="#d4572a", secondary="#3a6ea5", accent="#3a6ea5", dark="#15171c", dark_page="#101216")
    dark = ui.dark_mode(None)
    with ui.element("header").classes("bar"):
        if home:
            ui.html("<h1>Studio</h1>", sanitize=False)
        else:
            ui.link("← Sessions", "/").classes("back")
            ui.html(f"<h1>{escape(title)}</h1>", sanitize=False)
        ui.space()
        choices = {None: "auto", False: "light", True: "dark"}
        ui.select(choices, value=None, label="Colours", on_change=lambda event: dark.set_value(event.value)).props(
            "dense borderless options-dense"
        ).classes("colours")
    with ui.element("main"):
        yield


def section(title: str, *, hint: str = "") -> ui.element:
    """A part of a page with its heading; use it as a context manager.

    Args:
        title: heading.
        hint: what it is for, in a few words.
    """
    box = ui.element("section").classes("box")
    box.props["aria-label"] = title
    with box, ui.element("div").classes("head"):
        ui.html(f"<h2>{escape(title)}</h2>", sanitize=False)
        if hint:
            ui.label(hint).classes("hint")
    return box
