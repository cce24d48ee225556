"""Result files that grow row by row and can be resumed, and running the jobs that make the rows."""

from __future__ import annotations

import csv
import dataclasses
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from render.errors import FileError, FormatError
from render.hosts.processes import die_with_parent

OK = "ok"


class RowLike(Protocol):
    """A frozen dataclass of text, numbers and None, with a status and a key."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def status(self) -> str:
        """``ok``, or why the job failed."""
        ...

    @property
    def key(self) -> tuple[object, ...]:
        """Identifies the job: of two rows with the same key the later one counts."""
        ...


Row = TypeVar("Row", bound=RowLike)
Job = TypeVar("Job")


class Table(Generic[Row]):
    """Rows in memory and, where a path is given, in a CSV file that each new row is appended to.

    Args:
        kind: dataclass of the rows.
        path: CSV file, whose rows are read if it exists.

    Raises:
        FileError: if the file cannot be read or written.
        FormatError: if it has other columns.
    """

    def __init__(self, kind: type[Row], path: Path | None = None) -> None:
        self._kind, self._path = kind, path
        self._columns = [field.name for field in dataclasses.fields(kind)]
        self._rows: dict[tuple[object, ...], Row] = {}
        if path is not None and path.exists():
            for row in read_table(kind, path):
                self._rows[row.key] = row
            self._end_line(path)
        elif path is not None:
            self._append(self._columns)

    @property
    def rows(self) -> list[Row]:
        """The last row of each key, in the order in which the keys came."""
        return list(self._rows.values())

    def done(self, key: tuple[object, ...]) -> bool:
        """Whether there is a row of this key that did not fail."""
        return key in self._rows and self._rows[key].status == OK

    def add(self, row: Row) -> None:
        """Add a row, and write it to the file."""
        self._rows[row.key] = row
        if self._path is not None:
            self._append([_as_text(getattr(row, name)) for name in self._columns])

    def _append(self, cells: Sequence[str]) -> None:
        assert self._path is not None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", newline="", encoding="utf-8") as stream:
                csv.writer(stream, lineterminator="\n").writerow(cells)
        except OSError as error:
            raise FileError(f"cannot write {self._path}: {error.strerror or error}") from error

    @staticmethod
    def _end_line(path: Path) -> None:
        """Complete the last line, which may be half a row of a run that was killed."""
        if not path.read_bytes().endswith(b"\n"):
            with path.open("ab") as stream:
                stream.write(b"\n")


def read_table(kind: type[Row], path: Path) -> Iterator[Row]:
    """The complete rows of a file; a row that was cut off is ignored.

    Raises:
        FileError: if the file cannot be read.
        FormatError: if it has other columns, or a cell that is not a number where one is expected.
    """
    fields = dataclasses.fields(kind)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    lines = list(csv.reader(text.splitlines()))
    columns = [field.name for field in fields]
    if not lines or lines[0] != columns:
        raise FormatError(f"{path} has other columns than {', '.join(columns)}")
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) == len(fields):
            try:
                values = {f.name: _from_text(str(f.type), cell) for f, cell in zip(fields, cells, strict=True)}
            except ValueError as error:
                raise FormatError(f"{path} line {number}: {error}") from error
            yield kind(**values)


def run_jobs(
    jobs: Iterable[Job], work: Callable[[Job], list[Row]], failed: Callable[[Job, str], list[Row]], side_by_side: int
) -> Iterator[list[Row]]:
    """Do jobs; yields the rows of each as they become ready.

    Args:
        jobs: jobs to do.
        work: does one job; runs in this process, or in one that ends with it if ``side_by_side`` is above 1.
        failed: returns the rows of a job whose process died.
        side_by_side: number of jobs that run at the same time.
    """
    if side_by_side == 1:
        yield from map(work, jobs)
        return
    # Each of the jobs gets a share of the cores, or torch in every one of them would use all of them.
    os.environ["OMP_NUM_THREADS"] = str(max((os.cpu_count() or 1) // side_by_side, 1))
    pending = dict(enumerate(jobs))
    while pending:
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(
            side_by_side, mp_context=context, initializer=die_with_parent, initargs=(os.getpid(),)
        )
        try:
            futures = {executor.submit(work, job): number for number, job in pending.items()}
            for future in as_completed(futures):
                rows = future.result()
                del pending[futures[future]]
                yield rows
        except BrokenProcessPool:
            # It is unknown which of the running jobs ended its process: the first one is given up.
            yield failed(pending.pop(min(pending)), "its process died")
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def machine() -> str:
    """Description of this machine in one line, for result files."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = lines[0] if lines else ""
    return ", ".join(filter(None, (f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} cores", model)))


def one_line(text: str) -> str:
    """A message on one line, without the path of the current folder."""
    return " ".join(text.replace(f"{Path.cwd()}{os.sep}", "").split())


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _from_text(kind: str, cell: str) -> object:
    """The value of a cell, by the annotation of its field, such as ``float | None``."""
    if cell == "" and "None" in kind:
        return None
    return {"int": int, "float": float}.get(kind.split(" ")[0], str)(cell)
