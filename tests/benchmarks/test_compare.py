"""The methods side by side, on the fake host; what their rows add up to, on rows made by hand."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.common import runs, targets
from benchmarks.common.foreign_sounds import ForeignSound
from benchmarks.common.runs import Row
from benchmarks.common.summary import curve, interval, per_target, summary, time_to_share, wins, write_plot
from benchmarks.common.table import Table
from benchmarks.common.targets import Sound, floor_mss, parameter_error, read_sound, read_sounds
from benchmarks.product import budgets, compare, methods
from inference import run as inference_run
from inference.clip.target import Target
from inference.options import Options
from inference.ports import Descent, DescentJob, Models
from render.errors import FileError
from render.instruments.patch import Patch
from render.measures.metrics import mss
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.paths import GOLDEN, needs_golden
from tests.scale_host import ScaleHost

STAGES = ("start", "guess", "descend", "search")
NOTE = Note(60, 100, 0.4, 0.5)


@dataclass(frozen=True)
class Proposal:
    patch: Patch
    note: Note


class Guesser:
    """Proposes the default patch, a little brighter."""

    def propose(self, target: Target, **named: object) -> list[Proposal]:
        return [Proposal(TABLE.patch({"cutoff": 0.6}), target.note)]


class Descender:
    """Turns the cutoff of its starts down a little."""

    batch_size = 2

    def descend(self, job: DescentJob) -> Descent:
        job.on_step(len(job.starts))
        duller = (c.patch.with_knobs({"cutoff": 0.9 * c.patch["cutoff"]}) for c in job.starts)
        return Descent(tuple(replace(c, patch=patch) for c, patch in zip(job.starts, duller, strict=True)))


def models(options: Options) -> Models:
    """Everything but the weights of the regression."""
    stages = options.stages
    if "guess" in stages and options.guess == "regression":
        return Models(notices=("the guess is left out: no weights",))
    return Models(Guesser() if "guess" in stages else None, Descender() if "descend" in stages else None)


@pytest.fixture
def quick(fake_hosts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "load_models", models)
    methods._models_of.cache_clear()
    monkeypatch.setattr(compare, "SMALL", {**compare.SMALL, "count": 1, "seconds": (0.8,)})
    monkeypatch.setattr(methods, "CHECKPOINTS", (0.1, 0.2, 0.4, 0.6))
    monkeypatch.setattr(methods, "_JUDGING_SECONDS", 0.1)
    # On a busy machine 0.8 s may be over after the start: what runs must not depend on that.
    monkeypatch.setattr(
        inference_run, "_FEWEST_SECONDS", {"guess": -math.inf, "descend": math.inf, "search": -math.inf}
    )
    # The first clip loads and compiles what estimates its note, which may take longer than this budget.
    monkeypatch.setattr(methods, "read_sound", lambda sound, **named: (read_sound(sound, **named)[0], 0.0))


def test_every_method_gives_a_row_and_a_second_run_only_tries_what_failed(
    quick: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv, plot = tmp_path / "rows.csv", tmp_path / "plot.svg"
    command = ["compare", "--small", "--workers", "1", "--csv", str(csv)]
    assert main([*command, "--plot", str(plot)]) == 0
    printed = capsys.readouterr().out
    rows = {row.method: row for row in Table(Row, csv).rows}
    assert set(rows) == set(methods.DEFAULT_METHODS)
    assert rows.pop("regression").status == "FileError: the guess is left out: no weights"
    assert "regression failed on 1 of 1" in printed
    for method, row in rows.items():
        assert row.status == "ok"
        assert (row.set, row.target, row.budget, row.host) == ("prior", "prior 0", 0.8, "embedded")
        assert None not in (row.mss, row.lsd, row.mrstft, row.parameter_error, row.floor, row.renders)
        points = curve(row)
        assert points[-1][3] == pytest.approx(row.mss, abs=1e-3)
        assert [p[0] for p in points] == sorted(p[0] for p in points)
        stages = methods.METHODS[method].stages
        known = [stage for stage in STAGES if getattr(row, f"after_{stage}") is not None]
        # A budget of 0.8 s is too little to descend in.
        assert known == ([] if method == "random" else ["start", *(s for s in stages if s != "descend")])
    assert "| `all` against |" in printed
    assert plot.read_text().lstrip().startswith("<?xml")
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("1 runs of 1 targets")
    # ``budgets`` shares the file, and makes the one run that it lacks.
    monkeypatch.setattr(budgets, "SHARES", (0.2,))
    assert main(["budgets", *command[1:], "--plot", str(plot)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("1 runs of 1 targets")
    assert "| until 20% | 1 |" in printed
    assert "Recommended split: **" in printed
    assert "failed" not in printed


def test_a_run_that_breaks_is_a_row_without_folders(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise RuntimeError(f"no {Path.cwd()}/x")

    monkeypatch.setattr(runs, "refine", broken)
    (row,) = methods.do_job(job("search"))
    assert row.status == "RuntimeError: no x"
    monkeypatch.setattr(runs, "refine", lambda *arguments, **named: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        methods.do_job(job("search"))


def job(method: str) -> methods.Job:
    patch = TABLE.default
    sound = Sound("prior", "one", ScaleHost().render(patch, NOTE), NOTE, patch)
    blank = Row("prior", "one", method, 0.5, 0, "embedded", 1, 1, "machine")
    return methods.Job(sound, methods.METHODS[method], blank, "embedded")


def test_a_job_is_the_same_in_another_process(quick: None) -> None:
    (row,) = methods.do_job(pickle.loads(pickle.dumps(job("random"))))
    assert (row.status, row.origin) == ("ok", "random")


@pytest.mark.parametrize("wrong", [["--count", "0"], ["--workers", "0"], ["--side-by-side", "0"], ["--sets", "whole"]])
def test_wrong_numbers_and_missing_folders_are_one_line(
    fake_hosts: None, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *wrong]) == 1
    error = capsys.readouterr().err
    assert error.startswith("benchmarks: ")
    assert wrong[0] in error or "--golden" in error


@pytest.mark.parametrize("wrong", [["--methods", "magic"], ["--seconds", "0"], ["--seconds", "nan"], ["--sets", "x"]])
def test_wrong_lists_are_usage_errors(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", *wrong])
    assert wrong[0] in capsys.readouterr().err


def test_the_prior_is_the_same_and_can_be_heard() -> None:
    first, second = (read_sounds(["prior"], 3, ScaleHost()) for _ in range(2))
    assert [one.name for one in first] == ["prior 0", "prior 1", "prior 2"]
    for one, other in zip(first, second, strict=True):
        assert np.abs(one.audio).max() > 0.02
        np.testing.assert_array_equal(one.audio, other.audio)


@needs_golden
def test_golden_targets_have_odd_hashes_and_a_floor() -> None:
    sounds = read_sounds(["factory", "whole"], 2, ScaleHost(), golden=GOLDEN)
    assert [sound.set for sound in sounds] == ["factory", "factory", "whole", "whole"]
    assert all(sound.patch is not None and sound.plugin_floor is not None for sound in sounds)


def test_foreign_targets_are_spread_and_have_no_floor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    audio = ScaleHost().render(TABLE.default, NOTE)
    made = [ForeignSound("Nekobi", f"draw {k}", NOTE, audio) for k in range(9)]
    monkeypatch.setattr(targets, "read_foreign", lambda folder: made)
    few, many = (read_sounds(["foreign"], n, ScaleHost(), foreign=tmp_path) for n in (4, 20))
    assert [one.name for one in few] == [one.name for one in many][:4] != [one.name for one in made][:4]
    target, _ = read_sound(few[0], known_note=True)
    assert floor_mss(few[0], target, ScaleHost()) is None
    with pytest.raises(FileError, match="--foreign DIR"):
        read_sounds(["foreign"], 4, ScaleHost())


def test_the_floor_is_the_distance_of_the_true_patch_from_the_clip_as_it_was_read() -> None:
    host, patch = ScaleHost(), TABLE.patch({"volume": 0.5, "cutoff": 0.4})
    audio = host.render(patch, NOTE, seed=1)
    late = np.pad(audio, ((0, 0), (4410, 0)))[:, : audio.shape[1]]  # the sound begins 0.1 s into the file
    sound = Sound("factory", "one", audio, NOTE, patch, plugin_floor=0.7)
    target, _ = read_sound(sound)
    expected = mss(target.audio, host.render(patch, NOTE)[:, : target.audio.shape[1]], SAMPLE_RATE)
    assert floor_mss(sound, target, host) == pytest.approx(expected, rel=1e-3)  # at equal loudness, which it nearly is
    delayed, _ = read_sound(replace(sound, audio=late))
    assert delayed.onset_seconds == pytest.approx(0.1, abs=0.005)

    class Plugin(ScaleHost):
        @property
        def info(self):  # type: ignore[no-untyped-def]
            return replace(super().info, kind="plugin")

    assert floor_mss(sound, target, Plugin()) == 0.7


def test_the_parameter_error_counts_what_can_be_heard() -> None:
    true = TABLE.default
    assert parameter_error(true, true) == 0.0
    silent = true.with_knobs({"reverbdecay": 1.0 - true["reverbdecay"]})
    assert parameter_error(true, silent) == (0.0 if not true.sounds("reverbdecay") else pytest.approx(0.5, abs=0.5))
    knob = parameter_error(true, true.with_knobs({"cutoff": true["cutoff"] - 0.5}))
    choice = parameter_error(true, true.with_knobs({"filtertype": 1.0 - true["filtertype"]}))
    assert choice == pytest.approx(2.0 * knob)


def made(method: str, values: Sequence[float | None], *, seed: int = 0, **fields: object) -> list[Row]:
    """A row for each target; None is a failure."""
    blank = Row("factory", "", method, 10.0, seed, "embedded", 2, 1, "machine")
    named = [replace(blank, target=f"target {number}") for number in range(len(values))]
    return [
        replace(row, status="failed: it")
        if value is None
        else replace(row, mss=value, seconds=10.2, renders=400, floor=1.0, **fields)  # type: ignore[arg-type]
        for row, value in zip(named, values, strict=True)
    ]


def test_the_summary_pairs_splits_ties_and_counts_failures() -> None:
    rows = [
        *made("search", [3.0, 4.0, 5.0, 6.0]),
        *made("all", [2.0, 4.0, 2.4, None], after_start=6.0, after_guess=5.0, after_search=5.5),
    ]
    text = summary(rows)
    assert "## factory, 10 s, host embedded" in text
    assert "| *floor* | 4 | 1.00 |" in text
    assert "| search | 4 | 4.5 |" in text
    assert "| all | 3 | 2.4 |" in text
    assert "| 67% |" in text  # 2.0 and 2.4 lie within 1.5 dB of the floor
    assert "| search | 3 | 2.40, 4.00 | -1.00 [" in text
    assert "| 83% [" in text  # two wins and a tie
    assert "start 6.00 -> guess 5.00 -> search 5.50; a stage made it worse 3 times" in text
    assert "Seconds over the budget: largest +2.0%" in text
    assert "all failed on 1 of 4: failed: it" in text
    assert summary([]) == "no rows"


def test_seeds_are_averaged_per_target() -> None:
    rows = [*made("all", [2.0, 3.0]), *made("all", [4.0], seed=1)]
    assert per_target(rows, lambda row: row.mss) == {"target 0": 3.0, "target 1": 3.0}
    assert "Standard deviation of MSS over seeds: median 1.41 dB, 1 targets" in summary(rows)


def test_wins_and_intervals() -> None:
    np.testing.assert_array_equal(wins(np.array([1.0, -1.0, 0.0, 0.005])), [1.0, 0.0, 0.5, 0.5])
    values = np.random.default_rng(3).normal(2.0, 1.0, 400)
    low, high = interval(values, lambda v: np.mean(v, axis=-1))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20.0, rel=0.15)  # of a mean of 400 with deviation 1
    assert interval(values, lambda v: np.mean(v, axis=-1)) == (low, high)


def test_the_time_to_a_share_of_the_gain() -> None:
    (row,) = made("all", [2.0], after_start=6.0, curve="1.0:50:0.9:5.0 3.0:100:0.5:2.3 9.0:300:0.4:2.0")
    assert time_to_share(row, 0.9) == pytest.approx(0.3)
    assert time_to_share(row, 0.99) == pytest.approx(0.9)
    assert time_to_share(replace(row, after_start=2.0), 0.9) is None


def test_the_same_rows_give_the_same_plot(tmp_path: Path) -> None:
    rows = [*made("search", [3.0, 4.0]), *made("all", [2.0, 4.0])]
    paths = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in paths:
        write_plot(rows, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    write_plot([], tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


def test_budgets_reads_curves_and_recommends_the_best_split() -> None:
    slow = "1.0:50:0.9:5.0 5.0:200:0.5:4.0 10.0:500:0.4:3.0"
    fast = "1.0:60:0.9:4.0 5.0:250:0.5:2.5 10.0:600:0.4:2.4"
    rows = [*made("guess+search", [3.0] * 4, curve=slow), *made("all", [2.4] * 4, curve=fast)]
    text = budgets.report(rows)
    assert "| guess+search | 4 | 5.00 |" in text
    assert "Recommended split: **all**, mean MSS 2.40 dB over 4 runs." in text
    assert "* guess+search: +0.60 dB [+0.60, +0.60]" in text
    points = curve(rows[0])
    assert [budgets.at_seconds(points, s) for s in (0.5, 1.0, 7.0, 30.0)] == [None, 5.0, 4.0, 3.0]
    assert [budgets.at_renders(points, n) for n in (10, 200, 500, 1000)] == [None, 4.0, 3.0, None]


def test_budgets_prints_the_gain_of_the_next_ten_seconds() -> None:
    course = "10.0:500:0.9:5.0 20.0:900:0.5:4.0 30.0:1500:0.4:3.95"
    rows = [replace(row, budget=30.0) for row in made("all", [3.95] * 2, curve=course)]
    text = budgets.report(rows)
    assert "| all | 1.00 (100%) | 0.05 (0%) |" in text


def test_the_splits_reach_from_no_descent_to_nothing_else() -> None:
    names = list(budgets.splits())
    assert (names[0], names[-1]) == ("guess+search", "guess+descend")
    assert {"all", "until 20%", "until 60%"} <= set(names)
