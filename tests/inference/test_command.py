"""Whatever ends a command: true words, whole files, the right exit code, and the next command goes on from there."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from inference.cli import main
from inference.command.arguments import refine_parser
from inference.command.batch import Batch
from inference.command.console import Console
from inference.command.interruptions import Interrupted, interruptions, raise_again
from inference.command.jobs import Job, in_groups
from inference.command.resuming import resumed_groups
from inference.options import Options
from inference.output.files import suffixes
from inference.output.names import ResultFiles, plan_results
from inference.output.overview import overview_path
from inference.output.record import read_record
from render.errors import FileError, FormatError
from render.files import replacing_together
from render.hosts.processes import ENDING_SIGNALS, _quotas, control_groups, usable_cores
from render.note import SAMPLE_RATE, Note
from tests.paths import ROOT
from tests.toy import TABLE, TOY, ToyHost

NOTE = Note(57, 100, 0.4, 0.6)

needs_signals = pytest.mark.skipif(os.name == "nt", reason="signals are sent as on Unix")


def toy_clip(path: Path, colour: float = 0.3) -> Path:
    patch = TABLE.patch({"loud": 0.4, "shape": 1.0, "colour": colour, "fade": 0.2})
    soundfile.write(path, ToyHost().render(patch, NOTE)[0], SAMPLE_RATE)
    return path


def toy_batch(clips: list[Path], out: Path, *, renders: int = 60, again: bool = False) -> Batch:
    options = Options(TOY, seconds=None, renders=renders, workers=1)
    names = plan_results(clips, out, suffixes(TOY), options.candidates)
    jobs = [Job(clip, files, note=57) for clip, files in zip(clips, names, strict=True)]
    return Batch(in_groups(jobs, options, together=False), Console(quiet=True), again=again)


def assert_whole(folder: Path, stem: str, suffix: str = ".toy") -> dict[str, Any]:
    """A complete and valid set of results, and nothing half-written beside it."""
    record = read_record(folder / f"{stem}.json")
    for files in record["files"]:
        assert all(Path(path).stat().st_size > 0 for path in files.values())
    if suffix == ".toy":
        (program,) = TOY.presets.read_programs(folder / f"{stem}.toy")
        assert dict(zip(TABLE.names, program.patch.knobs, strict=True)) == record["best"]["knobs"]
    assert (folder / f"{stem}.html").read_text().rstrip().endswith("</html>")
    assert np.isfinite(soundfile.read(folder / f"{stem}.match.wav")[0]).all()
    assert not list(folder.glob(".*.part"))
    return record


class TestBatches:
    def test_a_batch_that_was_stopped_is_continued_by_the_same_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clips = [toy_clip(tmp_path / f"{name}.wav", colour) for name, colour in (("a", 0.2), ("b", 0.4), ("c", 0.6))]
        batch = toy_batch(clips, tmp_path / "out")
        analysed = batch.console.analysed

        def press(clip: Path, target: Any) -> None:
            analysed(clip, target)
            if clip.stem == "b":
                raise KeyboardInterrupt

        monkeypatch.setattr(batch.console, "analysed", press)
        batch.run()
        assert batch.interrupted
        assert [Path(record["clip"]).stem for record in batch.records] == ["a"]
        assert [Path(name).stem for name in batch.not_started] == ["b", "c"]
        before = (tmp_path / "out" / "a.json").stat().st_mtime_ns
        again = toy_batch(clips, tmp_path / "out")
        again.run()
        assert [Path(record["clip"]).stem for record in again.records] == ["a", "b", "c"]
        assert not again.interrupted
        assert (tmp_path / "out" / "a.json").stat().st_mtime_ns == before
        for stem in "abc":
            assert assert_whole(tmp_path / "out", stem)["ended"] == "finished"

    def test_presets_of_clips_that_are_done_are_installed_too(self, tmp_path: Path) -> None:
        clips = [toy_clip(tmp_path / "a.wav"), toy_clip(tmp_path / "b.wav", 0.7)]
        toy_batch(clips, tmp_path / "out", renders=8).run()
        presets = tmp_path / "presets"
        presets.mkdir()
        for _ in range(2):
            batch = toy_batch(clips, tmp_path / "out", renders=8)
            batch.preset_folder = presets
            batch.run()
            assert sorted(path.name for path in presets.iterdir()) == ["a.toy", "b.toy"]

    def test_what_is_asked_anew_is_done_anew(self, tmp_path: Path) -> None:
        clips = [toy_clip(tmp_path / "a.wav"), toy_clip(tmp_path / "b.wav", 0.7)]
        toy_batch(clips, tmp_path / "out", renders=20).run()
        first = read_record(tmp_path / "out" / "a.json")
        toy_batch(clips, tmp_path / "out", renders=20).run()
        assert read_record(tmp_path / "out" / "a.json") == first
        toy_clip(clips[0], 0.9)  # another sound under the same name
        toy_batch(clips, tmp_path / "out", renders=20).run()
        assert read_record(tmp_path / "out" / "a.json") != first
        second = read_record(tmp_path / "out" / "b.json")
        toy_batch(clips, tmp_path / "out", renders=20, again=True).run()
        assert read_record(tmp_path / "out" / "b.json")["seconds"] != second["seconds"]

    def test_a_run_is_resumed_from_its_results(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("inference.command.resuming.synth", lambda name: TOY)
        clip = toy_clip(tmp_path / "a.wav")
        toy_batch([clip], tmp_path / "out", renders=20).run()
        first = assert_whole(tmp_path / "out", "a")
        again = refine_parser().parse_args(["--resume", str(tmp_path / "out"), "--renders", "80", "--workers", "1"])
        (group,) = resumed_groups(again)
        assert (group.options.seed, group.options.rounds, group.options.draws) == (0, 1, 1)
        batch = Batch([group], Console(quiet=True))
        batch.run()
        second = assert_whole(tmp_path / "out", "a")
        assert second["best"]["distance"]["mss"] <= first["best"]["distance"]["mss"]
        assert second["stages"][0]["distance"]["mss"] <= first["best"]["distance"]["mss"] + 1e-9
        assert second["options"]["rounds"] == 1
        clip.unlink()
        with pytest.raises(FileError, match="is gone"):
            resumed_groups(again)
        with pytest.raises(FileError, match="no results"):
            resumed_groups(refine_parser().parse_args(["--resume", str(tmp_path)]))

    @pytest.mark.parametrize("decibels", [-80.0, 96.0])
    def test_a_match_is_at_the_level_of_the_clip(self, decibels: float, tmp_path: Path) -> None:
        plain, shifted = toy_clip(tmp_path / "plain.wav"), tmp_path / "shifted.wav"
        samples, rate = soundfile.read(plain)
        soundfile.write(shifted, samples * 10.0 ** (decibels / 20.0), rate, subtype="FLOAT")
        toy_batch([plain, shifted], tmp_path / "out", renders=30).run()
        matches = [soundfile.read(tmp_path / "out" / f"{clip.stem}.match.wav")[0] for clip in (plain, shifted)]
        energies = [np.square(match).sum() for match in matches]  # the level is that of equal energy
        assert 10.0 * np.log10(energies[1] / energies[0]) == pytest.approx(decibels, abs=0.5)
        record = read_record(tmp_path / "out" / "shifted.json")
        assert (
            record["best"]["distance"]["mss"]
            < read_record(tmp_path / "out" / "plain.json")["best"]["distance"]["mss"] + 0.5
        )

    def test_a_match_of_a_clip_near_the_largest_number_is_finite(self, tmp_path: Path) -> None:
        plain, loud = toy_clip(tmp_path / "plain.wav"), tmp_path / "loud.wav"
        samples, rate = soundfile.read(plain)
        largest = float(np.finfo(np.float32).max)
        soundfile.write(loud, samples * (0.99 * largest / np.abs(samples).max()), rate, subtype="FLOAT")
        toy_batch([loud], tmp_path / "out", renders=8).run()
        assert_whole(tmp_path / "out", "loud")
        match, _ = soundfile.read(tmp_path / "out" / "loud.match.wav")
        assert 0.1 * largest < np.abs(match).max() <= largest

    @pytest.mark.parametrize(
        ("error", "ended"),
        [
            (KeyboardInterrupt(), "interrupted"),
            (ZeroDivisionError(), "failed"),
            (OSError(errno.EIO, "Input/output error"), "failed"),
        ],
    )
    def test_what_was_kept_stays_whatever_comes_after(
        self, error: BaseException, ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from inference import pipeline

        really = pipeline.refine

        def broken(*arguments: Any, **named: Any) -> Any:
            really(*arguments, **named)
            raise error

        monkeypatch.setattr(pipeline, "refine", broken)
        batch = toy_batch([toy_clip(tmp_path / "a.wav")], tmp_path / "out", renders=20)
        batch.run()
        record = assert_whole(tmp_path / "out", "a")
        assert record["ended"] == ended
        assert batch.records == [record]
        assert batch.interrupted is (ended == "interrupted")
        assert len(batch.failures) == (ended == "failed")

    @pytest.fixture(autouse=True)
    def known_toy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("inference.command.resuming.synth", lambda name: TOY)


class TestNames:
    def plan(self, clips: list[Path], out: Path, candidates: int = 3) -> list[str]:
        return [files.stem for files in plan_results(clips, out, suffixes(TOY), candidates)]

    def test_candidates_and_clips_never_share_a_name(self, tmp_path: Path) -> None:
        clips = [tmp_path / "a.wav", tmp_path / "a.2.wav", tmp_path / "sub" / "a.wav", tmp_path / "A.flac"]
        assert self.plan(clips, tmp_path / "out") == ["a", "a.2-2", "a-2", "A-3"]

    def test_results_of_a_hidden_clip_are_seen(self, tmp_path: Path) -> None:
        assert self.plan([tmp_path / ".a.wav", tmp_path / "..wav"], tmp_path / "out") == ["a", "clip"]

    def test_an_input_is_never_replaced(self, tmp_path: Path) -> None:
        clips = [tmp_path / "a.wav", tmp_path / "a.match.wav"]
        for clip in clips:
            toy_clip(clip)
        assert self.plan(clips, tmp_path) == ["a-2", "a.match"]

    def test_files_that_are_no_results_of_the_clip_stay(self, tmp_path: Path) -> None:
        clip = toy_clip(tmp_path / "a.wav")
        out = tmp_path / "out"
        out.mkdir()
        (out / "a.toy").write_text("somebody's own preset")
        assert self.plan([clip], out) == ["a-2"]
        (out / "a.toy").unlink()
        toy_batch([clip], out, renders=8).run()
        assert self.plan([clip], out) == ["a"]  # its own results may be replaced
        other = toy_clip(tmp_path / "elsewhere.wav").rename(tmp_path / "out" / "a.wav")
        assert self.plan([other], out) == ["a-2"]  # another clip's may not

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
    def test_any_name_that_the_file_system_allows(self, tmp_path: Path) -> None:
        names = [b"Fl\xfcgel.wav", "\u266b \n\t.wav".encode(), b"x" * 250 + b".wav", "\u00e9".encode() * 120 + b".wav"]
        clips = [
            toy_clip(tmp_path / "plain.wav").rename(os.fsdecode(os.path.join(os.fsencode(tmp_path), n))) for n in names
        ]
        batch = toy_batch(clips, tmp_path / "out", renders=8)
        batch.run()
        assert len(batch.records) == len(names)
        assert batch.failures == []
        json.dumps(batch.records)
        for record in batch.records:
            record["clip"].encode("utf-8")
            assert_whole(tmp_path / "out", Path(record["files"][0]["result"]).stem)


class TestFiles:
    def test_a_set_takes_its_place_together_or_not_at_all(self, tmp_path: Path) -> None:
        def write(text: str, *, fail: bool = False) -> None:
            with replacing_together(tmp_path) as place:
                for name in ("a", "b"):
                    place(tmp_path / name).write_text(text)
                if fail:
                    raise OSError(28, "No space left on device")

        write("old")
        with pytest.raises(FileError, match="No space left"):
            write("new", fail=True)
        assert [(tmp_path / name).read_text() for name in ("a", "b")] == ["old", "old"]
        write("new")
        assert [(tmp_path / name).read_text() for name in ("a", "b")] == ["new", "new"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]

    def test_results_of_another_version_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text('{"schema": "synth-reconstruct/match/3"}')
        with pytest.raises(FormatError, match="match/3'; allowed: 'synth-reconstruct/match/4"):
            read_record(tmp_path / "a.json")
        for text in ("[", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass")):
            (tmp_path / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
            with pytest.raises(FormatError, match="not a result of refine"):
                read_record(tmp_path / "a.json")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_a_pipe_in_the_place_of_a_result_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.json")
        with pytest.raises(FileError, match="not a regular file"):
            read_record(tmp_path / "a.json")
        os.mkfifo(tmp_path / "summary.csv")
        assert overview_path(tmp_path, ".csv") == tmp_path / "summary-2.csv"

    def test_damaged_results_are_refused_when_they_are_resumed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("inference.command.resuming.synth", lambda name: TOY)
        batch = toy_batch([toy_clip(tmp_path / "a.wav")], tmp_path / "out", renders=8)
        batch.run()
        path = tmp_path / "out" / "a.json"
        whole = json.loads(path.read_text())
        for broken in (
            {"schema": whole["schema"]},
            whole | {"files": [1]},
            whole | {"files": []},
            whole | {"files": [{"preset": 5}]},
            whole | {"files": [{"match": "a.match.wav"}]},
            whole | {"candidates": [1]},
            whole | {"best": []},
            whole | {"options": {}},
        ):
            path.write_text(json.dumps(broken))
            with pytest.raises(FormatError, match=r"a\.json is a damaged result"):
                resumed_groups(refine_parser().parse_args(["--resume", str(tmp_path / "out")]))

    def test_a_full_disk_leaves_the_last_whole_set(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clip = toy_clip(tmp_path / "a.wav")
        toy_batch([clip], tmp_path / "out", renders=8).run()
        first = read_record(tmp_path / "out" / "a.json")

        def full(*_: object) -> None:
            raise FileError("cannot write: No space left on device")

        monkeypatch.setattr("inference.output.files.write_wav", full)
        with pytest.raises(FileError, match="No space left"):
            toy_batch([clip], tmp_path / "out", renders=20).run()
        assert assert_whole(tmp_path / "out", "a") == first


@needs_signals
class TestSignals:
    """The real command, on a clip that it takes a while to match."""

    @pytest.fixture(autouse=True)
    def heeded(self) -> Iterator[None]:
        """Signals that this process was told to ignore, as jobs in the background and under ``nohup`` are, are not."""
        ignored = [one for one in ENDING_SIGNALS if signal.getsignal(one) is signal.SIG_IGN]
        for one in ignored:
            signal.signal(one, signal.SIG_DFL)
        yield
        for one in ignored:
            signal.signal(one, signal.SIG_IGN)

    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
        started = []

        def start(*arguments: object) -> subprocess.Popen[str]:
            clip = toy_clip(tmp_path / "clip.wav")
            script = tmp_path / "script.py"
            # A shell starts its background jobs with SIGINT and SIGQUIT ignored, which they inherit.
            script.write_text(
                "import signal, sys\nfrom inference.cli import main\nif __name__ == '__main__':\n"
                "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                "    signal.signal(signal.SIGQUIT, signal.SIG_DFL)\n    sys.exit(main())"
            )
            command = [sys.executable, script, clip, *arguments, "--out", tmp_path / "out", "--workers", "1"]
            command += ["--stages", "search", "--seconds", "300", "--note", "57", "--plugin", "embedded"]
            path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
            started.append(
                subprocess.Popen(
                    [str(part) for part in command],
                    stderr=subprocess.PIPE,
                    text=True,
                    env=os.environ | {"PYTHONPATH": path},
                    start_new_session=True,
                )
            )
            self.wait_for(tmp_path / "out" / "clip.json", started[-1])
            return started[-1]

        yield start
        for process in started:
            with process:  # closes its pipe too
                process.kill()

    @staticmethod
    def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 120.0
        while not path.exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    @pytest.mark.parametrize("number", ENDING_SIGNALS)
    def test_every_polite_signal_becomes_one_exception(self, number: signal.Signals) -> None:
        before = signal.getsignal(number)
        with interruptions() as came:
            with pytest.raises(Interrupted) as caught:
                signal.raise_signal(number)
            assert came == [number]
            assert caught.value.signal == number
            assert Interrupted.exit_code_of(came) == 128 + number
        assert signal.getsignal(number) == before

    def test_a_signal_that_is_ignored_at_the_start_stays_ignored(self) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as ``nohup`` does
        try:
            with interruptions() as came:
                signal.raise_signal(signal.SIGHUP)
            assert came == []
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGHUP, before)

    def test_one_that_comes_while_the_program_ends_changes_nothing(self) -> None:
        code = (
            "import os, signal\nfrom inference.command.interruptions import interruptions\n"
            "with interruptions(at_end=True): pass\n"
            "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU): os.kill(os.getpid(), number)\n"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_a_limit_of_processor_time_is_told_before_it_is_reached(self) -> None:
        code = (
            "import resource; resource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n"
            "from inference.command.interruptions import interruptions\n"
            "with interruptions(): print(resource.getrlimit(resource.RLIMIT_CPU))"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout.strip() == "(57, 60)"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
    def test_a_polite_end_of_all_processes_keeps_the_best_so_far(
        self, number: signal.Signals, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
    ) -> None:
        process = start()  # Ctrl-C in the real command is tried in test_cli
        os.killpg(process.pid, number)  # what ``timeout`` and a terminal do
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 128 + number, said
        assert "interrupted: the best so far" in said
        assert "Traceback" not in said
        record = assert_whole(tmp_path / "out", "clip", ".noisemakerpreset")
        assert record["ended"] == "interrupted"

    def test_one_that_python_drops_in_a_destructor_is_not_lost(self) -> None:
        class Signals:
            def __del__(self) -> None:
                signal.raise_signal(signal.SIGTERM)

        with interruptions() as came:
            one = Signals()
            del one  # Python drops the exception here, and would print it, which fails a test
            assert came == [signal.SIGTERM]
            with pytest.raises(Interrupted):
                raise_again()
        raise_again()

    def test_two_at_once_leave_a_whole_set_too(
        self, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
    ) -> None:
        process = start()
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 130, said
        assert "Traceback" not in said
        assert_whole(tmp_path / "out", "clip", ".noisemakerpreset")

    def test_being_killed_loses_nothing_that_was_judged(
        self, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
    ) -> None:
        process = start()
        process.kill()
        process.wait()
        assert read_record(tmp_path / "out" / "clip.json")["ended"] == "running"
        arguments = ["--resume", str(tmp_path / "out"), "--renders", "40", "--workers", "1", "--plugin", "embedded"]
        assert main([*arguments, "--quiet"]) == 0
        assert assert_whole(tmp_path / "out", "clip", ".noisemakerpreset")["ended"] == "finished"


SIGNALLED = """
import os, sys
if __name__ == "__main__":
    imported, number = sys.argv[1:3]
    sys.argv[1:3] = []
    from inference.cli import main
    class Finder:
        def find_spec(name, path=None, target=None):
            if name == imported:
                os.kill(os.getpid(), int(number))
    sys.meta_path.insert(0, Finder)
    sys.exit(main())
