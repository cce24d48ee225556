"""A patch and its note while the rules of ``canonical`` rewrite them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from render.instruments.patch import Patch
from render.noisemaker.curves import VOLUME
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.table import TABLE
from render.note import Note

MODULATORS = ("lfo1destination", "lfo2destination", "freeaddestination", "envelopeeditordest1")


@dataclass
class Draft:
    """A patch and its note, mutable.

    Attributes:
        knobs: knobs by name.
        points: points of the envelope editor.
        note: the original key press.
        number: note number of the key; may temporarily lie outside of 0 to 127.
        gate_seconds: how long the key is held.
        control: cutoff control without modulation, where 1 is about half the sample rate.
    """

    knobs: dict[str, float]
    points: tuple[EnvelopePoint, ...]
    note: Note
    number: int
    gate_seconds: float
    control: float = 0.0

    @classmethod
    def of(cls, patch: Patch, note: Note) -> Draft:
        """A draft of a patch, its choices at their standard knobs."""
        knobs = dict(zip(TABLE.names, patch.snapped().knobs, strict=True))
        return cls(knobs, patch.extra, note, note.number, note.gate_seconds)

    def __getitem__(self, name: str) -> float:
        return self.knobs[name]

    def __setitem__(self, name: str, knob: float) -> None:
        self.knobs[name] = min(max(knob, 0.0), 1.0)

    @property
    def velocity(self) -> int:
        """MIDI velocity."""
        return self.note.velocity

    @property
    def held_seconds(self) -> float:
        """Seconds until the key is released or the render ends."""
        return min(self.gate_seconds, self.note.seconds)

    def on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.knobs[name] > 0.0

    def choice(self, name: str) -> str:
        """Name of a discrete parameter's value."""
        row = TABLE.parameter(name)
        return row.choices[row.index(self.knobs[name])]

    def choose(self, name: str, choice: str) -> None:
        """Set a discrete parameter."""
        row = TABLE.parameter(name)
        self.knobs[name] = row.choice_knobs[row.choices.index(choice)]

    def swap(self, one: str, other: str) -> None:
        """Exchange two knobs."""
        self.knobs[one], self.knobs[other] = self.knobs[other], self.knobs[one]

    def routed(self, *destinations: str) -> bool:
        """Whether a modulator has one of some destinations."""
        return any(self.choice(name) in destinations for name in MODULATORS)

    def loud(self, oscillator: int) -> bool:
        """Whether oscillator 1 or 2, or 3 for the sub, has a level above 0."""
        return self.knobs[f"osc{oscillator}volume"] > 0.0

    def frequency_modulated(self) -> bool:
        """Whether oscillator 1 modulates oscillator 2."""
        if not self.loud(2) or self.choice("osc2waveform") == "noise":
            return False
        return self.knobs["osc2fm"] > 0.0 or self.routed("fm")

    def pitched(self, oscillator: int) -> bool:
        """Whether the pitch of oscillator 1 or 2 is audible."""
        if self.loud(oscillator) and self.choice(f"osc{oscillator}waveform") != "noise":
            return True
        return oscillator == 1 and self.frequency_modulated()

    def base_audible(self) -> bool:
        """Whether the sub's pitch is audible, as a sound or through hard sync."""
        return self.loud(3) or self.on("oscsync")

    def scale_volume(self, gain: float) -> None:
        """Change the volume knob by a gain, as far as its range allows."""
        if gain != 1.0:
            low, high = VOLUME.range
            self["volume"] = VOLUME.knob(min(max(VOLUME.setting(self["volume"]) * gain, low), high))

    def finished(self) -> tuple[Patch, Note]:
        """The patch and note."""
        number = min(max(self.number, 0), 127)
        note = replace(self.note, number=number, gate_seconds=self.gate_seconds)
        return Patch(TABLE, tuple(self.knobs[name] for name in TABLE.names), self.points), note
