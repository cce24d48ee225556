"""The library finds sounds, and is made anew exactly when what is kept does not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from render.audio import Audio
from render.data import library, library_making
from render.data.accept import refusal
from render.data.library import Draws, Library, read_library
from render.data.library_making import DUPLICATE_DB, Progress, build
from render.data.library_making import open_library as open_any_library
from render.dexed.instrument import DEXED
from render.errors import FileError, HostError, InvalidAudio, OutOfRange
from render.instruments.host import Host, HostInfo
from render.instruments.instrument import Instrument, Prior
from render.instruments.patch import Patch
from render.instruments.table import Table
from render.measures.fingerprint import DECIBELS_PER_STEP, FLOOR_DB, distances, fingerprint, shape, to_steps
from render.noisemaker.engine.host import EmbeddedHost
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from render.vital.instrument import VITAL
from tests.scale_host import ScaleHost, make_broken

DRAWS = {48: 8, 60: 12}
INFO = ScaleHost().info
assert NOISEMAKER.prior is not None
PRIOR = NOISEMAKER.prior


def open_library(
    path: Path,
    make_host: Callable[[], Host],
    *,
    table: Table = TABLE,
    prior: Prior = PRIOR,
    info: HostInfo = INFO,
    draws: Draws = DRAWS,
    workers: int = 1,
    progress: Progress | None = None,
) -> Library:
    return open_any_library(path, table, prior, info, make_host, draws=draws, workers=workers, progress=progress)


def _other_hash() -> str:
    return "other"


def noise(seconds: float, seed: int = 0) -> Audio:
    audio = np.random.default_rng(seed).standard_normal((2, round(seconds * SAMPLE_RATE)))
    return (0.1 * audio).astype(np.float32)


def transposed(patch: Patch, octaves: int) -> Patch:
    row = TABLE.parameter("transpose")
    return patch.with_knobs({row.name: row.choice_knobs[patch.index(row.name) + octaves]})


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "cache" / "library.npz"
    open_library(path, ScaleHost)
    return path


@pytest.fixture
def made(kept: Path) -> Library:
    return open_library(kept, make_broken)


def test_every_patch_is_found_by_its_own_sound(made: Library) -> None:
    assert 0 < len(made.sounds[48]) < len(made) == len(made.sounds[60]) <= 12
    host = ScaleHost()
    for position in range(len(made)):
        patch = made.patch(position)
        for note in (Note(60, 64, 0.3, 1.0), Note(60, 100, 1.4, 2.0)):
            audio = 3.0 * host.render(patch, note)  # level does not count
            assert patch in made.nearest(audio, note, 5)
        assert made.nearest(host.render(patch, Note(60, 100, 1.0, 2.0)), Note(60), 1) == [patch]


def test_patches_are_transposed_to_the_key_of_the_clip(made: Library) -> None:
    low = made.patch(0)
    audio = ScaleHost().render(low, Note(48, 100, 1.0, 2.0))
    assert made.nearest(audio, Note(48), 1) == [low]
    assert made.nearest(audio, Note(36), 1) == [transposed(low, +1)]
    assert made.nearest(audio, Note(45), 1) == [low]
    everything = made.nearest(audio, Note(96), 50)  # three octaves higher than the closest note
    assert len(everything) == len(made)
    assert {patch.choice("transpose") for patch in everything} == {"-12"}


def test_a_number_of_patches_is_the_beginning_of_a_larger_one(made: Library) -> None:
    audio = noise(1.0)
    everything = made.nearest(audio, Note(60), 1000)
    assert len(made) <= len(everything) <= len(made) + len(made.sounds[48])
    assert len(set(everything)) == len(everything)
    assert made.nearest(audio, Note(60), 4) == everything[:4]
    assert made.first(3).nearest(audio, Note(60), 1) == [next(p for p in everything if position_of(p, made) < 3)]


def position_of(patch: Patch, made: Library) -> int:
    """Position of a patch, whatever its transposition."""
    default = {"transpose": TABLE.parameter("transpose").default}
    alike = [made.patch(k).with_knobs(default) == patch.with_knobs(default) for k in range(len(made))]
    return alike.index(True)


def test_patches_differ_in_sound(made: Library) -> None:
    levels = np.minimum(made.sounds[60].unpacked(), FLOOR_DB / DECIBELS_PER_STEP) * DECIBELS_PER_STEP
    for k in range(len(made)):
        from_one = np.abs(levels - levels[k]).mean(axis=(1, 2))
        assert (np.delete(from_one, k) >= DUPLICATE_DB).all()


def test_the_shipped_library_fits_and_finds_the_sounds_of_the_embedded_host() -> None:
    assert NOISEMAKER.library is not None
    shipped = read_library(NOISEMAKER.library, TABLE, PRIOR, NOISEMAKER.library_draws)
    assert shipped is not None, "the table or the prior has changed: python -m render library makes it again"
    assert len(shipped) > 0.9 * max(NOISEMAKER.library_draws.values())
    host = EmbeddedHost()
    for position in (0, 1234, len(shipped) - 1):
        patch = shipped.patch(position)
        at_reference, elsewhere = Note(60, 100, 1.0, 2.0), Note(57, 80, 0.4, 1.5)
        assert shipped.nearest(host.render(patch, at_reference), at_reference, 1) == [patch]
        target = fingerprint(host.render(patch, elsewhere), elsewhere.gate_seconds)
        assert target is not None
        found = shipped.sounds[60].distances(target)
        assert (found < found[position]).mean() < 400 / 7000


@pytest.mark.parametrize("instrument", [VITAL, DEXED], ids=lambda instrument: instrument.name)
def test_the_shipped_libraries_of_other_synths_fit(instrument: Instrument) -> None:
    assert instrument.library is not None
    assert instrument.prior is not None
    shipped = read_library(instrument.library, instrument.table, instrument.prior, instrument.library_draws)
    assert shipped is not None
    assert len(shipped) == 3000
    assert shipped.nearest(noise(1.0), Note(60), 5)


def test_wrong_questions_are_refused(made: Library) -> None:
    with pytest.raises(OutOfRange, match="1 or more"):
        made.nearest(noise(1.0), Note(60), 0)
    with pytest.raises(InvalidAudio, match="silent"):
        made.nearest(np.zeros((2, 44100), np.float32), Note(60), 1)


def test_what_is_kept_is_used(kept: Path) -> None:
    before = kept.stat()
    open_library(kept, make_broken)
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    assert list(kept.parent.iterdir()) == [kept]


def test_workers_do_not_change_it(kept: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    open_library(
        tmp_path / "library.npz", ScaleHost, workers=2, progress=lambda done, wanted: seen.append((done, wanted))
    )
    assert (tmp_path / "library.npz").read_bytes() == kept.read_bytes()
    assert seen == [(k, 20) for k in range(1, 21)]


def test_a_making_that_was_ended_continues(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_making, "_BLOCK", 4)
    path = tmp_path / "library.npz"

    def end(done: int, wanted: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_library(path, ScaleHost, progress=end)
    blocks = sorted((tmp_path / "library.parts").iterdir())
    assert not path.exists()
    assert len(blocks) == 2
    blocks[0].write_bytes(b"damaged")
    seen: list[tuple[int, int]] = []
    open_library(path, ScaleHost, progress=lambda done, wanted: seen.append((done, wanted)))
    assert seen == [(k, 20) for k in range(5, 21)]
    assert path.read_bytes() == kept.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_the_blocks_of_another_host_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "library.npz"
    with pytest.raises(HostError, match="only 0 of 200 draws"):
        open_library(path, make_broken, draws={60: 500})
    made = open_library(path, ScaleHost)
    blocks = tmp_path / "library.parts"
    blocks.write_text("not a folder")
    with pytest.raises(FileError, match="cannot write"):
        open_library(path, ScaleHost, draws={60: 4})
    read = read_library(path, TABLE, PRIOR, DRAWS, INFO)
    assert read is not None
    assert read.indices.tolist() == made.indices.tolist()


def test_a_damaged_file_is_made_anew(kept: Path, tmp_path: Path) -> None:
    path = tmp_path / "library.npz"
    whole = kept.read_bytes()
    for content in (b"", b"PK\x03\x04", b"garbage" * 1000, whole[:-500], whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert read_library(path, TABLE, PRIOR) is None
    open_library(path, ScaleHost)
    assert path.read_bytes() == whole


def test_no_byte_of_a_file_changes_what_is_found(kept: Path, tmp_path: Path) -> None:
    audio, whole = noise(1.0), kept.read_bytes()
    expected = open_library(kept, make_broken).nearest(audio, Note(60), 8)
    rng = np.random.default_rng(0)
    ends = len(whole) - 600  # the archive's directory
    positions = [*range(0, 150, 3), *range(ends, len(whole), 5), *rng.integers(0, len(whole), 50)]
    path, refused = tmp_path / "library.npz", 0
    for position in positions:
        changed = bytearray(whole)
        changed[position] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        read = read_library(path, TABLE, PRIOR)
        refused += read is None
        assert read is None or read.nearest(audio, Note(60), 8) == expected, position
    assert refused > len(positions) // 2


def test_what_does_not_fit_is_made_anew(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "library.npz"
    path.write_bytes(kept.read_bytes())
    others: tuple[dict[str, Any], ...] = (
        {"info": replace(INFO, version="2")},
        {"draws": DRAWS | {60: 13}},
        {"table": Table("other", TABLE.home, TABLE.parameters[:-1])},
        {"prior": Prior(PRIOR.draw, _other_hash)},
    )
    for other in others:
        with pytest.raises(HostError):  # it renders, and this host cannot
            open_library(path, make_broken, **other)
    with monkeypatch.context() as patched:
        patched.setattr(library, "SCHEMA", "other")
        with pytest.raises(HostError):
            open_library(path, make_broken)
    assert path.read_bytes() == kept.read_bytes()
    assert read_library(path, TABLE, PRIOR) is not None  # made on any host, of any draws


def test_draws_that_are_inaudible_are_left_out() -> None:
    rng = np.random.default_rng(0)
    rendered = {number: rng.integers(0, 100, (count, *shape()), np.uint8) for number, count in DRAWS.items()}
    rendered[60][2], rendered[60][9], rendered[48][5] = 255, 255, 255
    rendered[60][7] = rendered[60][4] ^ 1
    made = build(rendered, PRIOR)
    assert made.indices.tolist() == [0, 1, 3, 4, 6, 8, 10, 11]
    assert {number: len(sounds) for number, sounds in made.sounds.items()} == {48: 5, 60: 8}
    np.testing.assert_array_equal(made.sounds[48].unpacked(), rendered[48][made.indices[:5]])
    with pytest.raises(HostError, match="only 0 of 12 draws"):
        build({60: np.full((12, *shape()), 255, np.uint8)}, PRIOR)


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


def test_foundare_of_shape_not_level() -> None:
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
