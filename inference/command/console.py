"""The output of a run in the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console as RichConsole
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from inference.clip.target import Target
from inference.leaderboard import Leaderboard
from inference.match import Match
from render.errors import printable
from render.files import display_name

_SPARKS = "▁▂▃▄▅▆▇█"
_SPARKLINE = 24
_BAR = 28
_NARROWEST, _USUAL_WIDTH = 20, 80


class Console:
    """Everything goes to standard error, so that ``--json`` has standard output to itself.

    Args:
        quiet: whether to print nothing but errors.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = RichConsole(stderr=True, quiet=quiet, highlight=False)
        if self._console.width < _NARROWEST:  # COLUMNS=0, for one, in which nothing is printed
            self._console.width = _USUAL_WIDTH
        self._live: Live | None = None
        self._done = self._count = 0
        self._began = 0.0
        self._run: Table | None = None

    def say(self, text: str) -> None:
        """Print a line without wrapping it, so that paths can be copied from it."""
        self._console.print(printable(text), markup=False, soft_wrap=True)

    def error(self, text: str) -> None:
        """Print an error, also if ``quiet``."""
        print(f"refine: {text}", file=sys.stderr)

    def preparing(self, done: int, count: int) -> None:
        """Progress of the library's first render."""
        self._say_tenths("rendering the library, once", done, count)

    @contextlib.contextmanager
    def counting(self) -> Iterator[Callable[[str, int, int], None]]:
        """Progress of what takes minutes: a bar in a terminal, elsewhere a line for each tenth.

        Yields:
            A function to call with what is done now, how much of it is done, and how much there is.
        """
        if self._quiet or not self._console.is_terminal:
            yield self._say_tenths
            return
        with self._shown():

            def show(what: str, done: int, count: int) -> None:
                self._run = Table.grid(padding=(0, 1))
                self._run.add_row(" ", ProgressBar(count, done, width=_BAR), Text(f"{what}: {done} of {count}"))
                self._show()

            yield show
            self._run = None

    def _say_tenths(self, what: str, done: int, count: int) -> None:
        if count and (done == count or done % max(count // 10, 1) == 0):
            self.say(f"{what}: {done} of {count}")

    def analysed(self, clip: Path, target: Target) -> None:
        """Print the note, gate and notices of a clip."""
        note = target.note
        key = f"chord {note.title}" if note.chord else f"note {note.number} ({note.title})"
        pitch = key if target.pitched else "no clear pitch"
        sides = "stereo" if target.stereo else "mono"
        name = display_name(clip.name)
        self.say(f"{name}: {note.seconds:.2f} s, {sides}, {pitch}, key held about {note.gate_seconds:.2f} s")
        for notice in target.notices:
            self.say(f"  {notice}")

    def judged(self, match: Match) -> None:
        """The best so far; the last line of the run says it all."""

    @contextlib.contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """A bar over all clips of a command, if there are several.

        Args:
            count: number of clips that are refined.
        """
        self._done, self._count, self._began = 0, count, time.monotonic()
        if count < 2:
            yield
            return
        with self._shown():
            self._show()
            yield

    def advance(self) -> None:
        """A clip of the batch is done."""
        self._done += 1
        if self._count > 1 and not self._console.is_terminal:
            self.say(f"{self._done} of {self._count} clips{self._time_left()}")
        self._show()

    @contextlib.contextmanager
    def progress(self) -> Iterator[Callable[[Leaderboard], None]]:
        """A live line: a bar, the stage, the best distance and its history, the time left, renders per second."""
        if self._quiet:
            yield lambda board: None
            return
        if not self._console.is_terminal:
            yield self._say_once("  searching")
            return
        with self._shown():

            def show(board: Leaderboard) -> None:
                self._run = run_line(board)
                self._show()

            yield show
            self._run = None

    @contextlib.contextmanager
    def _shown(self) -> Iterator[None]:
        """The live part of the terminal, which a batch and its runs share."""
        if self._live is not None or self._quiet or not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=5, transient=True) as self._live:
            yield
        self._live = None

    def _show(self) -> None:
        if self._live is None:
            return
        grid = Table.grid()
        if self._run is not None:
            grid.add_row(self._run)
        if self._count > 1:
            line = Table.grid(padding=(0, 1))
            bar = ProgressBar(self._count, self._done, width=_BAR)
            line.add_row(" ", bar, Text(f"{self._done} of {self._count} clips{self._time_left()}"))
            grid.add_row(line)
        self._live.update(grid)

    def _time_left(self) -> str:
        if self._done == 0 or self._done >= self._count:
            return ""
        seconds = (time.monotonic() - self._began) / self._done * (self._count - self._done)
        return f", about {duration(seconds)} left"

    def _say_once(self, text: str) -> Callable[[Leaderboard], None]:
        said = False

        def show(board: Leaderboard) -> None:
            nonlocal said
            if not said:
                self.say(text)
                said = True

        return show

    def done(self, match: Match, record: dict[str, Any]) -> None:
        """The summary of a run."""
        path = "  ->  ".join(f"{stage.name} {stage.best.mss:.2f}" for stage in match.stages)
        self.say(f"  MSS in dB after each stage: {path}")
        if match.tidied is not None:
            plain = "the default patch" if match.options.start is None else "the start preset"
            before, after = match.tidied.differing_before, match.tidied.differing_after
            self.say(f"  settings that differ from {plain}: {before}, {after} after tidying")
        for notice in match.notices:
            self.say(f"  {notice}")
        prepared = f", {match.prepared_seconds:.1f} s of preparation, once" if match.prepared_seconds > 1.0 else ""
        self.say(f"  {match.renders} renders in {match.seconds:.1f} s{prepared}")
        for candidate, files in zip(record["candidates"], record["files"], strict=True):
            gain = f" with a gain of {candidate['gain_db']:+.1f} dB" if abs(candidate["gain_db"]) >= 0.05 else ""
            self.say(f"  {display_name(files['preset'])}  (MSS {candidate['distance']['mss']:.2f} dB{gain})")
        self.say(f"  {display_name(record['files'][0]['report'])}")

    def finished(self, record: Mapping[str, Any]) -> None:
        """The summary of a run in another process, in one line."""
        preset = display_name(record["files"][0]["preset"])
        self.say(f"{display_name(record['clip'])}: MSS {record['best']['distance']['mss']:.2f} dB  {preset}")

    def summary(self, records: Sequence[dict[str, Any]], count: int) -> None:
        """A table of several clips, closest first."""
        table = Table("clip", "MSS dB", "LSD dB", "preset", title=f"{len(records)} of {count} clips")
        for record in sorted(records, key=lambda r: r["best"]["distance"]["mss"]):
            distance = record["best"]["distance"]
            preset = Path(record["files"][0]["preset"]).name
            figures = [f"{distance[name]:.2f}" for name in ("mss", "lsd")]
            table.add_row(Text(record["clip"]), *figures, Text(display_name(preset)))  # a name may look like markup
        self._console.print(table)


def run_line(board: Leaderboard) -> Table:
    """One line about a run."""
    budget = board.budget
    rate = budget.n_renders / max(budget.elapsed(), 1e-3)
    best = f"{board.best[0].loss:.3f}" if board.best else "-"
    line = Table.grid(padding=(0, 1))
    line.add_row(
        " ",
        ProgressBar(1.0, min(budget.used(), 1.0), width=_BAR),
        Text(f"{board.stage:8}"),
        Text(f"distance {best}"),
        Text(sparkline([point.loss for point in board.history]), style="cyan"),
        Text(f"{budget.left()} left, {rate:.0f} renders/s"),
    )
    return line


def sparkline(losses: Sequence[float]) -> str:
    """The history of the distance as small bars; the last is the newest.

    >>> sparkline([4.0, 3.0, 1.0])
    '█▆▁'
    """
    shown = losses[-_SPARKLINE:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = max(high - low, 1e-12)
    return "".join(_SPARKS[min(int((loss - low) / span * len(_SPARKS)), len(_SPARKS) - 1)] for loss in shown)


def duration(seconds: float) -> str:
    """A length of time for people.

    >>> duration(42.4), duration(125.0), duration(7300.0)
    ('42 s', '2 min', '2 h 2 min')
    """
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
