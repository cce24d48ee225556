"""Vital's engine in this process: the only module that imports ``vita``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from render.audio import Audio
from render.errors import HostError
from render.note import SAMPLE_RATE, Note
from render.vital.controls import Control

PACKAGE = "vita"
BEATS_PER_MINUTE = 120.0


def check_installed() -> None:
    """Raise a ``HostError`` with the command that installs the engine if it is missing."""
    if find_spec(PACKAGE) is None:
        raise HostError("Vital needs the package vita: pip install 'synth-reconstruct[vital]'")


def engine_version() -> str:
    """Name and version of the installed engine."""
    try:
        return f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return PACKAGE


class Engine:
    """One instance of Vital's engine, with the initial preset.

    Raises:
        HostError: if the engine is not installed, or does not load.
    """

    def __init__(self) -> None:
        check_installed()
        try:
            vita: Any = importlib.import_module(PACKAGE)
        except ImportError as error:
            raise HostError(f"Vital's engine does not load: {error}") from error
        self._synth = vita.Synth()
        self._synth.set_sample_rate(SAMPLE_RATE)
        self._synth.set_bpm(BEATS_PER_MINUTE)
        self._handles: dict[str, Any] = self._synth.get_controls()

    def controls(self) -> dict[str, Control]:
        """What the engine says of its controls."""
        found = {}
        for name in self._handles:
            row = self._synth.get_control_details(name)
            numbers = (row.min, row.max, row.default_value)
            low, high, default = (float(f"{number:.7g}") for number in numbers)
            scale = str(row.scale).rpartition(".")[2]
            label, unit = row.display_name.strip(), row.display_units.strip()
            found[name] = Control(
                name, label, low, high, default, scale, unit, row.display_multiply, row.post_offset, tuple(row.options)
            )
        return found

    def load(self, preset: str) -> None:
        """Load the text of a preset; raises ``HostError``."""
        if not self._synth.load_json(preset):
            raise HostError("Vital's engine refused a preset")
        self._handles = self._synth.get_controls()

    def set_values(self, values: Mapping[str, float]) -> None:
        """Set controls to values of the engine."""
        handles = self._handles
        for name, value in values.items():
            handles[name].set(value)

    def connect(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Make these the only modulations, each a source and a destination, in the order of the engine's slots."""
        self._synth.clear_modulations()
        for source, destination in pairs:
            if not self._synth.connect_modulation(source, destination):
                raise HostError(f"Vital's engine does not connect {source} with {destination}")

    def play(self, note: Note) -> Audio:
        """Render a note; shape ``(2, note.n_samples)``. Raises ``HostError`` for a chord."""
        if note.chord:
            raise HostError("Vital's engine plays one key at a time")
        seconds = (note.n_samples + 0.5) / SAMPLE_RATE  # the engine truncates seconds to samples
        audio = self._synth.render(note.number, note.velocity / 127.0, note.gate_seconds, seconds)
        audio = np.asarray(audio[:, : note.n_samples], np.float32)
        if audio.shape[1] < note.n_samples:
            audio = np.pad(audio, ((0, 0), (0, note.n_samples - audio.shape[1])))
        if not np.isfinite(audio).all():
            raise HostError("Vital's engine returned samples that are not finite numbers")
        return audio
