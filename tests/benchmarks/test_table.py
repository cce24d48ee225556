"""Result files are resumed whatever ended the last run, and jobs survive the process that one of them takes down."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.common.table import Table, machine, one_line, read_table, run_jobs
from render.errors import FileError, FormatError
from tests.paths import ROOT


@dataclass(frozen=True)
class Row:
    name: str
    budget: float
    mss: float | None = None
    renders: int | None = None
    status: str = "ok"

    @property
    def key(self) -> tuple[object, ...]:
        return (self.name, self.budget)


ROWS = [Row('a, "b"', 10.0, 1.25, 300), Row("c", 0.5, None, None, "failed: it, too"), Row("c", 1.0, 2.0, 7)]


def written(path: Path) -> Table[Row]:
    table = Table(Row, path)
    for row in ROWS:
        table.add(row)
    return table


def test_rows_come_back_and_only_what_went_well_is_done(tmp_path: Path) -> None:
    path = tmp_path / "results" / "rows.csv"
    written(path)
    again = Table(Row, path)
    assert again.rows == ROWS
    assert [again.done(row.key) for row in ROWS] == [True, False, True]
    assert not again.done(("never", 1.0))


def test_the_later_row_of_a_key_counts(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    better = replace(ROWS[1], mss=3.0, status="ok")
    written(path).add(better)
    assert Table(Row, path).rows == [ROWS[0], better, ROWS[2]]


def test_half_a_row_is_passed_over_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    written(path)
    path.write_text(path.read_text()[:-6])  # as a killed run leaves it
    table = Table(Row, path)
    assert table.rows == ROWS[:2]
    table.add(ROWS[2])
    assert list(read_table(Row, path)) == ROWS


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("name,other\n")
    with pytest.raises(FormatError, match="other columns than name, budget"):
        Table(Row, path)
    path.write_text("name,budget,mss,renders,status\na,much,,,ok\n")
    with pytest.raises(FormatError, match="line 2"):
        Table(Row, path)
    with pytest.raises(FileError, match="cannot read"):
        list(read_table(Row, tmp_path / "none.csv"))


def test_without_a_file_rows_are_in_memory() -> None:
    table = Table(Row)
    table.add(ROWS[0])
    assert table.rows == ROWS[:1]


def work(number: int) -> list[Row]:
    if number == 2:
        os._exit(1)
    return [Row(str(number), float(os.getpid()))]


def failed(number: int, why: str) -> list[Row]:
    return [Row(str(number), 0.0, status=why)]


def test_jobs_run_side_by_side_and_a_death_costs_a_row() -> None:
    rows = [row for rows in run_jobs(range(1, 5), work, failed, 2) for row in rows]
    assert sorted(row.name for row in rows) == ["1", "2", "3", "4"]
    assert all(row.budget != os.getpid() for row in rows)
    assert any(row.status == "its process died" for row in rows)
    assert sum(row.status == "ok" for row in rows) >= 2


def test_one_at_a_time_stays_in_this_process() -> None:
    (row,) = next(iter(run_jobs([1], work, failed, 1)))
    assert row.budget == os.getpid()


def test_texts_for_rows_hold_no_folders() -> None:
    assert one_line(f"cannot read {Path.cwd()}/a/b:\n no such file") == "cannot read a/b: no such file"
    assert f"{os.cpu_count()} cores" in machine()


def sleep(folder: str) -> list[Row]:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(120.0)
    return []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_the_processes_of_jobs_end_with_the_benchmark(tmp_path: Path) -> None:
    code = (
        "from benchmarks.common.table import run_jobs; from tests.benchmarks.test_table import sleep\n"
        f"list(run_jobs([{str(tmp_path)!r}] * 2, sleep, None, 2))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as process:
        until(lambda: len(list(tmp_path.iterdir())) == 2)
        process.terminate()
        assert process.wait(20.0) == -signal.SIGTERM
    numbers = [int(path.name) for path in tmp_path.iterdir()]
    try:
        until(lambda: all(map(ended, numbers)))
    finally:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def until(what: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def ended(number: int) -> bool:
    """Whether a process is gone, or waits for nobody but a parent that collects its exit code."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{number}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"
