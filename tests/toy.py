"""An instrument of six parameters that knows nothing of NoiseMaker: a tone of some shape, colour, decay and tremolo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from render.audio import Audio
from render.errors import FileError, HostError, PresetError
from render.files import write_text
from render.instruments.curve import Curve
from render.instruments.host import EMBEDDED, Host, HostInfo
from render.instruments.instrument import Instrument, Program
from render.instruments.parameter import Condition, Kind, Parameter, Role
from render.instruments.patch import Patch
from render.instruments.table import Table
from render.note import SAMPLE_RATE, Note

GAIN = Curve("gain", "", lambda v: 2.0 * v, inverse=lambda gain: 0.5 * gain)

TABLE = Table(
    "Toy",
    "tests.toy:TABLE",
    (
        Parameter("loud", "Loudness", "out", Kind.CONTINUOUS, 0.5, curve=GAIN, role=Role.LEVEL),
        Parameter("shape", "Shape", "tone", Kind.CHOICE, 0.0, ("sine", "square", "saw")),
        Parameter("octave", "Octave", "tone", Kind.CHOICE, 0.5, ("-12", "0", "+12"), role=Role.TRANSPOSE),
        Parameter("colour", "Colour", "tone", Kind.CONTINUOUS, 0.5, needs=((Condition("shape", indices=(1, 2)),),)),
        Parameter("fade", "Fade", "out", Kind.CONTINUOUS, 0.5),
        Parameter("shake", "Tremolo", "tremolo", Kind.CONTINUOUS, 0.0, role=Role.EFFECT),
    ),
)


class ToyHost:
    """Plays the toy in numpy; every render is clean."""

    @property
    def info(self) -> HostInfo:
        return HostInfo("toy", "Toy", "1")

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        seconds = np.arange(note.n_samples) / SAMPLE_RATE
        hz = note.frequency_hz * 2.0 ** (patch.index("octave") - 1)
        partials = {"sine": [1], "square": [1, 3, 5, 7], "saw": [1, 2, 3, 4, 5, 6]}[patch.choice("shape")]
        tone = sum((2.0 * patch["colour"]) ** (k > 1) / k * np.sin(2.0 * np.pi * k * hz * seconds) for k in partials)
        envelope = np.exp(-seconds / (0.02 + patch["fade"])) * (seconds < note.gate_seconds)
        envelope = envelope * (1.0 - 0.5 * patch["shake"] * (1.0 + np.sin(2.0 * np.pi * 6.0 * seconds)))
        mono = 0.3 * 2.0 * patch["loud"] * note.velocity / 127.0 * envelope * tone
        return np.stack([mono, mono]).astype(np.float32)

    def close(self) -> None:
        pass


class ToyHosts:
    """The toy has one host."""

    def choose_host(self, where: str | None = None) -> tuple[str, tuple[str, ...]]:
        return where or EMBEDDED, ()

    def open_host(self, where: str = EMBEDDED) -> Host:
        if where != EMBEDDED:
            raise HostError(f"no toy at {where}")
        return ToyHost()


class ToyPresets:
    """Presets are JSON."""

    SUFFIX = ".toy"

    def read_programs(self, path: Path | str) -> list[Program]:
        try:
            content = json.loads(Path(path).read_text("utf-8"))
            return [Program(content["name"], TABLE.patch(content["knobs"]))]
        except OSError as error:
            raise FileError(f"cannot read {path}") from error
        except (ValueError, KeyError) as error:
            raise PresetError(f"{path} is no preset of the toy") from error

    def write_program(self, path: Path | str, program: Program) -> None:
        knobs = dict(zip(TABLE.names, program.patch.knobs, strict=True))
        write_text(Path(path), json.dumps({"name": program.name, "knobs": knobs}))


TOY = Instrument("toy", TABLE, ToyPresets(), ToyHosts(), moves=({"shake": 0.0}, {"shake": 0.5}))
