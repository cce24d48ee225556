"""Data sets: the same bytes however they are made, and typed errors for whatever is wrong."""

from __future__ import annotations

import argparse
import fcntl
import functools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from render.audio import Audio
from render.commands import dataset as dataset_command
from render.commands import summary as summary_command
from render.data import shards
from render.data.dataset import make_dataset, make_row, make_worker, on_executor, plan
from render.data.flac import decode, encode
from render.data.manifest import Manifest, read_manifest
from render.data.rows import EncodedRow
from render.data.shards import Dataset, open_shard, shard_path
from render.errors import FileError, FormatError, HostError, OutOfRange, ReconstructError
from render.hosts.pool import Pool
from render.noisemaker import hosts
from render.noisemaker.prior import draw
from render.noisemaker.table import TABLE
from render.note import Note
from tests.paths import ROOT
from tests.scale_host import ScaleHost, make_any, make_broken, make_killer

COUNT = 22
INFO = ScaleHost().info
MANIFEST = plan(INFO, seed=7, count=COUNT, shard_size=8)


def render_here(indices: Iterable[int]) -> Iterator[EncodedRow | HostError]:
    return (make_row(ScaleHost(), MANIFEST.seed, index) for index in indices)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete data set; copy it before changing it."""
    folder = tmp_path_factory.mktemp("data") / "set"
    make_dataset(folder, MANIFEST, render_here)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for name, content in contents(made).items():
        (folder / name).write_bytes(content)
    return folder


def test_rows_are_what_was_drawn_and_rendered(made: Path) -> None:
    dataset = Dataset(made)
    assert len(dataset) == COUNT
    for index, row in enumerate(dataset):
        assert row.index == index
        assert (row.patch, row.note) == draw(MANIFEST.seed, index, row.attempt)
        audio = ScaleHost().render(row.patch, row.note, seed=index)
        peak = np.abs(audio).max()
        assert 0.02 <= peak < 1.0
        assert row.audio.shape == (2 if row.patch.choice("chorus1enable") == "on" else 1, row.note.n_samples)
        np.testing.assert_allclose(row.audio, audio[: len(row.audio)], atol=0.51 * peak / 32767)
    assert dataset.knobs.shape == (COUNT, 82)
    assert dataset[-1].index == COUNT - 1
    assert [row.index for row in dataset[2:5]] == [2, 3, 4]
    with pytest.raises(IndexError):
        dataset[COUNT]
    assert list(dataset.verify()) == [0, 1, 2]


def test_refused_draws_are_counted(made: Path) -> None:
    manifest = read_manifest(made)
    attempts = sum(row.attempt for row in Dataset(made))
    assert manifest.refused is not None
    assert sum(manifest.refused.values()) == attempts > 0
    assert set(manifest.refused) <= {"silent", "quiet", "clipped"}


def test_the_bytes_are_golden(made: Path) -> None:
    # Everything but the FLAC files, whose bytes may change with libsndfile.
    fields = open_shard(shard_path(made, 0), range(8)).fields
    kept = [fields[name].tobytes() for name in sorted(fields) if name not in ("crc32", "gain")]
    assert zlib.crc32(b"".join(kept)) == 1994955384


@pytest.mark.parametrize("n_before", [0, 3, 8, 11, 21])
def test_an_interrupted_run_ends_with_the_same_bytes(made: Path, tmp_path: Path, n_before: int) -> None:
    def interrupted(indices: Iterable[int]) -> Iterator[EncodedRow | HostError]:
        for k, row in enumerate(render_here(indices)):
            if k == n_before:
                raise KeyboardInterrupt
            yield row

    folder = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        make_dataset(folder, MANIFEST, interrupted)
    with pytest.raises(FormatError, match="not complete"):
        Dataset(folder)
    make_dataset(folder, MANIFEST, render_here)
    assert contents(folder) == contents(made)


def test_workers_that_are_killed_change_nothing(made: Path, tmp_path: Path) -> None:
    make_host = functools.partial(make_killer, str(tmp_path / "marker"))
    with Pool(functools.partial(make_worker, make_host, MANIFEST.seed), 2) as pool:
        make_dataset(tmp_path / "set", MANIFEST, pool.map)
    assert (tmp_path / "marker").exists()
    assert contents(tmp_path / "set") == contents(made)


def test_a_killed_run_resumes_to_the_same_bytes(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    code = f"""
        import time
        from pathlib import Path
        from render.data.dataset import make_dataset
        from tests.render.test_dataset import MANIFEST, render_here

        def slowly(indices):
            for row in render_here(indices):
                time.sleep(0.02)
                yield row

        make_dataset(Path({str(folder)!r}), MANIFEST, slowly)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 60.0
        while not shard_path(folder, 0).exists() and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert shard_path(folder, 0).exists()
    assert not shard_path(folder, 2).exists()
    (folder / ".shard-00001.left.tar").write_bytes(b"what a killed writer leaves")
    make_dataset(folder, MANIFEST, render_here)
    assert contents(folder) == contents(made)


