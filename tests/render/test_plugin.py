"""The plug-in host on real plug-ins, and what it says of those that cannot be used."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from render.audio import Audio
from render.errors import HostError
from render.hosts import plugin
from render.hosts.plugin import PluginHost, check_plugin
from render.hosts.pool import Pool
from render.instruments.containers import vstpreset
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.measures.metrics import mss
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.hosts import open_host
from render.noisemaker.plugin import ADAPTER, plugin_state
from render.noisemaker.presets import read_programs
from render.noisemaker.table import TABLE
from render.note import SAMPLE_RATE, Note
from tests.paths import BANK, GOLDEN, ROOT, needs_bank, needs_golden
from tests.plugins import NEKOBI, NEKOBI_ADAPTER, NOISEMAKER, needs_nekobi, needs_noisemaker

SHORT = Note(60, gate_seconds=0.2, seconds=0.4)
CURVE = (
    EnvelopePoint(0.0, 1.0, 0.0, 1.0, 0.01, 1.0),
    EnvelopePoint(0.02, 0.0, 0.01, 0.0, 0.03, 0.0),
    EnvelopePoint(1.0, 0.0, 0.9, 0.0, 1.0, 0.0),
)
EDITED = TABLE.default.with_settings({"envelopeeditordest1": "volume"}).with_knobs({"envelopeeditoramount": 1.0})

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler to make a bad plug-in")


def random_patches(n: int) -> list[Patch]:
    choose = random.Random(7)
    patches = []
    for _ in range(n):
        patch = TABLE.patch({row.name: choose.random() for row in TABLE.parameters if row.group != "performance"})
        patches.append(patch.with_knobs({"volume": 0.5, "osc1volume": 0.8, "ampattack": 0.1}).snapped())
    return patches


def digest(audio: Audio) -> str:
    return hashlib.sha256(audio.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def nekobi() -> Iterator[PluginHost]:
    host = PluginHost(NEKOBI, NEKOBI_ADAPTER)
    yield host
    host.close()


@pytest.fixture(scope="module")
def noisemaker() -> Iterator[PluginHost]:
    host = PluginHost(NOISEMAKER, ADAPTER)
    yield host
    host.close()


class FakeInstance:
    """What the opening check sees of a plug-in."""

    def __init__(self, answer: Callable[[float], float]) -> None:
        self.answer = answer
        self.knob = 0.0

    def set_parameter(self, index: int, knob: float) -> None:
        self.knob = knob

    def play(self, number: int, velocity: int, start_seconds: float, gate_seconds: float, n_samples: int) -> Audio:
        return np.full((2, n_samples), self.answer(self.knob), np.float32)


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [(lambda _: 0.5, "ignores its parameters"), (lambda _: 0.0, "silent"), (lambda _: float("nan"), "not finite")],
    )
    def test_a_plugin_whose_cutoff_does_nothing(self, answer: Callable[[float], float], reason: str) -> None:
        with pytest.raises(HostError, match=reason):
            plugin._prove_sound(FakeInstance(answer), {"cutoff": 0}, ADAPTER.proof, Path("x.vst3"))  # type: ignore[arg-type]

    def test_a_plugin_whose_cutoff_works_is_taken(self) -> None:
        plugin._prove_sound(FakeInstance(lambda knob: knob), {"cutoff": 0}, ADAPTER.proof, Path("x.vst3"))  # type: ignore[arg-type]

    def test_a_plugin_without_some_rows_names_them(self) -> None:
        names = [row.name for row in TABLE.parameters]
        names.remove("cutoff")
        with pytest.raises(HostError, match="does not fit the parameter table: it has no parameter cutoff"):
            plugin._match(names, ADAPTER.names, Path("x.vst3"))

    def test_names_match_in_any_spelling_and_the_first_of_two_counts(self) -> None:
        names = [
            "",
            "unused",
            *(row.name.upper().replace("OSC", "Osc ") for row in TABLE.parameters),
            "Cutoff",
            "MIDI CC 0|0",
        ]
        names[names.index("VELOCITYCUTOFF")] = "velocity filter"
        indices = plugin._match(names, ADAPTER.names, Path("x.vst3"))
        assert list(indices.values()) == list(range(2, 2 + len(TABLE.parameters)))

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("missing.vst3", None, "no plug-in at"),
            ("text.vst3", "text", "is not a VST3"),
            ("text.so", "text", "Unable to load plugin"),
            ("sound.wav", "text", "is not a plug-in; allowed"),
        ],
    )
    def test_a_path_that_is_no_plugin(self, tmp_path: Path, name: str, content: str | None, reason: str) -> None:
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(HostError, match=f"^cannot use .*{reason}.*; --plugin embedded needs no plug-in$"):
            open_host(str(tmp_path / name))

    @needs_nekobi
    def test_the_wrong_synth(self) -> None:
        with pytest.raises(HostError, match="is another synthesizer: it has no parameter filtertype"):
            open_host(str(NEKOBI))

    @needs_compiler
    @pytest.mark.parametrize(
        ("body", "reason"),
        [("abort();", "ended by SIGABRT"), ("exit(3);", "exit code 3"), ("sleep(99);", "longer than")],
    )
    def test_one_that_crashes_or_hangs_on_load(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
    ) -> None:
        monkeypatch.setattr(plugin, "SECONDS_TO_LOAD", 3.0 if "sleep" in body else 30.0)
        source, library = tmp_path / "bad.c", tmp_path / "bad.so"
        source.write_text(
            f"#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) static void f(void) {{ {body} }}\n"
        )
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        with pytest.raises(HostError, match=reason) as caught:
            check_plugin(library, ADAPTER)
        assert "\n" not in str(caught.value)

    @needs_nekobi
    def test_one_that_disappears_in_the_middle(self, tmp_path: Path) -> None:
        copy = tmp_path / "nekobi.so"
        shutil.copy(NEKOBI, copy)
        host = PluginHost(copy, NEKOBI_ADAPTER, fork=False)
        host.render(TABLE.default, SHORT)
        copy.unlink()
        with pytest.raises(HostError, match="is gone"):
            host.render(TABLE.default, SHORT)


@needs_nekobi
class TestNekobi:
    def test_is_opened_apart_first(self) -> None:
        info = check_plugin(NEKOBI, NEKOBI_ADAPTER)
        assert info.kind == "plugin"
        assert info.path == str(NEKOBI)
        assert "VST2" in info.version

    def test_is_silent_on_the_terminal(self) -> None:
        code = "from render.hosts.plugin import check_plugin; from tests.plugins import NEKOBI, NEKOBI_ADAPTER; "
        code += "check_plugin(NEKOBI, NEKOBI_ADAPTER)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout + done.stderr == ""

    @pytest.mark.parametrize("number", [36, 48, 60])
    def test_plays_the_note_that_is_asked(self, nekobi: PluginHost, number: int) -> None:
        """Nekobi's 12-semitone tuning stands at its middle; the lowest strong partial is the note."""
        audio = nekobi.render(TABLE.default, Note(number, gate_seconds=1.0, seconds=1.0))[0, 4410:]
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size), 1 << 17))
        lowest = np.flatnonzero(spectrum > 0.3 * spectrum.max())[0] * SAMPLE_RATE / (1 << 17)
        octaves = np.log2(lowest / Note(number).frequency_hz)
        assert abs(octaves - round(octaves)) < 0.04

    @pytest.mark.parametrize("row", sorted(NEKOBI_ADAPTER.names))
    def test_every_parameter_reaches_the_sound(self, nekobi: PluginHost, row: str) -> None:
        base = TABLE.patch({"cutoff": 0.4, "resonance": 0.5, "filtercontour": 0.6})
        low, high = (nekobi.render(base.with_knobs({row: knob}), SHORT) for knob in (0.2, 0.8))
        assert np.abs(low - high).max() > 1e-3

    def test_a_crash_or_hang_in_a_worker_harms_no_other_job(self) -> None:
        with Pool(make_nekobi_worker, 2, seconds_per_job=1.0) as pool:
            expected = pool.submit("render").result()
            results = list(pool.map(["render", "crash", "render", "hang", "render", "render"]))
        for failed, reason in ((results.pop(3), "longer than 1 s"), (results.pop(1), "SIGSEGV")):
            assert isinstance(failed, HostError)
            assert reason in str(failed)
        assert results == [expected] * 4


