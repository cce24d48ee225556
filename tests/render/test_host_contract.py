"""What every host promises, whatever is behind it: one class that each implementation passes."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from render.audio import Audio
from render.errors import HostError
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.noisemaker.plugin import ADAPTER
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.fake_host import FakeHost
from tests.plugins import NEKOBI, NEKOBI_ADAPTER, NOISEMAKER, needs_nekobi, needs_noisemaker

SHORT = Note(60, gate_seconds=0.2, seconds=0.4)


@dataclass(frozen=True)
class Subject:
    """A host under test, and what a host that is no NoiseMaker cannot keep of the contract."""

    make: Callable[[], Host]
    draws: bool = True  # whether anything depends on the seed
    silent: float = 1e-6  # level of what zero volume leaves


def make_fake() -> Host:
    return FakeHost()


def make_embedded() -> Host:
    from render.noisemaker.engine.host import EmbeddedHost

    return EmbeddedHost()


def make_nekobi(fork: bool) -> Host:
    from render.hosts.plugin import PluginHost

    return PluginHost(NEKOBI, NEKOBI_ADAPTER, fork=fork)


def make_noisemaker(fork: bool) -> Host:
    from render.hosts.plugin import PluginHost

    return PluginHost(NOISEMAKER, ADAPTER, fork=fork)


SUBJECTS = [
    pytest.param(Subject(make_fake), id="fake"),
    pytest.param(Subject(make_embedded), id="embedded"),
    *(
        pytest.param(
            Subject(functools.partial(make_nekobi, fork), draws=False, silent=1e-3),
            id=f"nekobi-{'forked' if fork else 'fresh'}",
            marks=needs_nekobi,
        )
        for fork in (True, False)
    ),
    *(
        pytest.param(
            Subject(functools.partial(make_noisemaker, fork)),
            id=f"noisemaker-{'forked' if fork else 'fresh'}",
            marks=needs_noisemaker,
        )
        for fork in (True, False)
    ),
]


@pytest.fixture(scope="class", params=SUBJECTS)
def subject(request: pytest.FixtureRequest) -> Subject:
    value = request.param
    assert isinstance(value, Subject)
    return value


@pytest.fixture(scope="class")
def host(subject: Subject) -> Iterator[Host]:
    host = subject.make()
    yield host
    host.close()


def patches(n: int) -> list[Patch]:
    choose = random.Random(3)
    return [TABLE.patch({"volume": choose.uniform(0.3, 0.6), "cutoff": choose.uniform(0.3, 1.0)}) for _ in range(n)]


def make_worker(make: Callable[[], Host]) -> Callable[[tuple[Patch, Note]], Audio]:
    host = make()
    return lambda job: host.render(*job)


class TestContract:
    @pytest.mark.parametrize("seconds", [0.01, 0.4, 1.0 + 0.3 / SAMPLE_RATE])
    @pytest.mark.parametrize("clean", [True, False])
    def test_audio_is_stereo_float32_finite_and_as_long_as_asked(self, host: Host, seconds: float, clean: bool) -> None:
        note = Note(60, seconds=seconds)
        audio = host.render(TABLE.default, note, clean=clean)
        assert audio.dtype == np.float32
        assert audio.shape == (2, note.n_samples)
        assert np.isfinite(audio).all()

    def test_a_note_begins_at_once_and_ends(self, host: Host) -> None:
        audio = np.abs(host.render(TABLE.default, Note(60, gate_seconds=0.2, seconds=1.0)))
        loudest = audio.max()
        assert audio[:, : SAMPLE_RATE // 50].max() > 0.1 * loudest
        assert audio[:, SAMPLE_RATE // 2 :].max() < 0.1 * loudest

    def test_zero_volume_is_silent(self, host: Host, subject: Subject) -> None:
        loud = np.abs(host.render(TABLE.patch({"volume": 0.5}), SHORT)).max()
        assert np.abs(host.render(TABLE.patch({"volume": 0.0}), SHORT)).max() <= subject.silent * loud

    def test_a_knob_reaches_the_sound(self, host: Host) -> None:
        dark, bright = (host.render(TABLE.patch({"cutoff": cutoff}), SHORT) for cutoff in (0.2, 1.0))
        assert np.abs(dark - bright).max() > 0.01 * np.abs(bright).max()

    def test_the_note_reaches_the_sound(self, host: Host) -> None:
        low, high = (host.render(TABLE.default, Note(number, seconds=0.4)) for number in (48, 60))
        assert np.abs(low - high).max() > 0.01 * np.abs(low).max()

    def test_the_same_seed_gives_the_same_clean_audio(self, host: Host, subject: Subject) -> None:
        patch = TABLE.patch({"detune": 1.0})
        first, again, other = (host.render(patch, SHORT, seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert subject.draws != np.array_equal(first, other)

    def test_another_instance_gives_the_same_clean_audio(self, host: Host, subject: Subject) -> None:
        other = subject.make()
        assert np.array_equal(host.render(TABLE.default, SHORT), other.render(TABLE.default, SHORT))
        other.close()

    def test_the_order_of_clean_renders_does_not_matter(self, host: Host) -> None:
        jobs = patches(5)
        forward = [host.render(patch, SHORT) for patch in jobs]
        backward = [host.render(patch, SHORT) for patch in reversed(jobs)]
        assert all(np.array_equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))

    def test_a_fast_render_does_not_reach_the_next_clean_one(self, host: Host) -> None:
        quiet, loud = TABLE.patch({"volume": 0.3}), TABLE.patch({"volume": 0.7, "amprelease": 1.0})
        before = host.render(quiet, SHORT)
        host.render(loud, SHORT, clean=False)
        assert np.array_equal(before, host.render(quiet, SHORT))

    def test_it_says_what_it_is(self, host: Host) -> None:
        info = host.info
        assert info.kind in ("embedded", "plugin", "fake")
        assert info.name
        assert info.as_dict()["version"]

    def test_one_worker_equals_two(self, subject: Subject) -> None:
        jobs = [(patch, SHORT) for patch in patches(6)]
        results = []
        for workers in (1, 2):
            with Pool(functools.partial(make_worker, subject.make), workers) as pool:
                results.append([np.asarray(audio) for audio in pool.map(jobs)])
        assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))

    def test_closing_twice_is_allowed(self, subject: Subject) -> None:
        host = subject.make()
        host.close()
        host.close()


@needs_noisemaker
def test_a_closed_plugin_says_so() -> None:
    host = make_noisemaker(True)
    host.close()
    with pytest.raises(HostError, match="closed"):
        host.render(TABLE.default, SHORT)


def test_the_fake_hosts_tail_is_heard_only_in_fast_renders() -> None:
    host = FakeHost()
    note = Note(60, gate_seconds=1.0, seconds=0.1)
    clean = host.render(TABLE.default, note)
    assert not np.array_equal(clean, host.render(TABLE.default, note, clean=False))
    assert np.array_equal(clean, host.render(TABLE.default, note))
