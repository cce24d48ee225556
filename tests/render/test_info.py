"""What ``python -m render info`` finds out."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from render.audio import Audio
from render.commands import info
from render.errors import HostError
from render.instruments.patch import Patch
from render.noisemaker.instrument import NOISEMAKER
from render.note import Note
from tests.fake_host import FakeHost


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "SECONDS_PER_SPEED", 0.05)


class Forgetless(FakeHost):
    """A host whose clean renders are not clean."""

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        return super().render(patch, note, seed=seed, clean=False)


def test_a_good_host_is_repeatable() -> None:
    facts = info._examine(FakeHost(), NOISEMAKER, 0.5)
    assert facts.repeatable
    assert facts.info.kind == "fake"
    assert facts.seconds_to_open == 0.5
    assert 0.0 <= facts.floor_mss < 1.0
    assert min(facts.clean_per_second, facts.fast_per_second) > 1.0


def test_a_host_with_a_memory_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "_NOTE", Note(60, gate_seconds=1.0, seconds=0.2))  # ends in the middle of the sound
    assert info._examine(FakeHost(), NOISEMAKER, 0.5).repeatable
    assert not info._examine(Forgetless(), NOISEMAKER, 0.5).repeatable


def test_a_plugin_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    info.add_arguments(parser)
    with pytest.raises(HostError, match="no plug-in at"):
        info.run(parser.parse_args(["--plugin", str(tmp_path / "none.vst3")]))
    assert "chosen" in capsys.readouterr().out
