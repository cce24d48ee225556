"""Exchange of sections between two patches for the same sound, the true one and the found one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from render.audio import Audio
from render.instruments.host import Host
from render.instruments.keys import on_key
from render.instruments.patch import Patch
from render.noisemaker.instrument import NOISEMAKER
from render.noisemaker.trials.sections import JOINED, SECTIONS, TUNING
from render.note import SAMPLE_RATE, Note

NOTE, GATE = "note", "gate"
"""Sections that are not part of the patch: the key with its velocity, and the gate."""

EXCHANGED = (*SECTIONS, NOTE, GATE)
"""Sections that ``exchanged`` accepts, beside those of ``JOINED``."""


class Part(StrEnum):
    """The parameters of a section that are exchanged."""

    ALL = "all"
    CHOICES = "choices"  # discrete parameters alone
    KNOBS = "knobs"  # continuous parameters alone, with the points of the envelope editor


@dataclass(frozen=True, slots=True)
class Played:
    """A patch with the key press of the clip.

    Attributes:
        patch: the patch.
        note: the key press.
        lead_seconds: how much of the render lies before the clip's first sample.
    """

    patch: Patch
    note: Note
    lead_seconds: float = 0.0

    def render(self, host: Host, n_samples: int) -> Audio:
        """The clean render as far as the clip reaches, shape ``(2, n_samples)`` or shorter."""
        onset = round(self.lead_seconds * SAMPLE_RATE)
        return host.render(self.patch, self.note)[:, onset : onset + n_samples]


def exchanged(base: Played, other: Played, section: str, part: Part = Part.ALL) -> Played:
    """One patch with a section of another.

    The estimated key may be octaves from the one that was pressed, with the transposition making up for it: the sound
    is the same. Key and tuning are therefore exchanged as follows:

    * ``tuning`` is converted to the base's key, with the octaves between the keys in the transposition. If the keys are
      not whole octaves apart, or the transposition does not reach, the key is exchanged too, so that the sounding
      pitches are always the other patch's.
    * ``note`` moves the base to the other key with unchanged sounding pitches, so that it costs what else depends on
      the key (key follow). If the transposition cannot compensate, nothing is exchanged: the key counts as tuning then.

    Args:
        base: patch to change.
        other: patch with the other section.
        section: name in ``EXCHANGED`` or ``JOINED``.
        part: parameters of the section to exchange; ``note`` and ``gate`` have no parts, and a key that is exchanged
            with the tuning counts as a choice.
    """
    if section in JOINED:
        for name in JOINED[section]:
            base = exchanged(base, other, name, part)
        return base
    if section == NOTE:
        moved = on_key(base.patch, base.note.number, other.note)
        same_pitch = moved is not None and moved[1].number == other.note.number
        patch = moved[0] if moved is not None and same_pitch else base.patch
        number = other.note.number if same_pitch else base.note.number
        return replace(base, patch=patch, note=replace(base.note, number=number, velocity=other.note.velocity))
    if section == GATE:
        gate = other.note.gate_seconds - other.lead_seconds + base.lead_seconds
        return replace(base, note=replace(base.note, gate_seconds=min(max(gate, 1e-3), base.note.seconds)))
    source = other.patch
    if section == TUNING:
        moved = on_key(other.patch, other.note.number, base.note)
        if moved is not None:
            source = moved[0]
            if part is not Part.KNOBS:
                base = replace(base, note=replace(base.note, number=moved[1].number))
    rows = [base.patch.table.parameter(name) for name in SECTIONS[section]]
    chosen = [row.name for row in rows if part is Part.ALL or row.discrete == (part is Part.CHOICES)]
    patch = base.patch.with_knobs({name: source[name] for name in chosen})
    extra = NOISEMAKER.extra
    if extra is not None and extra.KNOB in chosen:
        patch = patch.with_extra(source.extra)
    return replace(base, patch=patch)


def repairs(base: Played, other: Played, sections: Sequence[str]) -> Iterator[tuple[str, Played]]:
    """One patch with sections of another put in one after another, in the order given.

    Yields:
        Each section that changes anything, and the patch with it and all before it.
    """
    for section in sections:
        repaired = exchanged(base, other, section)
        same_state = (repaired.note, repaired.patch.extra) == (base.note, base.patch.extra)
        if not same_state or base.patch.diff(repaired.patch):
            yield section, repaired
        base = repaired
