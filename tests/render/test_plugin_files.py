"""Plug-ins are found where they lie, and their state containers have the published layout."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from render.errors import HostError
from render.hosts.plugin_files import lv2_uri, normalised, plugin_class, plugin_format
from render.instruments.containers import fxbank, vstpreset
from render.instruments.host import EMBEDDED
from render.instruments.instrument import Program
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.hosts import PLUGIN_VARIABLE, choose_host, installed_plugins
from render.noisemaker.plugin import plugin_state
from render.noisemaker.presets import parse_programs
from render.noisemaker.table import TABLE
from tests.plugins import NEKOBI, NOISEMAKER, needs_nekobi, needs_noisemaker

PATCH = TABLE.patch({"cutoff": 0.3}).with_extra([EnvelopePoint(0.0, 0.2, 0.0, 0.2, 0.1, 0.2)])


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Standard folders without a plug-in, but for what the test puts there."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr("render.hosts.plugin_files._SYSTEM_ROOTS", ())
    for variable in ("VST3_PATH", "VST_PATH", "LV2_PATH", PLUGIN_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="the folders are Linux's")
class TestFinding:
    def test_every_format_in_the_order_of_preference(self, folders: Path) -> None:
        for name in (".lv2/TAL-NoiseMaker.lv2", ".vst3/tal/TAL-NoiseMaker.vst3"):
            (folders / name).mkdir(parents=True)
        (folders / ".vst").mkdir()
        for name in ("libTAL-NoiseMaker.so", "TAL-Noise Mak3r-vst.so", "TAL-Reverb-4.so", "TAL-NoiseMaker.txt"):
            (folders / ".vst" / name).touch()
        assert [str(path.relative_to(folders)) for path in installed_plugins()] == [
            ".vst3/tal/TAL-NoiseMaker.vst3",
            ".vst/TAL-Noise Mak3r-vst.so",
            ".vst/libTAL-NoiseMaker.so",
            ".lv2/TAL-NoiseMaker.lv2",
        ]

    def test_the_choice_is_asked_then_environment_then_installed_then_embedded(
        self, folders: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert choose_host() == (EMBEDDED, ())
        (folders / ".vst3" / "TAL-NoiseMaker.vst3").mkdir(parents=True)
        where, notices = choose_host()  # an empty bundle cannot be used, and nobody asked for it
        assert where == EMBEDDED
        assert "TAL-NoiseMaker.vst3" in notices[0]
        monkeypatch.setattr("render.hosts.plugin.check_plugin", lambda path, adapter: None)
        assert choose_host() == (str(folders / ".vst3" / "TAL-NoiseMaker.vst3"), ())
        monkeypatch.setenv(PLUGIN_VARIABLE, "/elsewhere.vst3")
        assert choose_host() == ("/elsewhere.vst3", ())
        assert choose_host(EMBEDDED) == (EMBEDDED, ())


class TestContainers:
    def test_a_state_is_the_preset_in_juces_wrapping(self) -> None:
        state = plugin_state(Program("x", PATCH))
        magic, length = struct.unpack("<4sI", state[:8])
        assert magic == b"VC2!"
        assert state[8 + length :] == b"\0"
        assert parse_programs(state[8 : 8 + length])[0] == Program("x", PATCH)

    def test_a_vstpreset_lists_where_its_state_lies(self) -> None:
        content = vstpreset(plugin_state(Program("x", PATCH)), "0123456789ABCDEF" * 2)
        assert content[:4] == b"VST3"
        assert content[8:40] == b"0123456789ABCDEF" * 2
        listed = struct.unpack("<q", content[40:48])[0]
        kind, count, name, offset, size = struct.unpack("<4si4sqq", content[listed:])
        assert (kind, count, name) == (b"List", 1, b"Comp")
        assert content[offset : offset + size] == plugin_state(Program("x", PATCH))

    def test_a_bank_keeps_the_plugins_own_header(self) -> None:
        saved = bytes(range(156)) + struct.pack(">I", 3) + b"old"
        bank = fxbank(plugin_state(Program("x", PATCH)), saved)
        assert bank[:156] == saved[:156]
        assert struct.unpack(">I", bank[156:160])[0] == len(bank) - 160


class TestIdentity:
    def test_names_are_compared_without_case_and_spaces(self) -> None:
        assert normalised("Osc 1 Volume") == normalised("osc1volume")

    @pytest.mark.parametrize(
        "manifest",
        [
            "<http://a.b/synth>\n    a lv2:Plugin ;\n lv2:binary <x.so> .",
            "<http://a.b/synth> a lv2:InstrumentPlugin , lv2:Plugin .",
            "@prefix ab: <http://a.b/> .\n<http://a.b/ui> a ui:X11UI .\nab:synth a lv2:Plugin .",
        ],
    )
    def test_an_lv2_is_known_by_its_uri(self, tmp_path: Path, manifest: str) -> None:
        (tmp_path / "manifest.ttl").write_text(manifest)
        assert lv2_uri(tmp_path) == "http://a.b/synth"

    def test_a_folder_that_is_no_lv2_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(HostError, match="not an LV2 bundle"):
            lv2_uri(tmp_path)
        (tmp_path / "manifest.ttl").write_text("nothing")
        with pytest.raises(HostError, match="names no plug-in"):
            lv2_uri(tmp_path)

    def test_another_suffix_is_no_plugin(self) -> None:
        with pytest.raises(HostError, match="allowed: a path that ends in"):
            plugin_format(Path("x.wav"))

    def test_a_file_that_is_no_library_is_no_vst3(self, tmp_path: Path) -> None:
        (tmp_path / "x.vst3").write_text("text")
        with pytest.raises(HostError, match="is not a VST3"):
            plugin_class(tmp_path / "x.vst3")
        (tmp_path / "y.vst3").mkdir()
        with pytest.raises(HostError, match="no binary for this machine"):
            plugin_class(tmp_path / "y.vst3")

    @needs_nekobi
    def test_a_vst2_is_no_vst3(self) -> None:
        with pytest.raises(HostError, match="is not a VST3"):
            plugin_class(NEKOBI)

    @needs_noisemaker
    def test_noisemaker_tells_its_class(self) -> None:
        if plugin_format(NOISEMAKER) != "VST3":
            pytest.skip("this NoiseMaker is no VST3")
        known = plugin_class(NOISEMAKER)
        assert len(bytes.fromhex(known.class_id)) == 16
        assert "noisemaker" in normalised(known.name)
        assert known.version
