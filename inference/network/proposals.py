"""The first stage: networks that propose patches for a clip.

``Guesser`` proposes several, from a network that gives a distribution over patches; ``Regression`` is the plain
baseline that maps a clip to one knob vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch

from inference.clip.target import Target
from inference.network.coding.variables import SILENT
from inference.network.features.estimated_note import UNKNOWN_NOTE
from inference.network.features.log_mel import as_batch
from inference.network.features.spectrograms import SPECTROGRAMS
from inference.network.model import GuessNetwork, RegressionNetwork
from inference.network.sampling import draw
from inference.network.weights import read_network
from inference.ports import Guess, Proposal
from render.audio import Audio
from render.errors import OutOfRange, UnknownName
from render.instruments.patch import Patch
from render.noisemaker.peak import expected_peak_db, volume_for
from render.noisemaker.pitches import sounding_pitches
from render.noisemaker.table import TABLE
from render.note import Note

TEMPERATURE = 0.5
_AUDIBLE_SHARE = 0.15  # share of the oscillators' power from which one of them may be estimated as the pitch


class Guesser:
    """Proposals from a distribution over patches.

    Args:
        network: network with its weights.
        temperature: temperature of all draws but the first.
    """

    def __init__(self, network: GuessNetwork, temperature: float = TEMPERATURE) -> None:
        self.network = network.eval()
        self.temperature = temperature

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The network of a file, or the one that comes with the project; raises ``FileError`` or ``FormatError``."""
        return cls(cast(GuessNetwork, read_network(path or shipped_weights("network"), "network")))

    @torch.inference_mode()
    def propose(self, target: Target, *, count: int, seed: int = 0) -> list[Proposal]:
        """See ``Guess``: the first has the likeliest choices and the medians of the rest; the others are drawn.

        Half of them use the note's gate even if it is only an estimate.
        """
        if count < 1:
            raise OutOfRange("number of proposals", count, "1 or more")
        audio, note, note_fixed = target.audio, target.note, target.note_fixed
        note_number = note.number if target.pitched and not note_fixed else UNKNOWN_NOTE
        coding = self.network.coding
        spectrograms = as_batch(SPECTROGRAMS[self.network.size.spectrogram](audio)[None])
        heard = self.network.encoder(spectrograms, torch.tensor([note_number]))
        keeps_gate = np.full(count, target.gate_fixed)
        keeps_gate[::2] = True  # the others have the network's gate: either may be wrong
        always = coding.given(note, gate=False, key=note_fixed)
        given = {
            variable: np.full(count, code) if variable in always else np.where(keeps_gate, code, SILENT)
            for variable, code in coding.given(note, gate=True, key=note_fixed).items()
        }
        temperature = np.full(count, self.temperature)
        temperature[0] = 0.0
        draws = draw(
            self.network,
            heard,
            given,
            temperature=temperature,
            generator=torch.Generator().manual_seed(seed),
        )
        _, first = np.unique(draws.codes, axis=0, return_index=True)
        order = sorted(first.tolist(), key=lambda k: (k > 0, -draws.log_probs[k]))
        finish = _finisher(audio, note)
        proposals = []
        for k in order:
            key = note.number if note_fixed else None
            found = coding.decode(draws.codes[k].tolist(), draws.fractions[k].tolist(), note_number, key)
            number = found.number
            if note_number != UNKNOWN_NOTE:
                number = key_for(found.patch, number, note_number)
            gate_seconds = note.gate_seconds if keeps_gate[k] else found.gate_seconds
            proposals.append(finish(found.patch, number, gate_seconds, float(draws.log_probs[k])))
        return proposals


class Regression:
    """The plain baseline: one knob vector.

    Args:
        network: network with its weights.
    """

    def __init__(self, network: RegressionNetwork) -> None:
        self.network = network.eval()

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The network of a file, or the one that comes with the project; raises ``FileError`` or ``FormatError``."""
        return cls(cast(RegressionNetwork, read_network(path or shipped_weights("regression"), "regression")))

    @torch.inference_mode()
    def propose(self, target: Target, *, count: int, seed: int = 0) -> list[Proposal]:
        """See ``Guess``: one proposal, with the note and gate as they are."""
        if count < 1:
            raise OutOfRange("number of proposals", count, "1 or more")
        audio, note = target.audio, target.note
        note_number = note.number if target.pitched and not target.note_fixed else UNKNOWN_NOTE
        spectrograms = as_batch(SPECTROGRAMS[self.network.size.spectrogram](audio)[None])
        knobs = self.network(spectrograms, torch.tensor([note_number]))[0]
        patch = Patch(TABLE, tuple(knobs.double().clamp(0.0, 1.0).tolist())).snapped()
        finish = _finisher(audio, note)
        return [finish(patch, note.number, note.gate_seconds, 0.0)]


GUESSERS: dict[str, type[Guesser] | type[Regression]] = {"network": Guesser, "regression": Regression}


def load_guesser(name: str) -> Guess:
    """A guesser with the weights that come with the project.

    Raises:
        UnknownName: if there is no such guesser.
        FileError: if its weights cannot be read.
        FormatError: if they are damaged, or of another schema or table.
    """
    if name not in GUESSERS:
        raise UnknownName("guess", name, GUESSERS)
    return GUESSERS[name].load()


def shipped_weights(kind: str) -> Path:
    """Path of the weights that come with the project."""
    return Path(str(resources.files("inference.network").joinpath("weights", f"{kind}.safetensors")))


def key_for(patch: Patch, number: int, estimated: int) -> int:
    """The key closest to ``number`` on which one of the patch's pitches is the estimated one.

    The pitch estimator is right more often than the network (``docs/guess.md``).

    Args:
        patch: the patch.
        number: MIDI note number of the key that the network proposes.
        estimated: MIDI note number of the clip's pitch.
    """
    pitches, shares = sounding_pitches(patch, number)
    moves = [estimated - pitch for pitch, share in zip(pitches, shares, strict=True) if share >= _AUDIBLE_SHARE]
    return min(max(number + min(moves, key=abs, default=0), 0), 127)


def _finisher(audio: Audio, note: Note) -> Callable[[Patch, int, float, float], Proposal]:
    """A patch with its key press and a volume knob that suits the clip's peak."""
    peak_db = 20.0 * float(np.log10(np.abs(audio).max()))

    def finish(patch: Patch, number: int, gate_seconds: float, log_prob: float) -> Proposal:
        played = replace(note, number=number, gate_seconds=gate_seconds)
        volume = volume_for(peak_db - expected_peak_db(patch, played))
        return Proposal(patch.with_knobs({"volume": volume}), played, log_prob)

    return finish
