"""The library finds sounds, and is made anew exactly when what is kept does not fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from render.audio import Audio
from render.data import library
from render.data.accept import refusal
from render.data.library import Library, Plan, Progress, _make_worker, build, read_library
from render.data.library import open_library as open_any_library
from render.errors import HostError, InvalidAudio, OutOfRange
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Prior
from render.instruments.table import Table
from render.measures.fingerprint import DECIBELS_PER_STEP, FLOOR_DB, Steps, distances, fingerprint, to_steps
from render.noisemaker.engine.host import EmbeddedHost
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.scale_host import ScaleHost, make_broken

PLAN = Plan(notes=(48, 60), draws=(8, 12))
INFO = ScaleHost().info
assert NOISEMAKER.prior is not None
PRIOR = NOISEMAKER.prior


def open_library(
    path: Path,
    host: HostInfo,
    make_host: Callable[[], Host],
    *,
    plan: Plan,
    workers: int = 2,
    progress: Progress | None = None,
) -> Library:
    return open_any_library(path, TABLE, PRIOR, host, make_host, plan=plan, workers=workers, progress=progress)


def _other_hash() -> str:
    return "other"


def noise(seconds: float, seed: int = 0) -> Audio:
    audio = np.random.default_rng(seed).standard_normal((2, round(seconds * SAMPLE_RATE)))
    return (0.1 * audio).astype(np.float32)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "cache" / "library.npz"
    open_library(path, INFO, ScaleHost, plan=PLAN, workers=1)
    return path


@pytest.fixture
def made(kept: Path) -> Library:
    return open_library(kept, INFO, make_broken, plan=PLAN)


def test_every_patch_is_found_by_its_own_sound(made: Library) -> None:
    assert len(made.sounds[0].codes) < len(made) == len(made.sounds[1].codes) <= 12
    host = ScaleHost()
    for position in range(len(made)):
        patch = made.patch(position)
        for note in (Note(60, 64, 0.3, 1.0), Note(60, 100, 1.4, 2.0)):
            audio = 3.0 * host.render(patch, note)  # level does not count
            assert patch in made.nearest(audio, note, 5)
        assert made.nearest(host.render(patch, Note(60, 100, 1.0, 2.0)), Note(60), 1) == [patch]


def test_the_order_is_that_of_the_distances(made: Library) -> None:
    audio = noise(1.0)
    everything = made.nearest(audio, Note(60), len(made))
    assert len(made.distances(audio, Note(48))) == len(made.sounds[0].codes)
    assert made.nearest(audio, Note(60), 4) == everything[:4]
    ordered = np.sort(made.distances(audio, Note(60)))
    assert [made.patch(int(k)) for k in np.argsort(made.distances(audio, Note(60)))] == everything
    assert 0.0 < ordered[0] < ordered[-1]


def test_patches_differ_in_sound(made: Library) -> None:
    levels = np.minimum(made.sounds[1].unpacked(), FLOOR_DB / DECIBELS_PER_STEP) * DECIBELS_PER_STEP
    for k in range(len(made)):
        from_one = np.abs(levels - levels[k]).mean(axis=(1, 2))
        assert (np.delete(from_one, k) >= library.DUPLICATE_DB).all()


def test_the_shipped_library_fits_and_finds_the_sounds_of_the_embedded_host() -> None:
    assert NOISEMAKER.library is not None
    shipped = read_library(NOISEMAKER.library, TABLE, PRIOR)
    assert shipped is not None, "the table or the prior has changed: python -m render library makes it again"
    assert len(shipped) == len(shipped.sounds[1].codes) > 0.9 * max(library.DEFAULT_PLAN.draws)
    host = EmbeddedHost()
    for position in (0, 1234, 6999):
        patch = shipped.patch(position)
        at_reference, elsewhere = Note(60, 100, 1.0, 2.0), Note(57, 80, 0.4, 1.5)
        assert shipped.nearest(host.render(patch, at_reference), at_reference, 1) == [patch]
        assert patch in shipped.nearest(host.render(patch, elsewhere), elsewhere, 400)


def test_wrong_questions_are_refused(made: Library) -> None:
    with pytest.raises(OutOfRange, match="1 to"):
        made.nearest(noise(1.0), Note(48), len(made))
    with pytest.raises(OutOfRange):
        made.nearest(noise(1.0), Note(60), 0)
    with pytest.raises(InvalidAudio, match="silent"):
        made.nearest(np.zeros((2, 44100), np.float32), Note(60), 1)


def test_what_is_kept_is_used(kept: Path) -> None:
    before = kept.stat()
    started = time.monotonic()
    open_library(kept, INFO, make_broken, plan=PLAN)
    assert time.monotonic() - started < 1.0
    assert kept.stat().st_mtime_ns == before.st_mtime_ns


def test_workers_do_not_change_it(kept: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    open_library(
        tmp_path / "library.npz", INFO, ScaleHost, plan=PLAN, progress=lambda done, size: seen.append((done, size))
    )
    assert (tmp_path / "library.npz").read_bytes() == kept.read_bytes()
    assert seen == [(k, 12) for k in range(1, 13)]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"garbage" * 1000, None])
def test_a_damaged_file_is_made_anew(kept: Path, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "library.npz"
    path.write_bytes(kept.read_bytes()[:-500] if content is None else content)
    open_library(path, INFO, ScaleHost, plan=PLAN, workers=1)
    assert path.read_bytes() == kept.read_bytes()


def test_what_does_not_fit_is_made_anew(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "library.npz"
    path.write_bytes(kept.read_bytes())
    with pytest.raises(HostError):  # it renders, and this host cannot
        open_library(path, replace(INFO, version="2"), make_broken, plan=PLAN, workers=1)
    with pytest.raises(HostError):
        open_library(path, INFO, make_broken, plan=replace(PLAN, draws=(8, 13)), workers=1)
    other_table = Table("other", TABLE.home, TABLE.parameters[:-1])
    other_prior = Prior(PRIOR.draw, _other_hash)
    for table, prior in ((other_table, PRIOR), (TABLE, other_prior)):
        with pytest.raises(HostError):
            open_any_library(path, table, prior, INFO, make_broken, plan=PLAN, workers=1)
    with monkeypatch.context() as patched:
        patched.setattr(library, "SCHEMA", "other")
        with pytest.raises(HostError):
            open_library(path, INFO, make_broken, plan=PLAN, workers=1)
    assert path.read_bytes() == kept.read_bytes()


def test_a_few_failed_renders_are_passed_over() -> None:
    render = _make_worker(ScaleHost, PRIOR, PLAN)

    def renders() -> Iterator[Steps | HostError | None]:
        for index in range(12):
            yield HostError("crashed") if index % 3 == 0 else render(index)

    made = build(renders(), PRIOR, PLAN)
    assert len(made) > 6
    assert (made.indices % 3 != 0).all()
    with pytest.raises(HostError, match="none of the draws"):
        build([None] * 12, PRIOR, PLAN)
    with pytest.raises(HostError, match="only 0 of 200 draws"):
        build([None] * 1000, PRIOR, replace(PLAN, draws=(8, 1000)))


def test_a_fingerprint_has_only_the_cells_of_the_sound() -> None:
    whole = fingerprint(noise(3.0), 1.0)
    short = fingerprint(noise(3.0), 0.1)
    cut = fingerprint(noise(0.5), 1.0)
    assert whole is not None
    assert short is not None
    assert cut is not None
    assert np.isfinite(whole).all()
    assert np.isfinite(short[:, 0]).tolist() == [True] * 3 + [False] * 4 + [True] * 4
    assert np.isfinite(cut[:, 0]).tolist() == [True] * 5 + [False] * 6
    assert whole.max() == 0.0
    assert fingerprint(np.zeros((2, 44100), np.float32), 1.0) is None
    assert fingerprint(noise(0.001), 1.0) is None


def test_distances_are_of_shape_not_level() -> None:
    one, other = fingerprint(noise(2.0), 1.0), fingerprint(0.01 * noise(2.0, seed=1), 1.0)
    assert one is not None
    assert other is not None
    tilted = to_steps(one - np.linspace(0.0, 20.0, one.shape[1], dtype=np.float32))
    near, far = distances(one, np.stack([to_steps(other), tilted]))
    assert near < 2.0 < 4.0 < far


def test_the_gate() -> None:
    audio = noise(0.1)
    audio *= 0.5 / np.abs(audio).max()
    assert refusal(audio) is None
    assert refusal(0.02 * audio) == "quiet"
    assert refusal(0.001 * audio) == "silent"
    assert refusal(2.1 * audio) == "clipped"
    for value in (np.nan, np.inf):
        audio[0, 3] = value
        assert refusal(audio) == "broken"
