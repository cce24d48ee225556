"""The ``refine`` command as a person meets it: one clear line for everything that is wrong, whole files or none."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from inference.cli import main
from render.noisemaker.presets import read_programs, write_program
from render.noisemaker.table import TABLE
from tests.inference.test_target import bad_file, tone
from tests.paths import ROOT

COMMAND = [sys.executable, "-m", "inference.cli"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "my clip.wav"
    soundfile.write(path, tone(0.6, 220.0, gate=0.4), 44100)
    return path


def test_a_clip_becomes_a_preset_a_match_a_result_and_a_report(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = [
        str(clip),
        "--out",
        str(out),
        "--renders",
        "150",
        "--workers",
        "1",
        "--note",
        "A3",
        "--candidates",
        "2",
    ]
    assert main([*arguments, "--lock", "resonance=0.25", "--no-effects", "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert printed.err == ""
    assert json.loads((out / "my clip.json").read_text()) == result
    assert result["schema"] == "synth-reconstruct/match/4"
    assert (result["note"], result["velocity"]) == (57, 100)
    assert result["host"]["kind"] == "embedded"
    assert [stage["name"] for stage in result["stages"]] == ["start", "guess", "descend", "search", "tidy"]
    for candidate in [*result["candidates"], *result["stages"]]:
        assert {"mss", "lsd", "mrstft"} <= set(candidate["distance"])
    assert len(result["candidates"]) == 2
    best = result["best"]
    assert best["distance"]["mss"] <= result["stages"][0]["distance"]["mss"]
    # The preset is the patch of the result, to the bit, and renders to the match.
    program = read_programs(out / "my clip.noisemakerpreset")[0]
    assert dict(zip(TABLE.names, program.patch.knobs, strict=True)) == best["knobs"]
    assert program.patch["resonance"] == 0.25
    assert program.patch["reverbwet"] == program.patch["delaywet"] == 0.0
    match, rate = soundfile.read(out / "my clip.match.wav", always_2d=True)
    assert (rate, match.shape) == (44100, (26460, 2))
    page = (out / "my clip.html").read_text()
    assert "http" not in page
    for kind in ("image/png", "audio/wav"):
        contents = re.findall(rf"data:{kind};base64,([^\"]+)", page)
        assert len(contents) == 2
        assert all(len(base64.b64decode(content)) > 1000 for content in contents)
    of_each = (".noisemakerpreset", ".match.wav", ".vstpreset", ".fxp", ".mid")
    expected = {f"my clip{suffix}" for suffix in (*of_each, ".json", ".html")}
    expected |= {f"my clip.2{suffix}" for suffix in of_each}
    assert {path.name for path in out.iterdir()} == expected


def test_a_folder_is_done_one_by_one_and_failures_do_not_stop_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    bad_file(folder / "a.wav", "silent")
    soundfile.write(folder / "b.flac", tone(0.3), 44100)
    (folder / "notes.txt").write_text("not a clip")
    out = tmp_path / "out"
    code = main([str(folder), "--out", str(out), "--renders", "4", "--workers", "1", "--note", "60"])
    printed = capsys.readouterr().err
    assert code == 1
    assert "a.wav is silent" in printed
    assert "1 of 2 clips" in printed
    assert (out / "b.noisemakerpreset").exists()


def test_clips_together_give_one_patch_and_a_page_each(tmp_path: Path) -> None:
    for name, hertz in (("low", 110.0), ("high", 220.0)):
        times = np.arange(13230) / 44100
        soundfile.write(tmp_path / f"{name}.wav", 0.3 * np.sign(np.sin(2.0 * np.pi * hertz * times)), 44100)
    out = tmp_path / "out"
    clips = [str(tmp_path / "low.wav"), str(tmp_path / "high.wav")]
    notes = ["--note", "A2", "--note", "A3"]
    assert main([*clips, "--together", *notes, "--out", str(out), "--renders", "20", "--workers", "1", "--quiet"]) == 0
    low, high = (json.loads((out / f"{name}.json").read_text()) for name in ("low", "high"))
    assert low["best"]["knobs"] == high["best"]["knobs"]
    assert (low["note"], high["note"]) == (45, 57)
    assert (low["together_with"], high["together_with"]) == (["high"], ["low"])
    assert low["best"]["distance"] != high["best"]["distance"]
    assert (out / "low.noisemakerpreset").exists()
    assert (out / "high.html").exists()


def run_main(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse's own refusals
        return int(stop.code or 0)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--lock", "cutof=1"], 2, "cutof"),
        (["--note", "60", "--note", "61"], 2, "once for each of 1 clips"),
        (["--guess", "magic"], 2, "network, regression"),
        (["--lock", "cutoff=7"], 2, "cutoff"),
        (["--seconds", "0"], 2, "seconds"),
        (["--seconds", "nan"], 2, "seconds"),
        (["--renders", "0"], 2, "renders"),
        (["--seconds", "5", "--renders", "5"], 2, "not allowed with"),
        (["--velocity", "0"], 2, "velocity"),
        (["--gate", "-1"], 2, "gate"),
        (["--note", "H2"], 2, "H2"),
        (["--note", "128"], 2, "128"),
        (["--candidates", "0"], 2, "candidates"),
        (["--workers", "0"], 2, "workers"),
        (["--workers", "100000"], 2, "on this machine"),
        (["--start", "/dev/zero"], 1, "larger than"),
        (["--seed", "-1"], 2, "seed"),
        (["--stages", "polish"], 2, "polish"),
        (["--formats", "nonesuch"], 2, "unknown format 'nonesuch'"),
        (["--formats", "NONE"], 2, "unknown format 'NONE'"),
        (["--class-id", ""], 2, "class id is ''"),
        (["--start", "{missing}"], 1, "missing"),
        (["--start", "{foreign}"], 1, "not a NoiseMaker preset"),
        (["--plugin", "{missing}"], 1, "missing"),
    ],
)
def test_wrong_usage_is_one_clear_line(
    arguments: list[str], code: int, says: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = tmp_path / "foreign.vital"
    foreign.write_text("<vital/>")
    filled = [argument.format(missing=tmp_path / "missing", foreign=foreign) for argument in arguments]
    out = tmp_path / "out"
    assert run_main(clip, "--out", out, "--renders", 4, *filled) == code if "--renders" not in arguments else True
    if "--renders" in arguments:
        capsys.readouterr()
        assert run_main(clip, "--out", out, *filled) == code
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [[""], ["--resume", ""], ["clip.wav", "--out", ""], ["clip.wav", "--start", ""], ["clip.wav", "--install", ""]],
)
def test_an_empty_path_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(*arguments) == 2
    assert "an empty path" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["silent", "nan", "short", "no samples", "cut", "empty", "text", "missing"])
def test_a_bad_clip_is_one_clear_line_and_writes_nothing(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.wav"
    if kind != "missing":
        bad_file(path, kind)
    out = tmp_path / "out"
    assert run_main(path, "--out", out, "--renders", 4, "--note", 60, "--quiet") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "clip.wav" in error
    assert not out.exists() or not list(out.iterdir())


def test_an_unwritable_folder_is_found_out_before_the_work(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert run_main(clip, "--out", tmp_path / "file" / "out", "--renders", 4) == 1
    assert "cannot write" in capsys.readouterr().err


def test_a_bank_is_no_start(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from render.instruments.instrument import Program
    from render.noisemaker.presets import to_xml

    bank = tmp_path / "bank.noisemakerpreset"
    bank.write_bytes(to_xml([Program("a", TABLE.default), Program("b", TABLE.default)]))
    assert run_main(clip, "--start", bank) == 1
    assert "bank of 2" in capsys.readouterr().err


def test_the_start_preset_is_adapted(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from render.instruments.instrument import Program

    preset = tmp_path / "start.noisemakerpreset"
    write_program(preset, Program("start", TABLE.patch({"osc1volume": 0.61, "resonance": 0.7})))
    out = tmp_path / "out"
    arguments = [clip, "--out", out, "--start", preset, "--lock", "resonance", "--renders", 8, "--workers", 1, "--json"]
    assert run_main(*arguments, "--note", 57) == 0
    assert json.loads(capsys.readouterr().out)["best"]["knobs"]["resonance"] == 0.7


def test_help_answers_without_torch_or_dawdreamer() -> None:
    code = (
        "import sys\nfrom inference.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'dawdreamer', 'nevergrad', 'numpy', 'rich') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "--candidates" in output
    assert output.splitlines()[-1] == "[]"


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as a terminal on Unix does")
def test_ctrl_c_writes_the_best_so_far_and_leaves_no_process(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import signal, sys\n"
        # A shell starts its background jobs with Ctrl-C ignored, and that is inherited.
        "from inference.cli import main\nif __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n    sys.exit(main())"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    arguments = [sys.executable, script, clip, "--out", out, "--seconds", "120", "--workers", "1", "--note", "57"]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = ""
    while "searching" not in said and process.poll() is None:
        said += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    said += process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "interrupted: the best so far" in said
    result = json.loads((out / "my clip.json").read_text())
    assert result["ended"] == "interrupted"
    assert (out / "my clip.noisemakerpreset").exists()
    assert np.isfinite(result["best"]["distance"]["mss"])


def test_a_library_that_cannot_be_loaded_is_one_line(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ImportError("libtorch_cpu.so: failed to map segment from shared object")

    monkeypatch.setattr("inference.pipeline.load_models", broken)
    assert run_main(clip, "--out", tmp_path / "out", "--renders", 4, "--workers", 1, "--note", 60, "--quiet") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "failed to map segment" in error


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        ("inference.pipeline.load_models", OSError(errno.EIO, "Input/output error"), "Input/output error"),
        ("multiprocessing.util.spawnv_passfds", BlockingIOError(errno.EAGAIN, "try again"), "cannot start a worker"),
        ("threading.Thread.start", RuntimeError("can't start new thread"), "ulimit -u"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    where: str,
    error: Exception,
    says: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(where, refuse)
    assert run_main(clip, "--out", tmp_path / "out", "--renders", 4, "--workers", 1, "--note", 60, "--quiet") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert says in said


def test_python_without_texts_is_refused(clip: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-OO", "-m", "inference.cli", str(clip), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "-OO" in done.stderr


def test_the_library_of_numpy_starts_no_threads_that_it_could_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert run_main("--help") == 0
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_a_range_and_limits_hold_in_every_stage_and_when_resumed(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    limits = ["--limit", "cutoff=200Hz..1kHz", "--limit", "osc1tune=-12..+12"]
    shared = ["--workers", 1, "--plugin", "embedded", "--json"]
    assert run_main(clip, "--out", out, "--range", "0.05:0.4", "--note", 57, "--renders", 40, *limits, *shared) == 0
    first = json.loads(capsys.readouterr().out)
    assert run_main("--resume", out, "--renders", 20, *shared) == 0
    second = json.loads(capsys.readouterr().out)
    for record in (first, second):
        assert record["span_seconds"] == [0.05, 0.4]
        assert record["seconds_of_audio"] == pytest.approx(0.35, abs=0.01)
        for candidate in record["candidates"]:
            assert 199.9 <= candidate["settings"]["cutoff"] <= 1000.1
            assert -12 <= float(candidate["settings"]["osc1tune"]) <= 12
    assert second["options"]["limits"] == first["options"]["limits"]
    assert len(first["trials"][0]) == 9


def test_a_note_velocity_and_gate_can_be_corrected_when_resumed(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shared = ["--workers", 1, "--plugin", "embedded", "--json"]
    assert run_main(clip, "--out", out, "--note", "A3", "--renders", 60, "--stages", "guess", *shared) == 0
    first = json.loads(capsys.readouterr().out)
    corrected = ["--note", "A2", "--velocity", 80, "--gate", 0.3]
    assert run_main("--resume", out, "--renders", 4, *corrected, *shared) == 0
    second = json.loads(capsys.readouterr().out)
    assert (first["note"], first["velocity"], second["note"], second["velocity"]) == (57, 100, 45, 80)
    assert {one["note"]["number"] for one in second["candidates"]} == {45}
    assert (second["note_fixed"], second["gate_fixed"], second["gate_seconds"]) == (True, True, 0.3)
    assert run_main("--resume", out, "--note", "A2", "--note", "A3", "--renders", 4, *shared) == 2
    assert "--note" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1", "a:b", "2:1", "-1:2"])
def test_impossible_ranges_are_one_line(
    text: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(clip, "--out", tmp_path / "out", f"--range={text}", "--note", 57, "--renders", 4, "--quiet") == 2
    assert "FROM:TO in seconds" in capsys.readouterr().err
