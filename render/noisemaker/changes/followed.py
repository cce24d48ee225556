"""An oscillator that follows what the rest of a patch leaves of a clip.

Of two oscillators with modulated pitches the louder one hides the other. Its contour is found (``pairings.py``) and
fitted by a descent, and then its sound can be removed from the clip, so that the contour of the other one is clear.
"""

from __future__ import annotations

from collections.abc import Iterator

from render.instruments.hints import Hints
from render.instruments.instrument import LeftBy
from render.instruments.patch import Patch
from render.noisemaker.changes.contours import Contour
from render.noisemaker.changes.explained import without
from render.noisemaker.changes.lfos import Change, modulations, resembling
from render.noisemaker.changes.pairings import PURE, RICH, Pairing, find_swept, is_modulated
from render.noisemaker.engine.lfo import rate_hz
from render.noisemaker.facts import PITCH_REACH
from render.noisemaker.pitches import untuned_pitch
from render.noisemaker.routes import OTHER_LFO, SOURCES
from render.note import Note

_OTHER = {1: 2, 2: 1}
_BOTH = "osc1&2"


def followed(patch: Patch, note: Note, hints: Hints, left_by: LeftBy) -> Iterator[Change]:
    """Patches in which one oscillator has another contour, the clearest in what the rest of the patch leaves.

    Args:
        patch: patch to change, with two oscillators that have a pitch.
        note: key press.
        hints: values estimated from the clip. Where no pitch is modulated, nothing is changed.
        left_by: see ``LeftBy``.
    """
    if not (all(patch.sounds(f"osc{index}tune") for index in _OTHER) and is_modulated(hints, note.number)):
        return
    for index, other in _OTHER.items():
        rest = patch.with_knobs({f"osc{index}volume": 0.0, "osc3volume": 0.0})  # the sub may stand in for it
        still = without(rest, (name for name in OTHER_LFO if _moves(patch, name)))
        kept, waveform = _contour(patch, note.number, other), patch.choice(f"osc{other}waveform")
        left = left_by(rest)
        if index == 1:
            widths = (*modulations(patch, left.rates_hz), *resembling(patch, note.gate_seconds, left))
            yield from ((f"{kind}, left", changed) for kind, changed in widths if kind.endswith("pulse width"))
        assert left.sweeps is not None
        for contour in find_swept(left.sweeps, note.number):
            # Oscillator 1 has harmonics: it takes the other's place where that one's waveform is one of its own.
            second = 2 if not contour.rich else index
            if second != index and waveform not in RICH:
                continue
            contours = {second: contour, _OTHER[second]: kept}
            level = {f"osc{_OTHER[second]}volume": patch[f"osc{other}volume"]}
            for found in RICH if contour.rich else PURE:
                waveforms = {f"osc{second}waveform": found, f"osc{_OTHER[second]}waveform": waveform}
                played = Pairing("", contours).played(still, note.number)
                yield f"what osc {other} leaves", played.with_knobs(level).with_settings(waveforms)


def _moves(patch: Patch, name: str) -> bool:
    """Whether an LFO moves a pitch."""
    return patch.choice(SOURCES[name].destination) in {"osc1", "osc2", _BOTH}


def _contour(patch: Patch, number: int, index: int) -> Contour:
    """The pitch of an oscillator with the LFOs that move it."""
    tune, fine = float(patch.choice(f"osc{index}tune")), float(patch.setting(f"osc{index}finetune"))
    contour = Contour(untuned_pitch(patch, number) + tune + fine, rich=True, score=0.0)
    for name in OTHER_LFO:
        if patch.choice(SOURCES[name].destination) in {f"osc{index}", _BOTH}:
            contour = Contour(
                contour.key,
                rich=True,
                score=0.0,
                waveform=patch.choice(f"{name}waveform"),
                hz=rate_hz(patch[f"{name}rate"], synced=patch[f"{name}sync"] > 0.0),
                phase=patch[f"{name}phase"],
                semitones=SOURCES[name].curve(patch[SOURCES[name].amount]) * PITCH_REACH,
                second=contour if contour.waveform else None,
            )
    return contour
