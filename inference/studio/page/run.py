"""The run: start, stop, another minute; the stages, the distance and the time that is left."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui

from inference.options import STAGES
from inference.studio.live import RUNNING, STARTING, WAITING, Live
from inference.studio.page.desk import Desk
from inference.studio.page.drawings import progress_svg
from inference.studio.page.frame import section

_SECONDS = {10: "10 s", 30: "30 s", 60: "1 min", 180: "3 min", 600: "10 min"}
_DEFAULT_SECONDS = 60
_STAGE_HINTS = {
    "guess": "a network hears the clip and proposes patches",
    "descend": "all knobs at once go down a differentiable synth",
    "search": "the synth itself is searched, choices included",
}


@dataclass
class RunView:
    """The run's part of a page.

    Args:
        desk: the tab.
    """

    desk: Desk
    _shown: int = -1

    @property
    def _live(self) -> Live:
        return self.desk.live

    def build(self) -> None:
        """Put it on the page."""
        with section("Match"):
            with ui.row().classes("tools"):
                self._start = ui.button("Start", icon="search", on_click=self._begin).props("unelevated dense")
                self._more = ui.button("Another minute", icon="more_time", on_click=self._another).props(
                    "dense outline"
                )
                self._from_here = ui.button("Continue from here", icon="tune", on_click=self._continue)
                self._from_here.props("dense outline").tooltip("begins with the patch on the panel; locked knobs stay")
                self._stop = ui.button("Stop", icon="stop", on_click=lambda: self.desk.studio.stop(self._live))
                self._stop.props("dense unelevated color=secondary")
                self._seconds = ui.select(_SECONDS, value=_DEFAULT_SECONDS, label="Time").props("dense outlined")
            with ui.element("ol").classes("stages"):
                self._stages = {}
                for stage in STAGES:
                    with ui.element("li") as item:
                        item.tooltip(_STAGE_HINTS[stage])
                        ui.label(stage)
                        self._stages[stage] = item, ui.label().classes("db")
            self._bar = ui.element("progress").props('value=0 aria-label="share of the time that is used"')
            self._drawing = ui.html("", sanitize=False)
            self._status = ui.label().classes("status").props('role=status aria-live="polite"')
        self.show()

    def show(self) -> None:
        """Show where the run is, if that has changed."""
        live = self._live
        if live.version == self._shown:
            return
        self._shown = live.version
        active, usable = live.active, live.analysis is not None
        for button, shown in (
            (self._start, not active),
            (self._more, not active and bool(live.candidates)),
            (self._from_here, not active and bool(live.candidates)),
            (self._stop, active),
        ):
            button.set_visibility(shown)
            button.set_enabled(usable or active)
        self._start.set_text("Start anew" if live.candidates else "Start")
        progress = live.progress
        whole = progress.seconds + progress.left_seconds if progress is not None else 0.0
        now = progress.seconds if progress is not None else 0.0
        share = round(now / whole, 4) if whole > 0.0 and active else 0.0
        self.desk.put(self._bar, value=None if live.state == STARTING else share)
        self.desk.put(self._drawing, innerHTML=progress_svg(live.curve, live.stages, now, whole))
        for stage, (item, decibels) in self._stages.items():
            begun = stage in live.stages or stage in live.judged
            item.classes(
                add=("now " if stage == live.stage else "") + ("begun" if begun else ""),
                remove=("" if stage == live.stage else "now ") + ("" if begun else "begun"),
            )
            decibels.set_text(f"{live.judged[stage]:.2f} dB" if stage in live.judged else "")
        self.desk.put(self._status, textContent=self._sentence())

    def _sentence(self) -> str:
        live, progress = self._live, self._live.progress
        if live.state == WAITING:
            before = self.desk.studio.runner.position(live.files.name)
            return f"waits: {before} {'run is' if before == 1 else 'runs are'} before this one, and one has the cores"
        if live.state == STARTING:
            loading = "" if self.desk.studio.runner.ready else "; the first run on a machine compiles for half a minute"
            return f"{live.message or 'opening the synth'}{loading}"
        if live.state == RUNNING and progress is not None:
            rate = progress.renders / max(progress.seconds, 1e-3)
            best = f"distance {progress.loss:.3f}, " if progress.loss is not None else ""
            return f"{live.stage}: {best}{progress.left_seconds:.0f} s left, {rate:.0f} renders a second"
        if live.message:
            return live.message
        if live.record is not None:
            record = live.record
            ended = {"interrupted": "stopped", "failed": "failed"}.get(record["ended"], "finished")
            return (
                f"{ended}: {record['best']['distance']['mss']:.2f} dB from the clip after {record['renders']} renders "
                f"in {record['seconds']:.0f} s"
            )
        return "not started" if live.analysis is not None else ""

    def _begin(self) -> None:
        self.desk.studio.start(self._live, float(self._seconds.value), locked=self.desk.locked())

    def _another(self) -> None:
        self.desk.studio.start(
            self._live, float(self._seconds.value), resumed=self._live.candidates, locked=self.desk.locked()
        )

    def _continue(self) -> None:
        from inference.candidate import Candidate

        here = Candidate(self.desk.patch, self.desk.note, origin="panel")
        self.desk.start = self.desk.patch  # what the run finds is marked against it
        self.desk.load(self.desk.patch, self.desk.note, self.desk.label)
        self.desk.studio.start(
            self._live,
            float(self._seconds.value),
            resumed=(here,),
            start=self.desk.patch,
            locked=self.desk.locked(),
        )
