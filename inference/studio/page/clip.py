"""The clip: waveform and spectrogram, the part to match, and what was heard, which can be corrected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
from nicegui import ui

from inference.command.arguments import hertz_band, seconds_span
from inference.studio.live import Live
from inference.studio.page.desk import Desk
from inference.studio.page.drawings import waveform_svg
from inference.studio.page.frame import section
from render.errors import ReconstructError
from render.note import Note

_SHORTEST_SECONDS = 0.05
_SHOWN_GATE = 0.0051  # the gate is shown in hundredths of a second


@dataclass
class ClipView:
    """The clip's part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk
    _shown: int = -1
    _filling: bool = False
    _was_stereo: bool = False

    @property
    def _live(self) -> Live:
        return self.desk.live

    def build(self) -> None:
        """Put it on the page."""
        with section("Clip", hint="drag the handles to the part to match"):
            self._problem = ui.label().classes("problem")
            self._usable = ui.element("div").classes("box-inner")
            with self._usable, ui.element("div").classes("clip"):
                self._wave = ui.html("", sanitize=False)
                self._picture = (
                    ui.image().props('no-spinner alt="spectrogram of the clip" fit=fill').classes("spectrum")
                )
                self._range = ui.range(min=0.0, max=1.0, step=0.01).props("dense label")
                self._range.props["aria-label"] = "part of the clip to match, in seconds"
                self._range.on("change", self._cut, args=[])
            with self._usable, ui.row().classes("tools"):
                play = ui.button("Play clip", icon="play_arrow", on_click=self._play).props("dense unelevated")
                play.props["data-play-clip"] = ""
                self._facts = ui.label().classes("hint grow")
            with self._usable, ui.element("div").classes("heard"):
                self._note = self._field(
                    ui.input("Note"),
                    "name or number of the key, such as A2 or 45, or several of a chord: C4 E4 G4",
                )
                self._gate = self._field(
                    ui.number("Key held", suffix="s", min=0.01, max=4.0, step=0.01, format="%.2f"),
                    "how long the key was pressed",
                )
                self._velocity = self._field(ui.number("Velocity", min=1, max=127, step=1, format="%.0f"), "1 to 127")
                self._level = self._field(
                    ui.number("Peak", suffix="dB", min=-60, max=24, step=0.5, format="%.1f"), "level that is matched"
                )
                self._ignored = self._field(
                    ui.input("Ignore", placeholder="1.2:1.5"),
                    "seconds that are not compared, such as 1.2:1.5; several with commas between",
                )
                self._band = self._field(
                    ui.input("Band in Hz", placeholder="80:5000"), "frequencies that are compared, such as 80:5000"
                )
                self._noise = ui.switch("Noisy recording", on_change=self._correct)
                self._noise.tooltip("what lies below the noise is not compared")
                self._mono = ui.switch("Match in mono", on_change=self._correct)
            self._notices = ui.html("").classes("notices")
        self.show()

    def _field(self, control: Any, hint: str) -> Any:
        control.props("dense outlined").tooltip(hint)
        control.on("change", self._correct, args=[])  # when it is left, or Enter is pressed
        return control

    def show(self) -> None:
        """Show what was found in the clip, if that has changed."""
        if self._live.times_analysed == self._shown and not self._live.problem:
            return
        self._shown = self._live.times_analysed
        self._problem.set_text(self._live.problem)
        self._problem.set_visibility(bool(self._live.problem))
        self._usable.set_visibility(not self._live.problem)
        analysis = self._live.analysis
        if analysis is None:
            return
        target, note = analysis.target, analysis.target.note
        begin = target.onset_seconds / analysis.seconds
        end = (target.onset_seconds + note.seconds) / analysis.seconds
        self._wave.set_content(waveform_svg(analysis.waveform, begin, min(end, 1.0)))
        self._picture.set_source(self.desk.studio.store.address(analysis.picture, "png"))
        self._filling = True
        try:
            self._range.max = round(analysis.seconds, 2)
            low, high = target.focus.span_seconds or (0.0, analysis.seconds)
            self._range.set_value({"min": round(low, 2), "max": round(min(high, analysis.seconds), 2)})
            self._note.set_value(note.title)
            self._gate.set_value(round(note.gate_seconds, 2))
            self._velocity.set_value(note.velocity)
            self._level.set_value(round(20.0 * float(np.log10(max(np.abs(target.audio).max(), 1e-6))), 1))
            self._ignored.set_value(", ".join(f"{begin:g}:{end:g}" for begin, end in target.focus.ignored_seconds))
            self._band.set_value("{:g}:{:g}".format(*target.focus.band_hz) if target.focus.band_hz else "")
            self._noise.set_value(target.focus.noise)
            self._mono.set_value(not target.stereo)
            self._mono.set_visibility(target.stereo or self._was_stereo)
            self._was_stereo = self._was_stereo or target.stereo
        finally:
            self._filling = False
        pitch = "the note you named" if target.note_fixed else "heard" if target.pitched else "no clear pitch"
        self._facts.set_text(
            f"{note.seconds:.2f} s, {'stereo' if target.stereo else 'mono'}, {note.title} ({pitch}), "
            f"key held {'' if target.gate_fixed else 'about '}{note.gate_seconds:.2f} s"
        )
        self._notices.set_content("".join(f"<p>{escape(notice)}</p>" for notice in target.notices))

    def _play(self) -> None:
        if self._live.analysis is not None:
            self.desk.run("studio.play", self.desk.studio.store.address(self._live.analysis.wav, "wav"))

    async def _cut(self) -> None:
        value = self._range.value
        if self._filling or not value or value["max"] - value["min"] < _SHORTEST_SECONDS:
            return
        whole = value["min"] <= 0.0 and value["max"] >= self._range.max
        span = None if whole else (float(value["min"]), float(value["max"]))
        if self._live.analysis is not None:
            await self._analyse(focus=replace(self._live.analysis.target.focus, span_seconds=span))

    async def _correct(self) -> None:
        analysis = self._live.analysis
        if self._filling or analysis is None:
            return
        note = analysis.target.note
        try:
            keys = [Note.parse(text) for text in (self._note.value or "").replace(",", " ").split()]
            gate, velocity = float(self._gate.value or 0.0), int(self._velocity.value or 0)
            wanted = Note.of(keys, velocity, gate, note.seconds)
            ignored = tuple(seconds_span(text) for text in (self._ignored.value or "").split(",") if text.strip())
            band = hertz_band(self._band.value) if (self._band.value or "").strip() else None
            focus = replace(analysis.target.focus, ignored_seconds=ignored, band_hz=band, noise=self._noise.value)
        except (ReconstructError, TypeError, ValueError) as error:
            self.desk.tell(str(error), "warning")
            self._shown = -1
            self.show()
            return
        known: dict[str, Any] = {}
        if velocity != note.velocity:
            known["velocity"] = velocity
        if wanted.keys != note.keys:
            known["note"] = wanted.as_keys
        if abs(gate - note.gate_seconds) > _SHOWN_GATE:
            known["gate_seconds"] = wanted.gate_seconds
        if focus != analysis.target.focus:
            known["focus"] = focus
        if known:
            await self._analyse(**known)
        self._adjust()

    async def _analyse(self, **changes: Any) -> None:
        if self._live.active:
            self.desk.tell("stop the run first: it matches the clip as it was", "warning")
            self._shown = -1
            self.show()
            return
        assert self._live.analysis is not None
        target = self._live.analysis.target
        known = {
            "focus": target.focus,
            "note": target.fixed_keys,
            "velocity": target.note.velocity,
            "gate_seconds": target.note.gate_seconds if target.gate_fixed else None,
        }
        await self.desk.studio.analyse(self._live, **(known | changes))
        if self._live.problem:  # the earlier analysis of the clip is still there
            self.desk.tell(self._live.problem, "warning")
            self._live.problem, self._shown = "", -1
            self._live.changed()
        self.desk.note = replace(self._live.note)
        self.show()

    def _adjust(self) -> None:
        """Mono and the level, which the user may want otherwise than in the file."""
        analysis = self._live.analysis
        assert analysis is not None
        target = analysis.target
        peak_db = 20.0 * float(np.log10(max(np.abs(target.audio).max(), 1e-6)))
        gain_db = float(self._level.value if self._level.value is not None else peak_db) - peak_db
        if abs(gain_db) < 0.06:
            gain_db = 0.0
        if self._mono.value and target.stereo:
            target = target.in_mono()
        if gain_db:
            target = target.amplified(gain_db)
        if target is not analysis.target:
            self._live.analysis = replace(analysis, target=target)
            self._live.times_analysed += 1
            self._live.changed()
            self.show()