def test_any_executor_will_do(made: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        make_dataset(tmp_path / "set", MANIFEST, on_executor(executor, ScaleHost, MANIFEST.seed, ahead=4))
    assert contents(tmp_path / "set") == contents(made)


def test_a_dask_cluster_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        make_dataset(tmp_path / "set", MANIFEST, on_executor(client.get_executor(), ScaleHost, MANIFEST.seed, ahead=8))
    assert contents(tmp_path / "set") == contents(made)


def test_a_complete_set_is_left_as_it_is(copy: Path, made: Path) -> None:
    def never(indices: Iterable[int]) -> Iterator[EncodedRow | HostError]:
        assert list(indices) == []
        return iter(())

    make_dataset(copy, MANIFEST, never)
    assert contents(copy) == contents(made)


def test_progress_counts_what_earlier_runs_did(copy: Path) -> None:
    shard_path(copy, 1).unlink()
    seen: list[tuple[int, int]] = []
    make_dataset(copy, MANIFEST, render_here, lambda done, count: seen.append((done, count)))
    assert seen == [(k, COUNT) for k in range(15, 23)]


@pytest.mark.parametrize("keep", [0, 100, 1024, 20_000, 100_000])
def test_a_shard_cut_short_is_refused(copy: Path, keep: int) -> None:
    path = shard_path(copy, 1)
    content = path.read_bytes()
    assert len(content) > keep
    path.write_bytes(content[:keep])
    with pytest.raises(FormatError, match=r"shard-00001.*damaged"):
        Dataset(copy)
    with pytest.raises(FormatError, match=r"shard-00001.*damaged"):
        make_dataset(copy, MANIFEST, render_here)


def test_a_flipped_bit_is_found(copy: Path) -> None:
    path = shard_path(copy, 2)
    content = bytearray(path.read_bytes())
    shard = open_shard(path, MANIFEST.shard_indices(2))
    content[int(shard.offsets[3]) + int(shard.sizes[3]) // 2] ^= 1
    path.write_bytes(content)
    dataset = Dataset(copy)
    with pytest.raises(FormatError, match="row 3 has changed"):
        dataset[2 * 8 + 3]
    with pytest.raises(FormatError, match="SHA-256"):
        list(dataset.verify())
    with pytest.raises(FormatError, match="not those of its manifest"):
        make_dataset(copy, MANIFEST, render_here)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"table_hash": "0"}, "table_hash '0'; allowed"),
        ({"schema": 99}, "schema 99; allowed"),
        ({"sample_rate": 48000}, "sample_rate 48000; allowed"),
        ({"seed": 5}, "its seed is 5, not 7"),
        ({"count": 23}, "its count is 23, not 22"),
        ({"prior_hash": "x"}, "its prior_hash is 'x'"),
        ({"surprise": 1}, "not a manifest"),
    ],
)
def test_another_manifest_is_refused(copy: Path, change: dict[str, object], says: str) -> None:
    path = copy / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FormatError, match=says):
        make_dataset(copy, MANIFEST, render_here)


