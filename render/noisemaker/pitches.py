"""The keys and pitches at which a patch sounds, from its knobs, and patches that sound higher or lower."""

from __future__ import annotations

from render.instruments.patch import Patch
from render.noisemaker.curves import LEVEL
from render.noisemaker.facts import SUB_SEMITONES, TRANSPOSITIONS, TUNE_SEMITONES
from render.noisemaker.table import TABLE
from render.note import Note

_TUNES = ("osc1tune", "osc2tune")


def sounding_keys(patch: Patch, note: Note) -> tuple[int, ...]:
    """The keys of a note that sound, ascending: as many as the patch has voices.

    A chord's keys are pressed from the lowest up, and each one takes the oldest voice where all of them are taken, so
    the highest keys sound.
    """
    return note.keys[-(patch.index("voices") + 1) :]


def sounding_pitches(patch: Patch, number: int) -> tuple[list[int], list[float]]:
    """The note numbers of oscillators 1, 2 and the sub, and each one's share of their power.

    Fine tuning and modulation are left out. Noise has no pitch, so no share.

    Args:
        patch: patch that is played.
        number: MIDI note number of the key.
    """
    base = untuned_pitch(patch, number)
    pitches, powers = [], []
    for k in (1, 2, 3):
        tune = float(patch.choice(f"osc{k}tune")) if k < 3 else float(SUB_SEMITONES)
        noise = k < 3 and patch.choice(f"osc{k}waveform") == "noise"
        pitches.append(round(base + tune))
        powers.append(0.0 if noise else LEVEL.setting(patch[f"osc{k}volume"]) ** 2)
    total = sum(powers)
    return pitches, [power / total for power in powers] if total > 0.0 else powers


def untuned_pitch(patch: Patch, number: int) -> float:
    """The note number at which an oscillator sounds whose own tunings are 0: the key, transposed and master-tuned.

    Args:
        patch: patch that is played.
        number: MIDI note number of the key.
    """
    return number + TRANSPOSITIONS[patch.index("transpose")] + 2.0 * patch["oscmastertune"] - 1.0


def tuning(index: int, semitones: float) -> dict[str, float]:
    """Knobs that tune oscillator 1 or 2 by an interval, or as far towards it as they reach.

        >>> tuning(2, 7.25)
        {'osc2tune': 0.6510416666666666, 'osc2finetune': 0.625}

    Args:
        index: number of the oscillator.
        semitones: interval from the key, after the transposition.
    """
    row = TABLE.parameter(f"osc{index}tune")
    whole = min(max(round(semitones), -TUNE_SEMITONES), TUNE_SEMITONES)
    fine = min(max(0.5 + 0.5 * (semitones - whole), 0.0), 1.0)
    return {row.name: row.choice_knobs[whole + TUNE_SEMITONES], f"osc{index}finetune": fine}


def transposed(patch: Patch, semitones: int) -> Patch | None:
    """A patch that sounds higher by some semitones on the same key.

    Whole octaves go into the transposition, and all other intervals into the tunings of both oscillators, as far as
    these reach. The sub has no tuning, so where it sounds whole octaves alone are possible. The filter is not changed,
    so that its cutoff is another one if it follows the key.

    Args:
        patch: patch to transpose.
        semitones: interval, negative for a patch that sounds lower.

    Returns:
        The patch; None if the interval is out of reach.
    """
    now = TRANSPOSITIONS[patch.index("transpose")]
    row = patch.table.parameter("transpose")
    for choice in sorted(TRANSPOSITIONS, key=lambda choice: (semitones != choice - now, abs(choice - now))):
        rest = semitones - (choice - now)
        tunes = {name: round(float(patch.choice(name))) + rest for name in _TUNES if rest and patch.sounds(name)}
        beyond = any(abs(tune) > TUNE_SEMITONES for tune in tunes.values())
        if not beyond and not (rest and LEVEL.setting(patch["osc3volume"]) > 0.0):
            tuned = {name: f"{tune:+d}" if tune else "0" for name, tune in tunes.items()}
            return patch.with_knobs({row.name: row.choice_knobs[TRANSPOSITIONS.index(choice)]}).with_settings(tuned)
    return None
