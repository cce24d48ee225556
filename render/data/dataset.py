"""Making a data set: draws of the prior are rendered, accepted or refused, and written in shards.

Every row is a pure function of the host, the seed and its index. Shards are written in order, each of them completely
or not at all, and a shard that exists is not made again. So the same command continues a run that was interrupted, in
any number of processes, and the result has the same bytes as that of an uninterrupted run.
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
import pickle
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from render.data.accept import refusal
from render.data.flac import encode
from render.data.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest
from render.data.rows import EncodedRow
from render.data.shards import hash_file, open_shard, shard_path, write_shard
from render.errors import FileError, FormatError, HostError, OutOfRange
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Instrument, Prior
from render.synths import DEFAULT_SYNTH, synth

SHARD_SIZE = 250
MOST_ATTEMPTS = 200
"""Draws for one row before giving up: about one in ten is refused, so this many in a row mean a broken host."""
FAILED = "failed"
"""Reason recorded for a draw whose render raised an error."""

Progress = Callable[[int, int], None]
"""Called with the number of rows that are done, those of earlier runs included, and the number wanted."""

RenderAll = Callable[[Iterable[int]], Iterator[EncodedRow | HostError]]
"""Function from the indices of draws to their rows, in order."""


def make_dataset(
    folder: Path,
    manifest: Manifest,
    render_all: RenderAll,
    progress: Progress | None = None,
) -> Manifest:
    """Make a data set, or what is missing of it.

    Args:
        folder: folder of the data set; made if it is missing.
        manifest: what to make, see ``plan``.
        render_all: renders the rows, see ``make_worker`` and ``on_executor``.
        progress: see ``Progress``.

    Returns:
        The manifest of the complete set.

    Raises:
        FormatError: if the folder contains another data set, or a damaged shard.
        FileError: if a file cannot be written, or another process is writing here.
        HostError: if the host fails.
    """
    with _only_writer(folder):
        found = _begin(folder, manifest)
        refused: Counter[str] = Counter()
        missing = []
        for shard in range(manifest.n_shards):
            if shard_path(folder, shard).exists():
                opened = open_shard(shard_path(folder, shard), manifest.shard_indices(shard), manifest.instrument)
                refused.update(itertools.chain(*opened.refused))
            else:
                missing.append(shard)
        n_done = manifest.count - sum(len(manifest.shard_indices(shard)) for shard in missing)
        rendered = render_all(index for shard in missing for index in manifest.shard_indices(shard))
        for shard in missing:
            rows = []
            for row in itertools.islice(rendered, len(manifest.shard_indices(shard))):
                if isinstance(row, HostError):
                    raise row
                rows.append(row)
                n_done += 1
                if progress is not None:
                    progress(n_done, manifest.count)
            write_shard(shard_path(folder, shard), rows, manifest.instrument)
            refused.update(itertools.chain(*(row.refused for row in rows)))
        hashes = tuple(hash_file(shard_path(folder, shard)) for shard in range(manifest.n_shards))
        if found.sha256 not in (None, hashes):
            raise FormatError(
                f"{folder} has shards that are not those of its manifest; make it again in another folder"
            )
        complete = replace(manifest, refused=dict(sorted(refused.items())), sha256=hashes)
        write_manifest(folder, complete)
        return complete


def _begin(folder: Path, manifest: Manifest) -> Manifest:
    """The manifest of the folder, written if it is empty; temporary files of a killed writer are removed."""
    for left in folder.glob(".shard-*.tar"):
        left.unlink(missing_ok=True)
    if (folder / MANIFEST_FILE).exists():
        found = read_manifest(folder)
        if found.as_started() != manifest:
            raise FormatError(f"{folder} contains another data set: {_differences(found.as_started(), manifest)}")
        return found
    if any(shard_path(folder, shard).exists() for shard in range(manifest.n_shards)):
        raise FormatError(f"{folder} contains shards of a data set without their {MANIFEST_FILE}")
    write_manifest(folder, manifest)
    return manifest


def plan(
    host: HostInfo, *, seed: int, count: int, shard_size: int = SHARD_SIZE, instrument: Instrument | None = None
) -> Manifest:
    """The manifest of a data set to make; raises ``OutOfRange``.

    Args:
        host: identity of the host that renders it.
        seed: seed of the set of draws.
        count: number of renders.
        shard_size: renders per shard.
        instrument: instrument whose prior is drawn from; the default synth where missing.
    """
    for name, value, low in (("seed", seed, 0), ("count", count, 1), ("shard size", shard_size, 1)):
        if value < low:
            raise OutOfRange(name, value, f"{low} or more")
    instrument = instrument or synth(DEFAULT_SYNTH)
    if instrument.prior is None:
        raise OutOfRange("synth", instrument.name, "a synth that has a prior to draw patches from")
    return Manifest(seed, count, shard_size, host.as_dict(), instrument.prior.hash(), instrument.table.hash)


def make_worker(make_host: Callable[[], Host], seed: int, name: str = DEFAULT_SYNTH) -> Callable[[int], EncodedRow]:
    """The worker of a ``Pool`` whose ``map`` is a ``RenderAll`` for the data set ``seed`` of a synth."""
    return functools.partial(make_row, make_host(), seed, name=name)


def on_executor(
    executor: Executor, make_host: Callable[[], Host], seed: int, ahead: int, name: str = DEFAULT_SYNTH
) -> RenderAll:
    """Render on anything with the ``concurrent.futures`` interface, such as a cluster.

    Args:
        executor: runs the renders; each of its processes opens one host and keeps it.
        make_host: a module-level function or a ``functools.partial`` of one, importable there.
        seed: seed of the data set.
        ahead: how many rows to keep in flight.
        name: name of the synth whose prior is drawn from.
    """
    task = functools.partial(_make_row_there, pickle.dumps(make_host), seed, name)

    def render_all(indices: Iterable[int]) -> Iterator[EncodedRow | HostError]:
        pending: deque[Future[EncodedRow]] = deque()
        try:
            for index in indices:
                pending.append(executor.submit(task, index))
                if len(pending) > ahead:
                    yield _outcome(pending.popleft())
            while pending:
                yield _outcome(pending.popleft())
        finally:
            for future in pending:
                future.cancel()

    return render_all


def make_row(host: Host, seed: int, index: int, *, name: str = DEFAULT_SYNTH) -> EncodedRow:
    """The first attempt at a draw that is accepted, rendered; raises ``HostError`` if there is none."""
    draw = _prior(name).draw
    refused: list[str] = []
    for attempt in range(MOST_ATTEMPTS):
        patch, note = draw(seed, index, attempt)
        try:
            audio = host.render(patch, note, seed=index)
        except HostError:
            refused.append(FAILED)
            continue
        reason = refusal(audio)
        if reason is None:
            flac, gain = encode(audio)
            return EncodedRow(index, attempt, patch, note, gain, flac, tuple(refused))
        refused.append(reason)
    raise HostError(f"row {index} of the data set: {MOST_ATTEMPTS} draws were refused ({dict(Counter(refused))})")


def _prior(name: str) -> Prior:
    prior = synth(name).prior
    assert prior is not None
    return prior


def _make_row_there(pickled_make_host: bytes, seed: int, name: str, index: int) -> EncodedRow:
    return make_row(_host_of_this_process(pickled_make_host), seed, index, name=name)


@functools.cache
def _host_of_this_process(pickled_make_host: bytes) -> Host:
    host: Host = pickle.loads(pickled_make_host)()
    return host


def _outcome(future: Future[EncodedRow]) -> EncodedRow | HostError:
    try:
        return future.result()
    except HostError as error:
        return error
    except Exception as error:  # whatever an executor raises when it loses a worker
        return HostError(f"the scheduler lost a render: {type(error).__name__}: {error}")


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, which is released however the process ends; raises ``FileError``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileError(f"cannot write in {folder}: {error.strerror or error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise FileError(f"another process is writing in {folder}") from error
    finally:
        os.close(handle)


def _differences(found: Manifest, wanted: Manifest) -> str:
    pairs = zip(asdict(found).items(), asdict(wanted).values(), strict=True)
    return ", ".join(f"its {name} is {here!r}, not {there!r}" for (name, here), there in pairs if here != there)
