"""Taking the patch along: downloads in every format, and the synth's own preset folder."""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from nicegui import ui

from inference.output.files import install, synth_folder
from inference.studio.page.desk import Desk
from inference.studio.page.frame import section
from render.errors import FileError, HostError, ReconstructError
from render.instruments.exports import FORMATS, exported
from render.instruments.instrument import Program

_TITLES = {"vstpreset": ".vstpreset (VST3)", "fxp": ".fxp (VST2)", "mid": ".mid (the note)"}


@dataclass
class FilesView:
    """The downloads' part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk

    def build(self) -> None:
        """Put it on the page."""
        instrument = self.desk.studio.instrument
        own = instrument.presets.SUFFIX
        with section("Take it along", hint="the patch on the panel, as it is now"):
            self._name = ui.input("Name", value=self.desk.live.files.title).props("dense outlined maxlength=80")
            with ui.row().classes("tools"):
                native = ui.button(own, icon="download", on_click=self._native).props("dense unelevated no-caps")
                native.props["data-download"] = own
                for format_ in FORMATS:
                    if self._content(format_) is not None:
                        button = ui.button(
                            _TITLES[format_], icon="download", on_click=lambda f=format_: self._download(f)
                        ).props("dense outline no-caps")
                        button.props["data-download"] = f".{format_}"
                ui.button(".wav", icon="download", on_click=self._sound).props("dense outline no-caps")
                ui.button("All results (.zip)", icon="folder_zip", on_click=self._all).props("dense flat no-caps")
            with ui.row().classes("tools"):
                ui.button("Install in the synth", icon="library_add", on_click=self._install).props("dense outline")
                self._folder = ui.input("Preset folder", value=str(synth_folder(instrument) or "")).props(
                    "dense outlined"
                )
                self._folder.classes("grow")

    @property
    def _program(self) -> Program:
        return Program(self._stem(), self.desk.patch)

    def _stem(self) -> str:
        kept = "".join(c for c in (self._name.value or "") if c.isprintable() and c not in '\\/:*?"<>|').strip(" .")
        return kept[:80] or "patch"

    def _content(self, format_: str) -> bytes | None:
        instrument, note = self.desk.studio.instrument, self.desk.note
        return exported(instrument, Program("patch", self.desk.patch), note, format_, None)

    def _preset(self, folder: Path) -> Path:
        instrument = self.desk.studio.instrument
        path = folder / f"{self._stem()}{instrument.presets.SUFFIX}"
        instrument.presets.write_program(path, self._program)
        return path

    def _native(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = self._preset(Path(folder))
            ui.download.content(path.read_bytes(), path.name)

    def _download(self, format_: str) -> None:
        content = exported(self.desk.studio.instrument, self._program, self.desk.note, format_, None)
        if content is not None:
            ui.download.content(content, f"{self._stem()}.{format_}")

    async def _sound(self) -> None:
        try:
            sound = await self.desk.studio.play(self.desk.patch, self.desk.note)
        except HostError as error:
            self.desk.tell(str(error), "negative")
            return
        ui.download.content(sound.wav, f"{self._stem()}.wav")

    def _all(self) -> None:
        results = self.desk.live.files.results()
        if not results:
            self.desk.tell("there are no results yet", "warning")
            return
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(results[0].iterdir()):
                if path.is_file() and not path.name.startswith("."):
                    archive.write(path, path.name)
        ui.download.content(stream.getvalue(), f"{self.desk.live.files.title}.zip")

    def _install(self) -> None:
        folder = Path((self._folder.value or "").strip()).expanduser()
        try:
            if not (self._folder.value or "").strip():
                raise FileError("name the folder in which your synth keeps its presets")
            with tempfile.TemporaryDirectory() as temporary:
                (installed,) = install([self._preset(Path(temporary))], folder)
        except ReconstructError as error:
            self.desk.tell(str(error), "warning")
            return
        self.desk.tell(f"installed {installed}", "positive")
