"""What a person sees of a run in the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inference.clip.target import Target
from inference.leaderboard import Leaderboard
from inference.match import Match
from render.files import display_name
from render.note import Note


class Console:
    """Everything goes to standard error, so that ``--json`` has standard output to itself.

    Args:
        quiet: whether nothing is said at all.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = RichConsole(stderr=True, quiet=quiet, highlight=False)

    def say(self, text: str) -> None:
        """Print a line. It is never broken: people copy paths from it."""
        self._console.print(text, markup=False, soft_wrap=True)

    def error(self, text: str) -> None:
        """Print what went wrong; it is said even where all else is quiet."""
        print(f"refine: {text}", file=sys.stderr)

    def preparing(self, done: int, count: int) -> None:
        """Progress of the library's first render."""
        if count and (done == count or done % max(count // 10, 1) == 0):
            self.say(f"rendering the library, once: {done} of {count}")

    def heard(self, clip: Path, target: Target) -> None:
        """What was heard in a clip."""
        note = target.note
        pitch = f"note {note.number} ({Note.name(note.number)})" if target.pitched else "no clear pitch"
        sides = "stereo" if target.stereo else "mono"
        name = display_name(clip.name)
        self.say(f"{name}: {note.seconds:.2f} s, {sides}, {pitch}, key held about {note.gate_seconds:.2f} s")
        for notice in target.notices:
            self.say(f"  {notice}")

    @contextlib.contextmanager
    def progress(self) -> Iterator[Callable[[Leaderboard], None]]:
        """A live line: stage, time left, best distance, renders per second."""
        if self._quiet:
            yield lambda board: None
            return
        if not self._console.is_terminal:
            yield self._say_once("  searching")
            return
        with Live(console=self._console, refresh_per_second=4, transient=True) as live:

            def show(board: Leaderboard) -> None:
                budget = board.budget
                rate = budget.n_renders / max(budget.elapsed(), 1e-3)
                best = f"{board.best[0].loss:.3f}" if board.best else "-"
                live.update(Text(f"  {board.stage}: {budget.left()} left, best loss {best}, {rate:.0f} renders/s"))

            yield show

    def _say_once(self, text: str) -> Callable[[Leaderboard], None]:
        said = False

        def show(board: Leaderboard) -> None:
            nonlocal said
            if not said:
                self.say(text)
                said = True

        return show

    def done(self, match: Match, record: dict[str, Any]) -> None:
        """What a run came to."""
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

    def summary(self, records: Sequence[dict[str, Any]], count: int) -> None:
        """A table of several clips, nearest first."""
        table = Table("clip", "MSS dB", "LSD dB", "preset", title=f"{len(records)} of {count} clips")
        for record in sorted(records, key=lambda r: r["best"]["distance"]["mss"]):
            distance = record["best"]["distance"]
            preset = Path(record["files"][0]["preset"]).name
            table.add_row(record["clip"], f"{distance['mss']:.2f}", f"{distance['lsd']:.2f}", display_name(preset))
        self._console.print(table)