def make_nekobi_worker() -> Callable[[str], str]:
    host = PluginHost(NEKOBI, NEKOBI_ADAPTER)

    def work(job: str) -> str:
        if job == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if job == "hang":
            time.sleep(60)
        return digest(host.render(TABLE.default, SHORT))

    return work


@needs_noisemaker
class TestNoiseMaker:
    def test_a_loud_endless_delay_does_not_reach_the_next_clean_render(self, noisemaker: PluginHost) -> None:
        quiet = TABLE.patch({"volume": 0.3, "detune": 0.5})
        loud = TABLE.patch({"volume": 0.9, "delaywet": 1.0, "delayfeedback": 1.0, "reverbwet": 1.0})
        before = noisemaker.render(quiet, SHORT)
        noisemaker.render(loud, SHORT)
        assert np.array_equal(before, noisemaker.render(quiet, SHORT))

    def test_the_order_of_fifty_patches_does_not_matter(self, noisemaker: PluginHost) -> None:
        patches = random_patches(50)
        order = random.Random(2).sample(range(50), 50)
        forward = [digest(noisemaker.render(patch, SHORT)) for patch in patches]
        shuffled = {k: digest(noisemaker.render(patches[k], SHORT)) for k in order}
        assert forward == [shuffled[k] for k in range(50)]

    def test_a_forked_render_equals_a_fresh_instances(self, noisemaker: PluginHost) -> None:
        fresh = PluginHost(NOISEMAKER, ADAPTER, fork=False)
        for patch in [*random_patches(4), EDITED.with_extra(CURVE)]:
            assert np.array_equal(noisemaker.render(patch, SHORT), fresh.render(patch, SHORT))

    def test_another_process_renders_the_same(self, noisemaker: PluginHost) -> None:
        patches = [*random_patches(3), EDITED.with_extra(CURVE)]
        with Pool(functools.partial(make_noisemaker_worker, "clean"), 1) as pool:
            assert list(pool.map(patches)) == [digest(noisemaker.render(patch, SHORT)) for patch in patches]

    @pytest.mark.parametrize("clean", [True, False])
    def test_points_reach_the_sound_and_leave_it_again(self, noisemaker: PluginHost, clean: bool) -> None:
        def level(patch: Patch) -> float:
            return float(np.abs(noisemaker.render(patch, SHORT, clean=clean)).max())

        first = level(EDITED)
        assert level(EDITED.with_extra(CURVE)) > 1.5 * first
        assert level(EDITED) == pytest.approx(first, rel=0.05)

    def test_more_curves_than_are_kept(self, noisemaker: PluginHost) -> None:
        curves = [(*CURVE[:2], EnvelopePoint(1.0, y, 0.9, y, 1.0, y)) for y in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]
        first, second = (
            [digest(noisemaker.render(EDITED.with_extra(curve), SHORT)) for curve in curves] for _ in range(2)
        )
        assert first == second
        assert len(noisemaker._pristine) <= plugin.PRISTINE_KEPT

    def test_a_second_opinion_differs_where_something_runs_freely(self, noisemaker: PluginHost) -> None:
        random_steps = {"lfo1destination": "filter", "lfo1waveform": "random step"}
        free = TABLE.default.with_settings(random_steps).with_knobs({"lfo1amount": 0.9, "lfo1rate": 0.6, "cutoff": 0.3})
        note = Note(48)
        assert (
            mss(noisemaker.render(TABLE.default, note), noisemaker.rendered_again(TABLE.default, note), SAMPLE_RATE)
            < 0.3
        )
        assert mss(noisemaker.render(free, note), noisemaker.rendered_again(free, note), SAMPLE_RATE) > 0.3

    def test_a_vstpreset_sets_the_whole_patch_in_a_fresh_process(self, noisemaker: PluginHost, tmp_path: Path) -> None:
        if noisemaker.plugin_class is None:
            pytest.skip("this NoiseMaker is no VST3")
        patch = EDITED.with_extra(CURVE).with_knobs({"cutoff": 0.6, "resonance": 0.3})
        path = tmp_path / "patch.vstpreset"
        path.write_bytes(vstpreset(plugin_state(Program("a patch", patch)), noisemaker.plugin_class.class_id))
        with Pool(functools.partial(make_noisemaker_worker, "preset"), 1) as pool:
            audio = pool.submit(path).result()
        assert isinstance(audio, np.ndarray)
        assert mss(noisemaker.render(patch, SHORT), audio, SAMPLE_RATE) < 0.1

    @needs_golden
    @needs_bank
    def test_factory_programs_lie_within_the_golden_floor(self, noisemaker: PluginHost) -> None:
        """Every eighth; the whole table is ``python -m benchmarks golden``."""
        programs = {program.name: program for program in read_programs(BANK)}
        rows = [json.loads(line) for line in (GOLDEN / "factory.jsonl").read_text().splitlines()][::8]
        excess = []
        for row in rows:
            audio, _ = soundfile.read(GOLDEN / row["file"], dtype="float32", always_2d=True)
            ours = noisemaker.render(programs[row["name"]].patch, Note(60))
            excess.append(mss(audio.T * row["gain"], ours, SAMPLE_RATE) - row["floor_mss"])
        assert np.mean(np.array(excess) <= 0.2) >= 0.9


def make_noisemaker_worker(kind: str) -> Callable[[Patch | Path], str | Audio]:
    host = PluginHost(NOISEMAKER, ADAPTER)

    def work(job: Patch | Path) -> str | Audio:
        if isinstance(job, Patch):
            return digest(host.render(job, SHORT))
        instance = host._load()
        assert instance.load_preset(job)
        start = round(plugin.PRE_ROLL_SECONDS * SAMPLE_RATE)
        n_samples = start + SHORT.n_samples
        return instance.play(SHORT.number, SHORT.velocity, plugin.PRE_ROLL_SECONDS, SHORT.gate_seconds, n_samples)[
            :, start:
        ].copy()

    return work
