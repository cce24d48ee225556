"""The picture of clips and matches, on the fake host."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest

from benchmarks.__main__ import main
from benchmarks.common.rows import judging
from benchmarks.common.runs import Row
from benchmarks.common.table import Table
from benchmarks.product import picture
from inference.ports import Models
from render.measures.golden import read_rows
from tests.paths import GOLDEN, needs_golden


def rows_in(path: Path, targets: list[str]) -> None:
    table = Table(Row, path)
    for number, target in enumerate(targets):
        table.add(Row("factory", target, "all", 1.0, 0, "embedded", 1, 1, "a machine", mss=float(number)))


@needs_golden
@pytest.mark.usefixtures("fake_hosts")
def test_shows_the_targets_at_the_quartiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(picture, "load_models", lambda *_: Models())
    names = [row.stem for row in judging(read_rows(GOLDEN), 5)]
    rows_in(tmp_path / "rows.csv", names)
    out = tmp_path / "out" / "refine.png"
    options = ["--golden", str(GOLDEN), "--csv", str(tmp_path / "rows.csv"), "--seconds", "1", "--workers", "1"]
    assert main(["picture", *options, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert [line.partition(":")[0] for line in printed.splitlines()] == names[1:4]
    pixels = matplotlib.image.imread(out)
    assert pixels.shape[1] > pixels.shape[0] > 400
    assert pixels[..., :3].std() > 0.1


def test_says_that_there_are_no_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows_in(tmp_path / "rows.csv", ["one"])
    options = ["--golden", "nowhere", "--csv", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "refine.png")]
    assert main(["picture", *options]) == 1
    assert "no rows of refine" in capsys.readouterr().err
    assert not (tmp_path / "refine.png").exists()
