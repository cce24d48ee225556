"""How close a renderer is to golden renders of the real plug-in: distances by group, and the worst rows by name.

Every golden patch is played with its note, velocity and gate, and compared with the golden audio at the plug-in's own
level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from render.audio import Audio
from render.errors import UnknownName
from render.files import write_csv
from render.instruments.patch import Patch
from render.measures.golden import GoldenRow
from render.measures.metrics import lsd, mss, side_mss, sot
from render.note import SAMPLE_RATE, Note

Renderer = Callable[[Patch, Note], Audio]
"""Plays a patch and returns audio of shape ``(2, note.n_samples)``, as a host's ``render`` does."""

MUSICAL = ("whole", "factory")
"""Groups of whole patches; every other group varies one block of the instrument."""
N_WORST = 5
"""Number of rows that the table names as the worst of a group."""


@dataclass(frozen=True, slots=True)
class Score:
    """Distances of one render from its golden render.

    Attributes:
        row: the golden render.
        mss: multi-scale log-mel difference in dB.
        lsd: log-spectral distance in dB.
        sot: spectral optimal transport in kHz.
        side: MSS of left minus right in dB, where the golden render has two different sides.
        level_db: level of the render above that of the golden render.
    """

    row: GoldenRow
    mss: float
    lsd: float
    sot: float
    side: float | None
    level_db: float


def audible_rows(rows: Sequence[GoldenRow], groups: Sequence[str] = ()) -> list[GoldenRow]:
    """The rows that are loud enough to be compared.

    Args:
        rows: golden rows.
        groups: groups to keep; all of them by default.

    Raises:
        UnknownName: for a group that none of the rows belongs to.
    """
    audible = [row for row in rows if row.audible]
    known = list(dict.fromkeys(row.group for row in audible))
    for group in groups:
        if group not in known:
            raise UnknownName("group", group, known)
    return [row for row in audible if not groups or row.group in groups]


def score(row: GoldenRow, render: Renderer) -> Score:
    """Play one golden patch and measure how far the sound is from the golden render.

    Args:
        row: golden row, with the patch to play.
        render: renderer that is judged.
    """
    target, audio = row.audio(), render(row.patch, row.note)
    energies = [float(np.mean(np.square(side.mean(0, dtype=np.float64)))) for side in (audio, target)]
    return Score(
        row=row,
        mss=mss(target, audio, SAMPLE_RATE),
        lsd=lsd(target, audio, SAMPLE_RATE),
        sot=sot(target, audio, SAMPLE_RATE),
        side=side_mss(target, audio, SAMPLE_RATE) if row.stereo else None,
        level_db=10.0 * float(np.log10((energies[0] + 1e-20) / (energies[1] + 1e-20))),
    )


def table(scores: Sequence[Score]) -> Iterator[str]:
    """The lines of a table: one per group, then several groups together.

    Each metric has its median and its 90th percentile, in dB (SOT in kHz); the level has its 95th percentile. The line
    ``musical`` is ``whole`` and ``factory`` together, without patches that use the envelope editor.

    Args:
        scores: scores of all rows.
    """
    yield (
        f"{'group':17s}{'count':>5s} {'MSS':>12s} {'floor':>6s} {'LSD':>12s} {'SOT':>12s} {'side MSS':>12s}"
        f" {'level':>12s}  worst"
    )
    for group in dict.fromkeys(one.row.group for one in scores):
        yield _line(group, [one for one in scores if one.row.group == group])
    blocks = [one for one in scores if one.row.group not in MUSICAL]
    musical = [one for one in scores if one.row.group in MUSICAL and not one.row.uses_envelope_editor]
    if blocks:
        yield _line("all blocks", blocks)
    if musical:
        yield _line("musical", musical)


def _line(title: str, scores: Sequence[Score]) -> str:
    worst = sorted(scores, key=lambda one: -one.mss)[:N_WORST]
    figures = [
        _figures(one.mss for one in scores),
        f"{np.median([one.row.floor_mss or 0.0 for one in scores]):6.2f}",
        _figures(one.lsd for one in scores),
        _figures(one.sot for one in scores),
        _figures(one.side for one in scores if one.side is not None),
        _figures((abs(one.level_db) for one in scores), 0.95),
    ]
    names = ", ".join(f"{one.row.stem} {one.mss:.1f}" for one in worst)
    return f"{title:17s}{len(scores):5d} {' '.join(figures)}  {names}"


def _figures(values: Iterable[float], quantile: float = 0.9) -> str:
    """Median and a quantile in columns of fixed width; a dash for no values."""
    listed = list(values)
    return f"{np.median(listed):5.2f} {np.quantile(listed, quantile):6.2f}" if listed else f"{'-':>12s}"


def write_scores(scores: Sequence[Score], path: Path) -> None:
    """Write one line per golden render.

    Args:
        scores: scores of all rows.
        path: file to write.

    Raises:
        FileError: if the file cannot be written.
    """
    lines: list[list[str]] = [["name", "group", "mss", "floor_mss", "lsd", "sot", "side_mss", "level_db"]]
    for one in scores:
        side = "" if one.side is None else f"{one.side:.3f}"
        figures = [f"{value:.3f}" for value in (one.mss, one.row.floor_mss or 0.0, one.lsd, one.sot)]
        lines.append([one.row.stem, one.row.group, *figures, side, f"{one.level_db:.3f}"])
    write_csv(path, lines)
