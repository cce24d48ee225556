"""New sounds from presets: near enough, different, audible, and never clipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from inference.after.vary import Variety, section_names, vary
from inference.cli import main
from inference.output.claims import Claims
from render.audio import Audio
from render.errors import OutOfRange, PresetError, UnknownName
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.instruments.programs import read_program
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.presets import read_programs, to_xml
from render.noisemaker.table import TABLE as NOISEMAKER_TABLE
from render.note import Note
from tests.toy import TABLE, TOY, ToyHost

NOTE = Note(57, 100, 0.3, 0.4)
PARENT = TABLE.patch({"loud": 0.4, "shape": 1.0, "colour": 0.3, "fade": 0.3})


def played(patch: Patch) -> Audio:
    return ToyHost().render(patch, NOTE)


def test_variations_differ_from_their_parent_and_from_each_other() -> None:
    children = vary(TOY, PARENT, played, Variety(count=12, strength=0.5))
    assert len({child.patch for child in children} | {PARENT}) == 13
    for child in children:
        assert 1e-3 < np.abs(child.audio).max() <= 1.0
        assert np.array_equal(child.audio, played(child.patch))
        assert child.patch["octave"] == PARENT["octave"]  # the key stays


def test_a_stronger_mutation_goes_farther() -> None:
    def spread(strength: float) -> float:
        children = vary(TOY, PARENT, played, Variety(count=30, strength=strength))
        return float(np.mean([abs(child.patch["colour"] - PARENT["colour"]) for child in children]))

    assert spread(0.1) < 0.5 * spread(0.8)


def test_kept_sections_stay() -> None:
    for child in vary(TOY, PARENT, played, Variety(strength=1.0, kept=frozenset({"tone"}))):
        assert [child.patch[name] for name in ("shape", "octave", "colour")] == [
            PARENT[name] for name in ("shape", "octave", "colour")
        ]


def test_a_cross_takes_whole_sections_from_both() -> None:
    other = TABLE.patch({"loud": 0.4, "shape": 0.5, "colour": 0.9, "fade": 0.9, "shake": 0.8})
    children = vary(TOY, PARENT, played, Variety(count=8, strength=0.01, seed=3), other)
    near = [[abs(child.patch[name] - from_[name]) < 0.05 for from_ in (PARENT, other)] for child in children for name in
            ("colour", "fade")]  # fmt: skip
    assert all(any(pair) for pair in near)
    assert any(not first for first, _ in near)


def test_children_are_as_loud_as_their_parent_and_never_clip() -> None:
    loud = PARENT.with_knobs({"loud": 1.0})
    for child in vary(TOY, loud, played, Variety(strength=1.0)):
        assert np.abs(child.audio).max() <= 1.0
    quiet = PARENT.with_knobs({"loud": 0.05})
    parent_rms = np.sqrt(np.square(played(quiet)).mean())
    for child in vary(TOY, quiet, played, Variety(strength=0.5)):
        assert np.sqrt(np.square(child.audio).mean()) == pytest.approx(parent_rms, rel=0.05)


def test_silent_children_are_replaced() -> None:
    def half_silent(patch: Patch) -> Audio:
        return played(patch) * np.float32(patch["colour"] > PARENT["colour"])

    children = vary(TOY, PARENT.with_knobs({"colour": 0.5}), half_silent, Variety(count=12, strength=0.8))
    assert len(children) == 12
    assert all(child.audio.any() for child in children)


def test_the_same_seed_gives_the_same_sounds() -> None:
    one, again, other = (
        [child.patch for child in vary(TOY, PARENT, played, Variety(count=5, seed=seed))] for seed in (1, 1, 2)
    )
    assert one == again != other


def test_impossible_wishes_are_refused() -> None:
    for wrong in ({"count": 0}, {"strength": 0.0}, {"strength": 1.5}, {"strength": float("nan")}):
        with pytest.raises(OutOfRange):
            Variety(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="tremolo"):
        vary(TOY, PARENT, played, Variety(kept=frozenset({"tremollo"})))


class TestCommand:
    @pytest.fixture
    def bank(self, tmp_path: Path) -> Path:
        path = tmp_path / "bank.noisemakerpreset"
        soft = NOISEMAKER_TABLE.patch({"cutoff": 0.5, "ampsustain": 0.4, "ampdecay": 0.5})
        hard = NOISEMAKER_TABLE.patch({"osc1waveform": 0.5, "resonance": 0.6, "reverbwet": 0.3})
        path.write_bytes(to_xml([Program("Soft", soft), Program("Hard: one", hard)]))
        return path

    def test_two_programs_of_a_bank_are_crossed(self, bank: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        wanted = [f"{bank}:soft", f"{bank}:2", "--count", "3", "--seconds", "0.5", "--plugin", "embedded"]
        assert main(["vary", *wanted, "--out", str(out)]) == 0
        presets = sorted(out.glob("*.noisemakerpreset"))
        assert [path.stem for path in presets] == ["Soft 1", "Soft 2", "Soft 3"]
        for path in presets:
            (program,) = read_programs(path)
            sound, rate = soundfile.read(path.with_suffix(".wav"), always_2d=True)
            assert (rate, sound.shape) == (44100, (22050, 2))
            assert np.array_equal(
                NOISEMAKER.hosts.open_host().render(program.patch, Note(48, 100, 0.25, 0.5)).T, np.float32(sound)
            )
        assert main(["vary", *wanted, "--out", str(out)]) == 0  # nothing is replaced
        assert len(list(out.glob("*.noisemakerpreset"))) == 6

    def test_any_name_is_written_and_two_programs_at_a_time_share_none(self, tmp_path: Path) -> None:
        path, out = tmp_path / "bank.noisemakerpreset", tmp_path / "out"
        name = "a/b: " + "\N{GRINNING FACE}" * 100
        path.write_bytes(to_xml([Program(name, NOISEMAKER_TABLE.patch({"cutoff": 0.5, "ampsustain": 0.4}))]))
        wanted = ["vary", str(path), "--count", "1", "--seconds", "0.2", "--plugin", "embedded", "--out", str(out)]
        with Claims() as another:
            assert main(wanted) == 0
            (first,) = [found.stem for found in out.glob("*.noisemakerpreset")]
            assert first.startswith("a_b_ \N{GRINNING FACE}")
            assert another.claim(out, [f"{first[:-2]} 2"])
            assert main(wanted) == 0
        assert sorted(found.stem[-2:] for found in out.glob("*.wav")) == [" 1", " 3"]
        assert not list(out.glob(".*"))

    @pytest.mark.parametrize(
        ("arguments", "code", "says"),
        [
            (["{bank}"], 1, "bank of 2 programs; name one"),
            (["{bank}:7"], 1, "no program '7'"),
            (["{bank}:Soft", "--keep", "filtre"], 2, "filtre"),
            (["{bank}:Soft", "--strength", "2"], 2, "strength"),
            (["{bank}:Soft", "--seconds", "0"], 2, "--seconds is 0.0"),
            (["{bank}:Soft", "--seconds", "nan"], 2, "--seconds is nan"),
            (["{bank}:Soft", "--seconds", "1e9"], 2, "--seconds is 1000000000.0"),
            (["missing.noisemakerpreset"], 1, "no such file"),
        ],
    )
    def test_wrong_usage_is_one_line(
        self, arguments: list[str], code: int, says: str, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = [argument.format(bank=bank) for argument in arguments]
        assert main(["vary", *given, "--plugin", "embedded", "--out", str(tmp_path / "out")]) == code
        assert says in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_programs_are_found_by_name_and_number(self, bank: Path) -> None:
        assert read_program(NOISEMAKER, f"{bank}:hard: one").name == "Hard: one"
        assert read_program(NOISEMAKER, f"{bank}:1").name == "Soft"
        with pytest.raises(PresetError, match="Soft, Hard: one"):
            read_program(NOISEMAKER, bank)


def test_sections_are_those_of_the_panel() -> None:
    assert list(section_names(TOY)) == ["out", "tone", "tremolo"]
