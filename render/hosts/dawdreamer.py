"""The only module that imports DawDreamer: compiled Faust programs with a bitcode cache, and plug-in instances."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import dawdreamer
import numpy as np
from numpy.typing import NDArray

from render.errors import HostError
from render.note import SAMPLE_RATE
from render.silence import silenced

BLOCK_SIZE = 512
"""Samples per block; larger blocks are not faster."""

COMPILE_FLAGS = ("-inpl",)
"""In-place buffers, which DawDreamer needs for audio inputs (``docs/noisemaker.md``)."""

Signals = NDArray[np.float32]
"""Audio-rate signals, shape ``(channels, samples)``."""


def dawdreamer_version() -> str:
    """Version of the installed DawDreamer."""
    return version("dawdreamer")


class FaustProgram:
    """One Faust source, compiled, with audio inputs and sliders; every run starts from silence.

    Args:
        source: Faust code with at least one audio input.
        name: name of the program in error messages.
        cache_dir: folder that keeps compiled bitcode. If it is missing, damaged or not writable, the source is
            compiled again.

    Raises:
        HostError: if the source does not compile.
    """

    def __init__(self, source: str, name: str, cache_dir: Path | None = None) -> None:
        self.name = name
        self._engine = dawdreamer.RenderEngine(SAMPLE_RATE, BLOCK_SIZE)
        # From bitcode even when it was compiled just now: the two differ in their last bits.
        faust = self._restored(self._kept(source, cache_dir)) or self._restored(self._compiled(source, cache_dir))
        if faust is None:
            raise HostError(f"{name} does not load after compiling")
        self._faust = faust
        self._indices = {row["label"]: int(row["index"]) for row in self._faust.get_parameters_description()}
        n_inputs = self._faust.get_num_input_channels()
        self._input = self._engine.make_playback_processor("input", np.zeros((n_inputs, 1), np.float32))
        self._engine.load_graph([(self._input, []), (self._faust, ["input"])])

    def run(self, signals: Signals, sliders: Mapping[str, float]) -> Signals:
        """Play signals through the program.

        Args:
            signals: shape ``(inputs, samples)``.
            sliders: values by label; sliders that the compiler dropped are ignored.

        Returns:
            Shape ``(outputs, samples)``.
        """
        for label, value in sliders.items():
            if (index := self._indices.get(label)) is not None:
                self._faust.set_parameter(index, value)
        self._input.set_data(signals)
        n_samples = signals.shape[1]
        # Half a sample more than wanted: the engine truncates seconds to samples.
        if not self._engine.render((n_samples + 0.5) / SAMPLE_RATE):
            raise HostError(f"rendering with {self.name} failed")
        audio: Signals = self._engine.get_audio()
        return audio[:, :n_samples]

    def _compiled(self, source: str, cache_dir: Path | None) -> str:
        bitcode = (_compile_elsewhere if "llvmlite" in sys.modules else compile_source)(self.name, source)
        if cache_dir is not None:
            _store(_cache_path(cache_dir, source), bitcode)
        return bitcode

    def _kept(self, source: str, cache_dir: Path | None) -> str | None:
        return None if cache_dir is None else _load(_cache_path(cache_dir, source))

    def _restored(self, bitcode: str | None) -> dawdreamer.FaustProcessor | None:
        if bitcode is None:
            return None
        processor = _new(self._engine, "program")
        try:
            return processor if processor.compile_from_bitcode(bitcode) else None
        except RuntimeError:
            return None


def is_kept(source: str, cache_dir: Path) -> bool:
    """Whether the bitcode of a source is in the cache."""
    return _load(_cache_path(cache_dir, source)) is not None


def can_keep(cache_dir: Path) -> bool:
    """Whether bitcode can be kept in a folder, which is made if it is missing."""
    try:
        folder = _cache_path(cache_dir, "").parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def compile_source(name: str, source: str) -> str:
    """Bitcode of a Faust source; raises ``HostError`` if it does not compile."""
    engine = dawdreamer.RenderEngine(SAMPLE_RATE, BLOCK_SIZE)  # must outlive its processor
    processor = _new(engine, "compiler")
    processor.set_dsp_string(source)
    try:
        compiled = processor.compile()
    except RuntimeError as error:
        raise HostError(f"{name} does not compile: {error}") from error
    if not compiled:
        raise HostError(f"{name} does not compile")
    bitcode: str = processor.__getstate__()["bitcode"]
    return bitcode


def _compile_elsewhere(name: str, source: str) -> str:
    """``compile_source`` in a process of its own: Faust's LLVM crashes a process that has loaded numba's."""
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder, "source.dsp"), Path(folder, "bitcode")
        there.write_text(source, encoding="utf-8")
        code = (
            "import sys; from pathlib import Path; from render.hosts.processes import die_with_parent; "
            "parent, name, there, back = sys.argv[1:]; die_with_parent(int(parent)); "
            "from render.hosts.dawdreamer import compile_source; "
            "Path(back).write_text(compile_source(name, Path(there).read_text('utf-8')), 'ascii')"
        )
        command = [sys.executable, "-c", code, str(os.getpid()), name, str(there), str(back)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or [f"the compiler ended with {done.returncode}"]
            raise HostError(f"{name}: {last[0].removeprefix('render.errors.HostError: ')}")
        return back.read_text("ascii")


def _new(engine: dawdreamer.RenderEngine, name: str) -> dawdreamer.FaustProcessor:
    processor = engine.make_faust_processor(name)
    processor.num_voices = 0  # bitcode exists for monophonic programs only
    processor.compile_flags = list(COMPILE_FLAGS)
    return processor


class PluginInstance:
    """One loaded plug-in in an engine of its own.

    Args:
        path: a VST2 or VST3 file, or the URI of an LV2 plug-in in a folder of ``LV2_PATH``.

    Raises:
        HostError: if DawDreamer cannot load it. A broken plug-in may crash the process instead.
    """

    def __init__(self, path: str) -> None:
        self._engine = dawdreamer.RenderEngine(SAMPLE_RATE, BLOCK_SIZE)
        try:
            with silenced():  # VST2 plug-ins print their names
                self._processor = self._engine.make_plugin_processor("plugin", path)
        except RuntimeError as error:
            raise HostError(str(error).strip().rstrip(".") or "it does not load") from error
        self._engine.load_graph([(self._processor, [])])

    def parameter_names(self) -> list[str]:
        """Parameter names by index; they may be empty and need not be unique."""
        return [self._processor.get_parameter_name(k) for k in range(self._processor.get_plugin_parameter_size())]

    def parameter(self, index: int) -> float:
        """Value of a parameter in 0..1."""
        return float(self._processor.get_parameter(index))

    def parameter_text(self, index: int) -> str:
        """Value of a parameter as the plug-in shows it."""
        return str(self._processor.get_parameter_text(index))

    def set_parameter(self, index: int, knob: float) -> None:
        """Set a parameter to a value in 0..1."""
        self._processor.set_parameter(index, knob)

    def load_preset(self, path: Path) -> bool:
        """Load a ``.vstpreset`` (VST3) or ``.fxp`` (VST2) file; returns whether the plug-in accepted it."""
        load = self._processor.load_vst3_preset if path.suffix == ".vstpreset" else self._processor.load_preset
        with silenced():  # frameworks print warnings about unusual states
            return bool(load(str(path)))

    def save_state(self, path: Path) -> None:
        """Write the plug-in's state to a file, in the wrapping of JUCE's host."""
        self._processor.save_state(str(path))

    def play(
        self, keys: Sequence[int], velocity: int, start_seconds: float, gate_seconds: float, n_samples: int
    ) -> Signals:
        """Render from time 0, with one note of one or more keys.

        Returns:
            Shape ``(outputs, n_samples)``.
        """
        self._processor.clear_midi()
        for number in keys:
            self._processor.add_midi_note(number, velocity, start_seconds, gate_seconds)
        # Half a sample more than wanted: the engine truncates seconds to samples.
        if not self._engine.render((n_samples + 0.5) / SAMPLE_RATE):
            raise HostError("the plug-in did not render")
        audio: Signals = self._engine.get_audio()
        return audio[:, :n_samples]


def _cache_path(cache_dir: Path, source: str) -> Path:
    key = json.dumps([dawdreamer_version(), COMPILE_FLAGS, sys.platform, source])
    return cache_dir / "faust" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.bitcode"


def _load(path: Path) -> str | None:
    """The stored bitcode, or ``None`` if there is none or its checksum does not match."""
    try:
        digest, _, bitcode = path.read_text("ascii").partition("\n")
    except (OSError, ValueError):
        return None
    return bitcode if hashlib.sha256(bitcode.encode()).hexdigest() == digest else None


def _store(path: Path, bitcode: str) -> None:
    """Write to a temporary file and rename it; a folder that cannot be written is no error."""
    text = f"{hashlib.sha256(bitcode.encode()).hexdigest()}\n{bitcode}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="ascii") as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.replace(path)
    except (OSError, ValueError):
        return
