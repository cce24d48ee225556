"""Dexed, really rendering: voices and cartridges as other programs read them, and the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from render.data.accept import refusal
from render.dexed import host as host_module
from render.dexed.host import DexedHost
from render.dexed.instrument import DEXED
from render.dexed.presets import read_programs, write_bank, write_program
from render.dexed.prior import draw
from render.dexed.table import TABLE
from render.dexed.voice import packed, patch_of, unpacked, voice_of
from render.errors import HostError, PresetError
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.note import Note

dexed = pytest.importorskip("dexed")

NOTE = Note(57, 100, 0.3, 0.5)
DRAWS = [draw(29, index)[0] for index in range(40)]


def as_stored(patch: Patch) -> Patch:
    """The patch as a voice keeps it: without the output level."""
    return patch_of(voice_of(patch))[0]


@pytest.mark.parametrize("index", range(0, 40, 8))
def test_voices_are_those_of_the_engines_own_reader(index: int) -> None:
    voice = voice_of(DRAWS[index], "A voice")
    other = dexed.Patch.from_sysex(voice + b"\x3f")
    assert other.to_sysex()[:155] == voice
    assert other.to_packed() == packed(voice)
    assert unpacked(packed(voice)) == voice
    assert other.name == "A voice   "
    assert other.algorithm == DRAWS[index].index("algorithm")


def test_presets_come_back(tmp_path: Path) -> None:
    for index, patch in enumerate(DRAWS[:10]):
        write_program(tmp_path / "a.syx", Program(f"draw {index}", patch))
        (program,) = read_programs(tmp_path / "a.syx")
        assert program.name == f"draw {index}"
        assert voice_of(program.patch) == voice_of(patch)
        assert program.patch.choice("octave") == patch.choice("octave")
    assert (tmp_path / "a.syx").stat().st_size == 163


def test_a_cartridge_holds_32_voices(tmp_path: Path) -> None:
    write_bank(tmp_path / "a.bank.syx", [Program(f"v{k}", patch) for k, patch in enumerate(DRAWS[:3])])
    found = read_programs(tmp_path / "a.bank.syx")
    assert len(found) == 32
    assert [program.patch for program in found[:3]] == [as_stored(patch) for patch in DRAWS[:3]]
    assert [program.name for program in found[2:4]] == ["v2", "INIT VOICE"]
    assert [patch.name for patch in dexed.Patch.load_bank(tmp_path / "a.bank.syx")[:2]] == ["v0        ", "v1        "]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "does not begin as a system-exclusive message"),
        (b"\xf0\x41\x10\xf7", "neither a voice nor a cartridge"),
        (bytes((0xF0, 0x43, 0, 0, 1, 0x1B)) + b"\x00" * 100, "108 bytes|106 bytes, 163 wanted"),
        (bytes((0xF0, 0x43, 0, 0, 1, 0x1B)) + b"\x01" * 155 + b"\x00\xf7", "checksum is wrong"),
        (
            bytes((0xF0, 0x43, 0, 0, 1, 0x1B)) + b"\x7f" + b"\x00" * 154 + b"\x01\xf7",
            "op6_rate1 is 127; allowed: 0 to 99",
        ),
    ],
)
def test_other_files_are_refused_in_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.syx").write_bytes(content)
    with pytest.raises(PresetError, match=message) as caught:
        read_programs(tmp_path / "a.syx")
    assert "\n" not in str(caught.value)


def test_every_render_is_clean_and_draws_are_heard() -> None:
    host = DexedHost()
    first = [host.render(patch, NOTE) for patch in DRAWS[:8]]
    backward = [host.render(patch, NOTE, clean=False, seed=3) for patch in reversed(DRAWS[:8])]
    for one, other in zip(first, reversed(backward), strict=True):
        assert one.shape == (2, NOTE.n_samples)
        np.testing.assert_array_equal(one, other)
    assert sum(refusal(audio) in (None, "quiet") for audio in first) >= 7
    quiet = host.render(DRAWS[0].with_knobs({"output": 0.0}), NOTE)
    assert not quiet.any()
    host.close()
    with pytest.raises(HostError, match="closed"):
        host.render(DRAWS[0], NOTE)


def test_algorithms_have_their_carriers() -> None:
    from render.dexed.algorithms import CARRIERS

    assert [tuple(k + 1 for k in dexed.get_carriers(a)) for a in range(32)] == list(CARRIERS)


def test_a_missing_engine_or_another_host_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostError, match=r"not by x\.vst3; allowed: embedded"):
        DEXED.hosts.choose_host("x.vst3")
    monkeypatch.setattr(host_module, "find_spec", lambda name: None)
    with pytest.raises(HostError, match=r"pip install 'synth-reconstruct\[dexed\]'"):
        DEXED.hosts.choose_host()


def test_the_level_is_the_only_row_that_a_voice_does_not_keep() -> None:
    for patch in DRAWS:
        assert set(as_stored(patch).diff(patch)) <= {"output"} or all(
            abs(one - other) < 1e-9 for name, (one, other) in as_stored(patch).diff(patch).items() if name != "output"
        )
    assert TABLE.level is TABLE.parameter("output")