def test_a_manifest_that_is_none(copy: Path, tmp_path: Path) -> None:
    for content in ("", "[]", "{}", "\0", '{"schema": 1'):
        (copy / "manifest.json").write_text(content)
        with pytest.raises(FormatError):
            Dataset(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(FormatError, match="without"):
        make_dataset(copy, MANIFEST, render_here)
    with pytest.raises(FileError, match="contains no data set"):
        Dataset(tmp_path / "nothing")


def test_a_missing_shard_is_said(copy: Path) -> None:
    shard_path(copy, 0).unlink()
    with pytest.raises(FileError, match="shard-00000"):
        Dataset(copy)


def test_only_one_writes(copy: Path) -> None:
    handle = os.open(copy, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(FileError, match="another process"):
            make_dataset(copy, MANIFEST, render_here)
    finally:
        os.close(handle)
    make_dataset(copy, MANIFEST, render_here)


def test_a_full_disk_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Path) -> None:
    real, n_written = shards._add, 0

    def fills(tar: object, name: str, content: bytes) -> None:
        nonlocal n_written
        n_written += 1
        if n_written > 13:
            raise OSError(28, "No space left on device")
        real(tar, name, content)  # type: ignore[arg-type]

    folder = tmp_path / "set"
    with monkeypatch.context() as patched:
        patched.setattr(shards, "_add", fills)
        with pytest.raises(FileError, match="No space left"):
            make_dataset(folder, MANIFEST, render_here)
    assert sorted(contents(folder)) == ["manifest.json", "shard-00000.tar"]
    make_dataset(folder, MANIFEST, render_here)
    assert contents(folder) == contents(made)


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot write"):
        make_dataset(tmp_path / "file" / "set", MANIFEST, render_here)


def test_a_broken_host_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"draws were refused.*failed"):
        make_row(make_broken(), 1, 0)
    with ThreadPoolExecutor(1) as executor, pytest.raises(HostError, match="draws were refused"):
        make_dataset(tmp_path / "set", MANIFEST, on_executor(executor, make_broken, 7, ahead=2))


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"count": 0}, {"shard_size": 0}])
def test_impossible_plans_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OutOfRange, match="or more"):
        plan(INFO, **({"seed": 1, "count": 1, "shard_size": 1} | wrong))


def test_encoding_keeps_level_shape_and_the_quiet(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    audio: Audio = (np.geomspace(0.5, 1e-5, 5000) * rng.uniform(-1, 1, (2, 5000))).astype(np.float32)
    back = decode(*encode(audio))
    assert back.shape == (2, 5000)
    assert np.abs(back - audio).max() < 0.51 * 0.5 / 32767
    assert decode(*encode(np.stack([audio[0]] * 2))).shape == (1, 5000)
    row = EncodedRow(0, 0, TABLE.default, Note(60), 1.0, b"flac")
    shards.write_shard(tmp_path / "one.tar", [replace(row, index=1)])
    with pytest.raises(FormatError, match="damaged"):
        open_shard(tmp_path / "one.tar", [0])


def test_the_command_makes_goes_on_and_describes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hosts, "open_host", make_any)
    parser, summary_parser = argparse.ArgumentParser(), argparse.ArgumentParser()
    dataset_command.add_arguments(parser)
    summary_command.add_arguments(summary_parser)
    out = tmp_path / "set"
    arguments = parser.parse_args(["--out", str(out), "--count", "5", "--workers", "1", "--shard-size", "3"])
    assert dataset_command.run(arguments) == 0
    captured = capsys.readouterr()
    assert "5 renders in 2 shards" in captured.out
    assert "5 of 5 renders, " in captured.err
    before = contents(out)
    shard_path(out, 1).unlink()
    arguments.quiet = True
    assert dataset_command.run(arguments) == 0
    assert contents(out) == before
    assert capsys.readouterr().err == ""
    assert summary_command.run(summary_parser.parse_args([str(out), "--verify"])) == 0
    assert "every shard matches its checksum" in capsys.readouterr().out


def test_a_scheduler_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(hosts, "open_host", make_any)
    monkeypatch.setattr("render.hosts.cluster._SECONDS_TO_CONNECT", 0.2)
    parser = argparse.ArgumentParser()
    dataset_command.add_arguments(parser)
    with pytest.raises(HostError, match=r"no Dask scheduler answers at .tcp://127\.0\.0\.1:9"):
        dataset_command.run(
            parser.parse_args(["--out", str(tmp_path / "set"), "--count", "5", "--scheduler", "tcp://127.0.0.1:9"])
        )


def test_the_summary_says_what_there_is(made: Path) -> None:
    text = summary_command.summary(Dataset(made))
    assert text.startswith("22 renders, ")
    assert "refused of" in text
    assert "envelope editor" in text


def test_the_reader_feeds_torch(made: Path) -> None:
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(Dataset(made), batch_size=None, shuffle=True)
    assert sorted(row.index for row in loader) == list(range(COUNT))


def test_a_manifest_counts_its_shards() -> None:
    manifest = Manifest(1, 9, 4, INFO.as_dict(), "x", TABLE.hash)
    assert manifest.n_shards == 3
    assert [list(manifest.shard_indices(k)) for k in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert issubclass(FormatError, ReconstructError)


def test_reading_loads_no_host() -> None:
    modules = "('torch', 'dawdreamer', 'render.hosts.pool')"
    code = f"import sys, render.data.shards; print([m for m in {modules} if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert output.strip() == "[]"
