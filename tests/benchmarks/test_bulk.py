"""The check of a command that is killed: it counts what is lost, done twice, or left over."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.product.bulk import killed, make_clips

WORKER = """
import csv, json, pathlib, sys, time
out, again, loses, litters = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
out.mkdir(exist_ok=True)
for k in range(6):
    path = out / f"{k:04d}.json"
    if path.exists() and not again or loses and k == 4:
        continue
    temporary = out / f".{k}"
    temporary.write_text(json.dumps({"ended": "finished", "clip": k}))
    temporary.replace(path)
    time.sleep(0.05)
if litters:
    (out / "left.tmp").touch()
with open(out / "summary.csv", "w", newline="") as stream:
    rows = csv.DictWriter(stream, ["clip", "state"])
    rows.writeheader()
    rows.writerows({"clip": path.name, "state": "finished"} for path in out.glob("*.json"))
"""


@pytest.mark.parametrize("faults", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_faults_are_counted(faults: tuple[int, int, int], tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path / "out"), *map(str, faults)]
    said: list[str] = []
    lost, again, left_over = killed(command, tmp_path / "out", count=6, kills=2, say=said.append)
    assert (again > 0, lost, left_over) == (bool(faults[0]), faults[1], faults[2])
    assert len(said) == 2


def test_clips_differ(tmp_path: Path) -> None:
    clips = sorted(make_clips(tmp_path / "clips", 3).iterdir())
    assert len({clip.read_bytes() for clip in clips}) == 3