"""


@needs_signals
@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (["clip.wav"], "inference.command.console"),
        (["clip.wav"], "numpy"),
        (["vary", "a.fxp"], "numpy"),
        (["vary", "a.fxp"], "inference.command.vary"),
        (["doctor"], "render.files"),
        (["doctor"], "inference.command.doctor"),
        (["studio"], "inference.studio.command"),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_a_command_is_loaded_ends_it_politely(
    arguments: list[str], imported: str, number: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SIGNALLED, imported, str(int(number)), *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60
    )
    assert done.returncode == 128 + number, done.stderr
    assert done.stderr.startswith(b"refine: interrupted")
    assert done.stderr.count(b"\n") == 1
    assert done.stdout == b""
    assert os.listdir(tmp_path) == []


def test_a_file_that_python_would_import_from_the_current_folder_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "signal.py").write_text("raise SystemExit('this is not the standard library')")
    clip = toy_clip(tmp_path / "clip.wav")
    code = "import sys; from inference.cli import main\nif __name__ == '__main__': sys.exit(main())"
    command = [sys.executable, "-P", "-c", code, str(clip), "--out", str(tmp_path / "out"), "--stages", "search"]
    command += ["--renders", "20", "--workers", "1", "--note", "57", "--plugin", "embedded", "--quiet"]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_whole(tmp_path / "out", "clip", ".noisemakerpreset")


class TestCores:
    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
    def test_the_affinity_counts(self) -> None:
        code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        code += "from render.hosts.processes import usable_cores; print(usable_cores())"
        output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        assert output.strip() == "1"
        assert usable_cores() >= 1

    @pytest.mark.parametrize(
        ("own", "files", "cores"),
        [
            ("0::/", {"cpu.max": "max 100000"}, None),
            ("0::/", {"cpu.max": "150000 100000"}, 2),
            ("0::/", {"cpu.max": "50000 100000"}, 1),
            ("0::/", {"cpu.max": "nonsense"}, None),
            ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000", "cpu.max": "700000 100000"}, 3),
            ("0::/a/b", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "300000 100000"}, 1),
            ("0::/../a", {"cpu.max": "200000 100000"}, 2),
            ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
            ("2:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "90000", "cpu/a/cpu.cfs_period_us": "100000"}, 1),
            ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
            ("nonsense", {"cpu.max": "150000 100000"}, 2),
            (None, {}, None),
        ],
    )
    def test_the_quotas_of_containers_and_slices_count(
        self, own: str | None, files: dict[str, str], cores: int | None, tmp_path: Path
    ) -> None:
        groups = tmp_path / "groups"
        for name, content in files.items():
            (groups / name).parent.mkdir(parents=True, exist_ok=True)
            (groups / name).write_text(content)
        if own is not None:
            (tmp_path / "own").write_text(own + "\n")
        found = _quotas(control_groups("cpu", groups, tmp_path / "own"))
        assert min(found, default=None) == cores


def test_result_names_of_several_matches() -> None:
    files = ResultFiles(Path("out"), "a")
    assert files.path(".toy") == Path("out/a.toy")
    assert files.path(".toy", 2) == Path("out/a.2.toy")
