"""Descending on the proxy: closer, inside the knobs' range, and never where it must not go."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfilt

import inference.stages.proxy_descent
from inference.candidate import Candidate
from inference.clip.focus import Focus
from inference.clip.target import Target
from inference.constraints import Constraints
from inference.ports import DescentJob
from inference.stages.descended import free_knobs, step_factors
from inference.stages.descender import ProxyDescender
from inference.stages.proxy_descent import Path, Settings
from inference.stages.proxy_descent import descend as descend_job
from proxy.kernels import spectra
from proxy.loss.distance import TargetDistance
from proxy.synth.controls import SEARCHED, Controls
from proxy.synth.corrections import Corrections
from proxy.synth.voice import render
from render.noisemaker.changes.lfos import with_lfo
from render.noisemaker.editor_curves import N_DESCENDED, lines, steps, straight_heights
from render.noisemaker.facts import PITCH_REACH
from render.noisemaker.prior import draw
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note

NOTE = Note(48, 100, 0.15, 0.25)
TRUE = TABLE.patch({"cutoff": 0.45, "filtercontour": 0.7, "filterdecay": 0.4, "ampdecay": 0.35, "ampsustain": 0.6})
MOVED = {"cutoff": 0.6, "filterdecay": 0.25, "ampsustain": 0.4}
SHORT = Settings(steps=15, survivors={})


def descend(
    starts: Sequence[Candidate],
    targets: Sequence[Target],
    *,
    settings: Settings,
    constraints: Constraints | None = None,
    threads: int = 1,
    n_continued: int = 0,
    used: Callable[[], float] = lambda: 0.0,
) -> list[Path]:
    job = DescentJob(starts, targets, constraints or Constraints(), n_continued, used)
    return descend_job(job, settings=settings, threads=threads)


@pytest.fixture(scope="module")
def target() -> Target:
    audio = render(Controls.from_patches([TRUE], [NOTE]), NOTE.n_samples)[0, :1].numpy()
    return Target("clip", audio, NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0)


def test_a_descent_comes_nearer_and_is_the_same_again(target: Target) -> None:
    starts = [Candidate(TRUE.with_knobs(MOVED), NOTE), Candidate(TRUE.with_knobs({"cutoff": 0.3}), NOTE)]
    paths = descend(starts, [target], settings=SHORT)
    for path in paths:
        assert min(path.losses) < 0.5 * path.losses[0]
        assert path.kept[-1].patch != path.start.patch
        assert all(0.0 <= knob <= 1.0 for candidate in path.kept for knob in candidate.patch.knobs)
    again = descend(starts, [target], settings=SHORT)
    assert [path.kept for path in again] == [path.kept for path in paths]
    alone = descend(starts[1:], [target], settings=SHORT)
    np.testing.assert_allclose(alone[0].losses, paths[1].losses, rtol=1e-3)


def test_locked_searched_silent_and_discrete_knobs_stay(target: Target) -> None:
    start = Candidate(TRUE.with_knobs(MOVED), NOTE)
    constraints = Constraints.parse(TABLE, ["ampsustain=0.4"])
    free = free_knobs(start.patch, constraints)
    assert {"cutoff", "filtercontour", "osc1volume"} <= free
    assert not free & ({"ampsustain", "volume", "lfo1rate", "osc2finetune", "filtertype"} | SEARCHED)
    (path,) = descend([start], [target], constraints=constraints, settings=SHORT)
    moved = {name for name in TABLE.names if path.kept[-1].patch[name] != start.patch[name]}
    assert moved
    assert moved <= free


def test_a_candidate_that_leaves_the_numbers_is_dropped_and_the_others_go_on(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(controls: Controls, n_samples: int, corrections: Corrections | None = None) -> torch.Tensor:
        audio = render(controls, n_samples, corrections)
        return audio * torch.where(controls.knob("highpass") > 0.5, torch.nan, 1.0)[:, None, None]

    monkeypatch.setattr(inference.stages.proxy_descent, "render", broken)
    starts = [Candidate(TRUE.with_knobs(MOVED | {"highpass": high}), NOTE) for high in (0.9, 0.1)]
    lost, good = descend(starts, [target], settings=SHORT)
    assert not lost.finite
    assert lost.kept == []
    assert good.finite
    assert min(good.losses) < good.losses[0]


def test_a_stalled_descent_and_a_spent_budget_end_early(target: Target) -> None:
    start = Candidate(TRUE.with_knobs(MOVED), NOTE)
    (stalled,) = descend([start], [target], settings=dataclasses.replace(SHORT, rate=0.0, patience=3))
    assert len(stalled.losses) == 4
    (spent,) = descend([start], [target], settings=SHORT, used=iter([0.0, 0.4, 0.8, 1.2]).__next__)
    assert len(spent.losses) == 4


def test_the_farther_ones_are_left_behind(target: Target) -> None:
    starts = [Candidate(TRUE.with_knobs({"cutoff": cutoff}), NOTE) for cutoff in (0.2, 0.4, 0.6, 0.9)]
    settings = dataclasses.replace(SHORT, survivors={2: 2, 4: 1}, patience=99, least_gain=0.0)
    paths = descend(starts, [target], settings=settings)
    assert sorted(len(path.losses) for path in paths) == [3, 3, 5, 16]
    longest = max(paths, key=lambda path: len(path.losses))
    assert min(longest.losses[:3]) <= sorted(min(path.losses[:3]) for path in paths)[1]


def test_threads_and_parts_change_nothing(target: Target) -> None:
    starts = [Candidate(TRUE.with_knobs({"cutoff": 0.2 + 0.07 * k}), NOTE) for k in range(9)]
    settings = dataclasses.replace(SHORT, steps=2)
    one, two = (descend(starts, [target], settings=settings, threads=threads) for threads in (1, 2))
    for path, other in zip(one, two, strict=True):
        np.testing.assert_allclose(other.losses, path.losses, rtol=1e-3)


def test_a_start_that_goes_on_takes_smaller_steps_and_is_not_left_behind(target: Target) -> None:
    settings = dataclasses.replace(SHORT, steps=1, continued_rate=0.25, kept_every=1, survivors={0: 0})
    start = Candidate(TRUE.with_knobs(MOVED), NOTE)
    (first,) = descend([start], [target], settings=dataclasses.replace(settings, survivors={}))
    again, new = descend([start, start], [target], settings=settings, n_continued=1)
    assert len(new.losses) == 1
    moved = [
        name
        for name in TABLE.names
        if 0.1 < first.kept[0].patch[name] < 0.9 and name in free_knobs(start.patch, Constraints())
    ]
    assert moved
    for name in moved:
        step = first.kept[0].patch[name] - start.patch[name]
        assert again.kept[0].patch[name] - start.patch[name] == pytest.approx(0.25 * step, rel=1e-2, abs=1e-5)


def test_several_clips_pull_on_one_patch(target: Target) -> None:
    note = Note(60, 60, 0.1, 0.2)
    audio = render(Controls.from_patches([TRUE], [note]), note.n_samples)[0, :1].numpy()
    other = dataclasses.replace(target, audio=audio, note=note)
    (path,) = descend([Candidate(TRUE.with_knobs(MOVED), NOTE)], [target, other], settings=SHORT)
    assert min(path.losses) < 0.6 * path.losses[0]


def test_the_shipped_proxy_gives_candidates_for_the_pipeline(target: Target) -> None:
    descender = ProxyDescender.load()
    steps: list[int] = []
    starts = [Candidate(TRUE.with_knobs(MOVED), NOTE)]
    job = DescentJob(starts, [target], Constraints(), used=lambda: len(steps) / 6, on_step=steps.append)
    found = descender.descend(job)
    assert len(steps) == 6
    assert {candidate.origin for candidate in found.candidates} == {"descend"}
    assert found.notices == ()


def test_the_warm_up_compiles_all_that_patches_need() -> None:
    """Else the first run on a machine compiles in its budget."""
    from proxy.kernels import effects, filters, oscillators

    def signatures() -> dict[str, int]:
        modules = (effects, filters, oscillators)
        found = {name: one for module in modules for name, one in vars(module).items() if hasattr(one, "signatures")}
        return {name: len(one.signatures) for name, one in found.items()}

    corrections = ProxyDescender.load().corrections
    before = signatures()
    assert sum(before.values()) > 10
    note = Note(48, 100, 0.03, 0.05)
    for first in range(0, 64, 16):
        patches = [draw(11, index, 0)[0] for index in range(first, first + 16)]
        controls = Controls.from_patches(patches, [note] * len(patches))
        knobs = controls.knobs.clone().requires_grad_()
        part = dataclasses.replace(controls, knobs=knobs)
        render(part, note.n_samples, corrections).square().sum().backward()
        assert knobs.grad is not None
    assert signatures() == before


def test_a_sparse_candidate_leaves_alone_what_it_does_not_use(target: Target) -> None:
    start = Candidate(TRUE.with_knobs(MOVED | {"osc2fm": 0.0, "reverbwet": 0.0, "filterdrive": 0.3}), NOTE, sparse=True)
    free = free_knobs(start.patch, Constraints(), sparse=True)
    assert "filterdrive" in free
    assert not free & {"osc2fm", "reverbwet", "ringmodulation"}
    assert free < free_knobs(start.patch, Constraints())
    (path,) = descend([start], [target], settings=SHORT)
    assert path.kept[-1].sparse
    assert path.kept[-1].patch["osc2fm"] == path.kept[-1].patch["reverbwet"] == 0.0


def test_the_first_steps_hear_the_beginning_only(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def noted(controls: Controls, n_samples: int, corrections: Corrections | None = None) -> torch.Tensor:
        lengths.append(n_samples)
        return render(controls, n_samples, corrections)

    monkeypatch.setattr(inference.stages.proxy_descent, "render", noted)
    settings = dataclasses.replace(SHORT, steps=4, short_steps=2, short_seconds=0.02)
    (path,) = descend([Candidate(TRUE.with_knobs(MOVED), NOTE)], [target], settings=settings)
    half = target.audio.shape[1] // 2
    assert lengths == [half, half, *[target.audio.shape[1]] * 3]
    assert path.closest == min(path.losses[2:])


def test_screening_orders_candidates_as_the_host_does(target: Target) -> None:
    candidates = [Candidate(TRUE.with_knobs({"cutoff": cutoff}), NOTE) for cutoff in (0.9, 0.2, TRUE["cutoff"])]
    screened = ProxyDescender.load(threads=2).screen(candidates, [target])
    assert [one.patch for one in screened] == [one.patch for one in candidates]
    assert min(screened, key=lambda one: one.loss).patch == candidates[2].patch
    assert screened[2].loss < 0.05


def test_the_curve_of_the_envelope_editor_is_descended() -> None:
    on = {"envelopeeditoramount": 0.7, "envelopeoneshot": 1.0, "cutoff": 0.35, "filtercontour": 0.5}
    to_filter = {"envelopeeditordest1": "filter", "envelopeeditorspeed": "x32"}
    base = TRUE.with_knobs(on).with_settings(to_filter)
    rising = base.with_extra(lines(np.linspace(0.0, 1.0, N_DESCENDED).tolist()))
    audio = render(Controls.from_patches([rising], [NOTE]), NOTE.n_samples)[0, :1].numpy()
    clip = Target("clip", audio, NOTE, pitched=True, gate_fixed=True, onset_seconds=0.0)
    flat = Candidate(base.with_extra(lines([0.5] * N_DESCENDED)), NOTE)
    (path,) = descend([flat], [clip], settings=dataclasses.replace(SHORT, steps=25))
    assert path.closest < 0.6 * path.losses[0]
    found = straight_heights(path.kept[-1].patch.extra)
    assert found is not None
    assert found[-1] > found[0] + 0.2
    locked = Constraints.parse(TABLE, ["envelopeeditoramount"], start=flat.patch)
    (kept,) = descend([flat], [clip], constraints=locked, settings=SHORT)
    assert all(one.patch.extra == flat.patch.extra for one in kept.kept)


def test_a_bent_curve_is_left_as_it_is() -> None:
    assert straight_heights(lines([0.0, 1.0, 0.0])) is not None  # its corners are among the heights
    assert straight_heights(steps([0.0, 1.0, 0.3, 0.6, 0.1])) is None
    assert straight_heights(()) is None


@pytest.mark.parametrize("focus", [Focus(ignored_seconds=((0.1, 0.14),)), Focus(band_hz=(60.0, 3000.0))])
def test_what_does_not_count_is_not_descended(target: Target, focus: Focus) -> None:
    beside = np.random.default_rng(0).standard_normal(target.audio.shape)
    beside *= 0.1
    if focus.band_hz is None:
        beside[:, : round(0.1 * SAMPLE_RATE)] = beside[:, round(0.14 * SAMPLE_RATE) :] = 0.0
    else:
        beside = sosfilt(butter(16, 6000.0, "highpass", fs=SAMPLE_RATE, output="sos"), beside)
    disturbed = target.audio + np.float32(beside)
    heard = dataclasses.replace(target, audio=focus.mask(0.0).apply(disturbed), focus=focus)
    answer = Candidate(TRUE, NOTE)
    (path,) = descend([answer], [heard], settings=dataclasses.replace(SHORT, steps=1))
    (whole,) = descend(
        [answer], [dataclasses.replace(target, audio=disturbed)], settings=dataclasses.replace(SHORT, steps=1)
    )
    assert path.losses[0] < 0.05 < 0.1 * whole.losses[0]
    (screened,) = ProxyDescender.load().screen([answer], [heard])
    assert screened.loss < 0.05


@pytest.mark.parametrize("channels", [1, 2])
def test_the_loops_of_the_loss_are_compiled_when_the_proxy_is_loaded(channels: int) -> None:
    ProxyDescender.load()
    loops = [loop for loop in vars(spectra).values() if hasattr(loop, "signatures")]
    assert len(loops) > 10
    assert all(len(loop.signatures) == 1 for loop in loops)
    renders = torch.randn(2, 2, 4000, generator=torch.Generator().manual_seed(1)).requires_grad_()
    TargetDistance(renders.detach()[0, :channels]).measure(renders)[0].sum().backward()
    assert all(len(loop.signatures) == 1 for loop in loops)


def test_steep_amounts_move_by_small_steps() -> None:
    wide, faint = (with_lfo(TRUE, "lfo1", "osc1", 3.0, amount) for amount in (0.5, 1e-6))
    factors = step_factors(wide)
    semitones = PITCH_REACH * 3.0 * 2.0 * 0.5 ** (2.0 / 3.0)  # for a turn of the knob, of which the amount is the cube
    assert factors["lfo1amount"] * semitones == pytest.approx(0.7, rel=0.01)
    assert step_factors(faint)["lfo1amount"] == 1.0
    assert not step_factors(with_lfo(TRUE, "lfo1", "filter", 3.0, 0.5))
    assert "lfo2amount" not in factors
    falling = TRUE.with_settings({"freeaddestination": "osc1"}).with_knobs({"freeadamount": 0.9})
    assert step_factors(falling)["freeadamount"] == pytest.approx(25.0 / (PITCH_REACH * 6.0 * 0.8**2), rel=0.01)
