"""The first page: a place to drop a clip or a preset on, and the earlier sessions."""

from __future__ import annotations

from urllib.parse import quote

from nicegui import background_tasks, ui
from nicegui.events import UploadEventArguments

from inference.studio.guard import MOST_UPLOADED_BYTES
from inference.studio.page.frame import frame, section
from inference.studio.sessions import SessionFiles
from inference.studio.studio import Studio
from render.errors import ReconstructError

FIRST_SECONDS = 60.0
"""Budget of the run that begins by itself when a clip was dropped."""

_MOST_LISTED = 60


def home_page(studio: Studio) -> None:
    """Build the page."""
    with frame("Studio", home=True):
        with section("Drop a sound", hint=f"and get a patch of {studio.instrument.title} that makes it"):
            _drop_zone(studio)
            ui.label(
                "WAV, FLAC, AIFF, OGG or MP3, of which up to 4 s are matched; or a preset file, to vary it. "
                "Nothing leaves this machine."
            ).classes("hint")
        with section("Sessions"):
            _list(studio)


def session_address(files: SessionFiles) -> str:
    """Address of a session's page."""
    return f"/session/{quote(files.name)}"


def _drop_zone(studio: Studio) -> None:
    async def take(event: UploadEventArguments) -> None:
        upload.reset()
        try:
            live = studio.add(event.file.name, await event.file.read())
        except ReconstructError as error:
            ui.notify(str(error), type="negative", multi_line=True, close_button="Close")
            return
        if not live.programs and not live.problem:
            background_tasks.create(studio.begin(live, FIRST_SECONDS))
        ui.navigate.to(session_address(live.files))

    upload = ui.upload(
        label="Drop a clip here, or press + to choose one",
        auto_upload=True,
        max_file_size=MOST_UPLOADED_BYTES,
        on_upload=take,
        on_rejected=lambda: ui.notify(
            f"that file is too large; allowed: {MOST_UPLOADED_BYTES >> 20} MiB", type="warning"
        ),
    ).props("flat bordered")
    upload.classes("drop").props["aria-label"] = "drop a clip or a preset"
    record = ui.button("Record 10 s", icon="mic").props("dense outline")
    record.on("click", js_handler=f"() => studio.record('{upload.props['url']}')")
    record.tooltip("starts; press again to stop sooner")


def _list(studio: Studio) -> None:
    sessions = [files for files, _ in zip(studio.sessions, range(_MOST_LISTED), strict=False)]
    if not sessions:
        ui.label("None yet.").classes("hint")
        return
    with ui.element("ul").classes("sessions"):
        for files in sessions:
            with ui.element("li"), ui.link(target=session_address(files)):
                ui.label(files.title).classes("name")
                ui.label(files.made).classes("hint")
                ui.label(_result(studio, files)).classes("db")


def _result(studio: Studio, files: SessionFiles) -> str:
    if studio.is_preset(files.source):
        return "preset"
    record = files.record()
    return f"{record['best']['distance']['mss']:.2f} dB" if record is not None else "no match yet"
