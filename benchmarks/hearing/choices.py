"""Balanced accuracy of the choices in the network's best proposal, where they matter, on held-out draws of the prior.

Each draw is played and read as a clip of unknown note, gate and level. The network's proposals are rendered and ranked
by the search distance, as in the pipeline, and the first one is compared with the draw, both in canonical form
(``inference.network.coding.canonical``). A choice of the draw counts if the sound changes by at least ``MATTERS`` dB of
MSS when its part is removed:

* waveforms: each oscillator that matters, found if an oscillator of the proposal has its waveform (each of them once);
* filter type: a filter that matters;
* FM, ring modulation, sync: on if it matters, off if the draw does not have it; in a proposal it is on if its removal
  changes the sound by at least ``AUDIBLE`` dB;
* destinations of the LFOs and of the envelope editor: found if the proposal's editor, or either of its LFOs, has the
  same destination.

Balanced accuracy is the mean of the recalls of all classes.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.common.targets import Sound, check_counts, read_sound, read_sounds
from benchmarks.hearing.guess import add_network_arguments, ranked
from inference.network.coding.canonical import canonical
from inference.network.coding.draft import MODULATORS
from render.errors import HostError
from render.hosts.pool import Pool
from render.instruments.host import Host
from render.instruments.patch import Patch
from render.measures.metrics import MssTarget
from render.noisemaker.hosts import open_host
from render.noisemaker.routes import OFF
from render.note import SAMPLE_RATE, Note

MATTERS, AUDIBLE = 1.0, 0.3
"""MSS in dB by which the removal of a part changes the sound, if the part matters, and if it is audible."""

BARS = {
    "waveform": 0.75,
    "filter type": 0.65,
    "FM": 0.8,
    "ring modulation": 0.8,
    "sync": 0.8,
    "LFO destination": 0.6,
    "editor destination": 0.6,
}

_OSCILLATORS = {"osc1volume": "osc1waveform", "osc2volume": "osc2waveform"}
_LFOS = ("lfo1destination", "lfo2destination")
_EDITOR = "envelopeeditordest1"
_SWITCHES = {"FM": "osc2fm", "ring modulation": "ringmodulation", "sync": "oscsync"}
_ROUTES = {"FM": "fm", "ring modulation": "ring mod"}
"""Destinations of modulators that lead to a switch."""

Answer = tuple[str, str, bool]
"""Question, true class, and whether it was found."""

Effect = Callable[[Patch], float]
"""MSS in dB between the sounds of a patch and of a changed one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--draws", type=int, default=1000, metavar="N", help="number of draws (default: 1000)")
    add_network_arguments(parser)
    parser.add_argument("--plugin", default="embedded", metavar="PATH|embedded")
    parser.add_argument("--workers", type=int, default=2)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    check_counts(arguments, "draws", "guesses", "workers")
    make_host = functools.partial(open_host, arguments.plugin)
    host = make_host()
    sounds = read_sounds(("prior",), arguments.draws, host)
    host.close()
    with Pool(functools.partial(_Worker, make_host, arguments.guesses, arguments.weights), arguments.workers) as pool:
        results = list(pool.map(sounds))
    answers = [result for result in results if isinstance(result, list)]
    failed = [result for result in results if isinstance(result, HostError)]
    print(f"{len(answers)} draws, {arguments.guesses} proposals; {len(failed)} failed", *failed[:1])
    print(table([answer for one in answers for answer in one]))
    return 0


def table(answers: list[Answer]) -> str:
    """Balanced accuracies of all questions, as text.

    Args:
        answers: one for each choice that counts.
    """
    found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for question, truth, right in answers:
        found[question][truth].append(right)
    lines = [f"{'':20} balanced  chance  bar   count  recalls"]
    for question, bar in BARS.items():
        recalls = {truth: statistics.mean(map(float, rights)) for truth, rights in sorted(found[question].items())}
        if recalls:
            count = sum(map(len, found[question].values()))
            each = ", ".join(
                f"{truth} {recall:.0%} of {len(found[question][truth])}" for truth, recall in recalls.items()
            )
            balanced = statistics.mean(recalls.values())
            lines.append(f"{question:20} {balanced:8.0%}  {1 / len(recalls):6.0%}  {bar:.0%}  {count:6}  {each}")
    return "\n".join(lines)


def compared(truth: Patch, guess: Patch, effect: Effect, guess_effect: Effect) -> Iterator[Answer]:
    """Which choices of a patch that matter are found in another one.

    Args:
        truth: canonical patch.
        guess: canonical patch that was proposed.
        effect: that of changes of ``truth``.
        guess_effect: that of changes of ``guess``.
    """
    waveforms = [guess.choice(row) for volume, row in _OSCILLATORS.items() if guess[volume] > 0.0]
    for volume, row in _OSCILLATORS.items():
        if truth[volume] > 0.0 and effect(truth.with_knobs({volume: 0.0})) >= MATTERS:
            wanted = truth.choice(row)
            yield "waveform", wanted, wanted in waveforms
            if wanted in waveforms:
                waveforms.remove(wanted)
    through = truth.with_settings({"filtertype": "Moog through"})
    if through != truth and effect(through) >= MATTERS:
        yield "filter type", truth.choice("filtertype"), truth.choice("filtertype") == guess.choice("filtertype")
    for question in _SWITCHES:
        without, guess_without = (_without(patch, question) for patch in (truth, guess))
        if without == truth or effect(without) >= MATTERS:
            is_on = without != truth
            guess_is_on = guess_without != guess and guess_effect(guess_without) >= AUDIBLE
            yield question, "on" if is_on else "off", is_on == guess_is_on
    for question, modulators in (("LFO destination", _LFOS), ("editor destination", (_EDITOR,))):
        found = {guess.choice(name) for name in modulators}
        for name in modulators:
            wanted = truth.choice(name)
            if wanted != OFF and effect(truth.with_settings({name: OFF})) >= MATTERS:
                yield question, wanted, wanted in found


def _without(patch: Patch, question: str) -> Patch:
    """A patch with FM, ring modulation or sync removed."""
    routes = {name: OFF for name in MODULATORS if patch.choice(name) == _ROUTES.get(question)}
    return patch.with_knobs({_SWITCHES[question]: 0.0}).with_settings(routes)


class _Worker:
    """Function of a worker process, with its host and the network."""

    def __init__(self, make_host: Callable[[], Host], guesses: int, weights: Path | None) -> None:
        import torch

        from inference.network.proposals import Guesser

        torch.set_num_threads(1)
        self._host, self._guesses, self._guesser = make_host(), guesses, Guesser.load(weights)

    def __call__(self, sound: Sound) -> list[Answer]:
        assert sound.patch is not None
        target, _ = read_sound(sound)
        proposals = self._guesser.propose(target, count=self._guesses)
        best = ranked(self._host, target, [(proposal.patch, proposal.note) for proposal in proposals])[0]
        truth, note = canonical(sound.patch, sound.note)
        guess, guess_note = canonical(*best)
        return list(compared(truth, guess, self._effect(truth, note), self._effect(guess, guess_note)))

    def _effect(self, patch: Patch, note: Note) -> Effect:
        mss = MssTarget(self._host.render(patch, note), SAMPLE_RATE)
        return lambda changed: mss.distance(self._host.render(changed, note))
