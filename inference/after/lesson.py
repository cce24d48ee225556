"""The steps from a preset that the user knows to the match, section by section, and the gain of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inference.candidate import Candidate
from render.instruments.instrument import Instrument, Program
from render.instruments.patch import Patch


@dataclass(frozen=True)
class Step:
    """Changes in one section of the panel.

    Attributes:
        section: the section.
        changes: name of each parameter with its setting before and after.
        loss: distance from the clip after the step.
    """

    section: str
    changes: dict[str, tuple[float | str, float | str]]
    loss: float


@dataclass(frozen=True)
class Lesson:
    """The steps from the closest preset of a bank to the match.

    Attributes:
        preset: name of the preset.
        loss: its distance from the clip, at the matching level.
        steps: steps in order; each has the largest gain of the remaining ones.
    """

    preset: str
    loss: float
    steps: tuple[Step, ...]

    def as_data(self) -> dict[str, Any]:
        """JSON form."""
        steps = [
            {
                "section": step.section,
                "loss": round(step.loss, 5),
                "changes": {name: list(settings) for name, settings in step.changes.items()},
            }
            for step in self.steps
        ]
        return {"preset": self.preset, "loss": round(self.loss, 5), "steps": steps}


def lesson_from(
    bank: Sequence[Program],
    match: Candidate,
    measure: Callable[[Iterable[Candidate]], list[Candidate]],
    instrument: Instrument,
) -> Lesson | None:
    """The lesson from the preset of a bank that is closest to the clip.

    Args:
        bank: presets that the user knows.
        match: the match.
        measure: returns candidates with their distances from the clip, in order, without those that cannot be rendered,
            such as ``Evaluator.measure``.
        instrument: synth of the patches.

    Returns:
        The lesson; None if no preset could be rendered.
    """
    n_keys = len(match.note.keys)
    measured = measure(Candidate(p.patch.with_voices_for(n_keys), match.note, origin=p.name or "no name") for p in bank)
    if not measured:
        return None
    closest = min(measured, key=lambda candidate: candidate.loss)
    steps: list[Step] = []
    here, left = closest, _sections(closest.patch, match.patch)
    while left:
        tried = measure(
            replace(here, patch=_changed(here.patch, match.patch, names, instrument)) for names in left.values()
        )
        if len(tried) < len(left):
            break
        best, section = min(zip(tried, left, strict=True), key=lambda pair: pair[0].loss)
        changes = {name: (here.patch.setting(name), match.patch.setting(name)) for name in left.pop(section)}
        steps.append(Step(section, changes, best.loss))
        here = best
    return Lesson(closest.origin, closest.loss, tuple(steps))


def _sections(patch: Patch, other: Patch) -> dict[str, list[str]]:
    """Parameters that differ and are audible in the other patch, by section, without the level."""
    sections: dict[str, list[str]] = {}
    for name in patch.diff(other):
        row = patch.table.parameter(name)
        if row is not patch.table.level and other.sounds(name):
            sections.setdefault(row.group, []).append(name)
    return sections


def _changed(patch: Patch, other: Patch, names: Sequence[str], instrument: Instrument) -> Patch:
    changed = patch.with_knobs({name: other[name] for name in names})
    with_extra = instrument.extra is not None and instrument.extra.KNOB in names
    return changed.with_extra(other.extra) if with_extra else changed
