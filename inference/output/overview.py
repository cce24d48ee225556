"""Results of many clips on one page, and in one table: ``summary.html`` and ``summary.csv``."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from inference.clip.focus import Focus
from inference.output.names import OVERVIEW_STEM
from render.errors import FileError
from render.files import read_text, write_text
from render.note import Note

COLUMNS = ("clip", "state", "mss", "lsd", "note", "seconds", "renders", "preset", "report", "error", "not_compared")

_RECOGNISED = 6
"""Number of the first columns by which a table of ``refine`` is recognised; the others may be newer than it."""

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#20242c;background:#fafaf8}
body{max-width:1200px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin:0 0 .5rem}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .8rem .3rem 0;text-align:left;border-bottom:1px solid #ddd;vertical-align:middle}
th button{font:inherit;font-weight:600;background:none;border:0;padding:0;cursor:pointer;color:inherit}
th[aria-sort=ascending] button::after{content:" \\2191"}th[aria-sort=descending] button::after{content:" \\2193"}
td.n{text-align:right}audio{height:32px;width:200px}.failed{color:#b3261e}
@media (prefers-color-scheme:dark){body{background:#101216;color:#e6e8ec}th,td{border-color:#333}a{color:#7fb0e0}}
"""
_SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.onclick = () => {
  const head = button.closest("th"), column = [...head.parentNode.children].indexOf(head);
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = (row) => row.children[column].dataset.sort;
  const order = (a, b) => key(a).localeCompare(key(b), undefined, { numeric: true }) * (down ? -1 : 1);
  const body = document.querySelector("tbody");
  body.append(...[...body.children].sort(order));
};
for (const player of document.querySelectorAll("audio")) player.onplay = () => {
  for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
};
"""


def write_overview(
    folder: Path,
    records: Sequence[Mapping[str, Any]],
    failures: Sequence[Mapping[str, str]],
    not_started: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Write the page and the table of a batch; earlier ones of the same folder are replaced.

    Args:
        folder: folder of the results.
        records: content of each clip's ``NAME.json``.
        failures: clips that failed, with ``clip`` and ``error``.
        not_started: names of clips that have not been started.

    Returns:
        The paths of the page and of the table.

    Raises:
        FileError: if they cannot be written.
    """
    rows = [_row(record) for record in records]
    known = {row["clip"] for row in rows}
    rows += [
        {"clip": failure["clip"], "state": "failed", "error": failure["error"]}
        for failure in failures
        if failure["clip"] not in known  # a run that failed late has a match, and its row the error
    ]
    rows += [{"clip": name, "state": "not started"} for name in not_started]
    page, table = (overview_path(folder, suffix) for suffix in (".html", ".csv"))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(table, stream.getvalue())
    write_text(page, _page(rows, folder))
    return page, table


def overview_path(folder: Path, suffix: str) -> Path:
    """Name of the page or the table, with a number if another file has that name."""
    begins = ",".join(COLUMNS[:_RECOGNISED]) if suffix == ".csv" else _head()
    number = 1
    while True:
        path = folder / (f"{OVERVIEW_STEM}{suffix}" if number == 1 else f"{OVERVIEW_STEM}-{number}{suffix}")
        if not os.path.lexists(path):
            return path
        with contextlib.suppress(FileError, UnicodeDecodeError):
            if read_text(path).startswith(begins):
                return path
        number += 1


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    distance, files = record["best"]["distance"], record["files"][0]
    return {
        "clip": record["clip"],
        "state": record["ended"],
        "mss": round(distance["mss"], 3),
        "lsd": round(distance["lsd"], 3),
        "note": Note.name(record["note"]) if record["pitched"] else "",
        "seconds": round(record["seconds"], 1),
        "renders": record["renders"],
        "preset": Path(files["preset"]).name,
        "report": Path(files["report"]).name,
        "error": record["error"],
        "not_compared": Focus.from_data(record).left_out(),
        "match": files["match"],
        "clip_path": record["clip_path"],
    }


def _head() -> str:
    return '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Clips and their matches</title>'


def _page(rows: Sequence[Mapping[str, Any]], folder: Path) -> str:
    done = sum("mss" in row for row in rows)
    titles = {"clip": "clip", "mss": "MSS dB", "lsd": "LSD dB", "note": "note", "state": "state"}
    heads = "".join(f"<th><button>{title}</button></th>" for title in titles.values())
    body = "".join(_table_row(row, folder, titles) for row in rows)
    return (
        f"{_head()}<style>{_STYLE}</style></head><body><h1>{done} of {len(rows)} clips have a match</h1>"
        f"<table><thead><tr>{heads}<th>clip</th><th>match</th><th>files</th></tr></thead><tbody>{body}</tbody></table>"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _table_row(row: Mapping[str, Any], folder: Path, titles: Mapping[str, str]) -> str:
    cells = []
    for name in titles:
        value = row.get(name, "")
        shown = f"{value:.2f}" if isinstance(value, float) else Path(value).name if name == "clip" else str(value)
        if name == "state" and row.get("error"):
            shown += f": {row['error']}"
        if name == "state" and row.get("not_compared"):
            shown += f"; not compared: {row['not_compared']}"
        sort = f"{value:012.4f}" if isinstance(value, float) else shown
        style = " class=n" if name in ("mss", "lsd") else ' class="failed"' if row["state"] == "failed" else ""
        cells.append(f'<td{style} data-sort="{escape(sort or "~")}">{escape(shown)}</td>')
    if "mss" in row:
        players = (_address(Path(row["clip_path"]), folder), _address(Path(row["match"]), folder))
        cells += [
            f'<td data-sort=""><audio controls preload="none" src="{address}"></audio></td>' for address in players
        ]
        links = f'<a href="{quote(row["report"])}">report</a> <a href="{quote(row["preset"])}">preset</a>'
        cells.append(f'<td data-sort="">{links}</td>')
    else:
        cells += ['<td data-sort=""></td>'] * 3
    return f"<tr>{''.join(cells)}</tr>"


def _address(path: Path, folder: Path) -> str:
    """A relative address, so that the folder can be moved together with its clips."""
    try:
        return quote(Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix())
    except ValueError:  # another drive
        return path.absolute().as_uri()
