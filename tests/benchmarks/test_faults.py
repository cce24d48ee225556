"""The campaign sees what goes wrong: each kind of failure is made to happen, and counted."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.common.table import OK
from benchmarks.faults import command, reading
from benchmarks.faults.commands import ROOT, Command, problem_of
from benchmarks.faults.machines import USERS, of_users
from benchmarks.faults.mutations import audio_kinds, damaged_audio, damaged_preset
from benchmarks.faults.rows import FOUND, Count

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_damage_depends_on_seed_and_number_only() -> None:
    assert damaged_audio(0, 7) == damaged_audio(0, 7)
    assert damaged_preset(0, 7) == damaged_preset(0, 7)
    assert len({damaged_audio(seed, number)[1] for seed in (0, 1) for number in range(20)}) == 40
    assert {"WAV", "FLAC", "OGG", "AIFF", "CAF"} <= {name for name, _ in audio_kinds()}


def test_a_few_damaged_files_of_each_kind_are_read_or_refused() -> None:
    for read, count in ((reading.audio_files, 20), (reading.preset_files, 40)):
        row = read(0, 5, count).row("x", 0, 5, 1.0)
        assert (row.cases, row.status, row.note) == (count, OK, "")
        assert row.peak_mib < 1000.0


def test_what_goes_wrong_while_reading_is_counted_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pathlib, time, sys, render.noisemaker.presets as presets\n"
        "from render.errors import PresetError\n"
        f"done = pathlib.Path({str(tmp_path / 'done')!r})\n"  # as many letters as files were read, by any process
        "def read_programs(path):\n"
        "    with done.open('a') as stream: stream.write('x')\n"
        "    n = done.stat().st_size\n"
        "    if n == 2: raise KeyError('a bug')\n    assert n != 3, 'a wrong knob'\n"
        "    if n == 4: raise PresetError('one\\ntwo')\n    if n == 5: os.write(2, b'library: hello')\n"
        "    if n == 6: os.abort()\n    if n == 8: time.sleep(100)\n    return []\n"
        "presets.read_programs = read_programs\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(ROOT))))
    monkeypatch.setattr(reading, "SECONDS_PER_CASE", 5.0)
    total = reading.preset_files(0, 0, 10)
    assert (tmp_path / "done").stat().st_size == 10
    assert (total.cases, total.tracebacks, total.hangs, total.lost, total.printed) == (10, 2, 1, 1, 1)
    assert len(total.failures) == 5  # an error of ours is one line, whatever its text
    assert total.row("x", 0, 0, 1.0).status == FOUND


def shell(script: str, cwd: Path) -> Command:
    return Command([script], cwd=cwd, program=("sh", "-c"))


def test_the_end_of_a_command_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.faults.commands._ORPHAN_SECONDS", 1.0)
    total = Count()
    shell("sleep 60 & exit 3", tmp_path).end().count(total, "a")
    assert (total.orphans, total.hangs, total.tracebacks) == (1, 0, 0)
    shell("sleep 60", tmp_path).end(0.3).count(total, "b")
    assert (total.orphans, total.hangs, total.tracebacks) == (1, 1, 0)
    shell("echo 'Traceback (most recent call last):' >&2; exit 1", tmp_path).end().count(total, "c")
    shell("kill -SEGV $$", tmp_path).end().count(total, "d")
    assert (total.orphans, total.hangs, total.tracebacks, total.cases) == (1, 1, 2, 4)
    assert total.failures[0] == "a left sleep 60 "
    command = shell("exec sleep 60", tmp_path)
    assert command.running()
    began = time.monotonic()
    os.kill(command.pid, signal.SIGTERM)
    assert command.end().code == -signal.SIGTERM
    assert time.monotonic() - began < 5.0
    assert problem_of(tmp_path, "clip") is not None


def test_parts_are_kept_and_made_again_if_they_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[int] = []

    def work(part: int, seed: int, count: int) -> Count:
        made.append(part)
        total = Count(cases=count, peak_mib=7.0)
        if part == 1 and made.count(1) == 1:
            total.lose("a result\nis lost")
        return total

    monkeypatch.setattr(command, "LINES", (command.Line("x", "x-rays", work, 3, 1, 3),))
    arguments = ["faults", "--csv", str(tmp_path / "rows.csv")]
    assert main(arguments) == 0
    assert main([*arguments, "--long"]) == 1
    assert "a result is lost" in capsys.readouterr().out
    assert main([*arguments, "--long"]) == 0
    assert made == [0, 1, 2, 1]
    assert main([*arguments, "--table"]) == 0
    assert "| x-rays (`x`) | 9 | 0 | 0 | 0 | 0 | 0 | 7 |" in capsys.readouterr().out
    assert main([*arguments, "--only", "y"]) == 1


def test_a_user_on_a_machine_that_is_not_ours() -> None:
    everything = USERS[-1]
    assert everything.only_read
    assert everything.unknown
    total = of_users([everything], 0, 0, full=False)
    assert (total.cases, total.failures) == (1, [])
