"""The host of Vital: its engine in this process.

The engine cannot be reset: reverb, delay, chorus and flanger go on from one render to the next, and oscillators with
random phases draw on. So a **clean** render is played by a forked child of a pristine instance, which loads the very
preset that is written; where a process cannot fork safely, by a fresh instance. A **fast** render sets the controls of
an instance that has loaded the wavetables already. It plays by itself, again and again, unless reverb, chorus or
flanger go on in it: two such renders of one patch differ by 2 to 3 dB of MSS, so they are forked too.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from render.audio import Audio
from render.errors import HostError
from render.hosts.forked import FORK_IS_SAFE, DeadChildError, in_fork
from render.instruments.host import HostInfo
from render.instruments.patch import Patch
from render.note import Note
from render.vital.controls import CONTROLS, ENGINE
from render.vital.engine import Engine, engine_version
from render.vital.state import N_LFOS, State, preset_text
from render.vital.table import OSCILLATORS

_GOES_ON = ("reverb_on", "chorus_on", "flanger_on")
"""Switches of the effects whose own modulation goes on from one render to the next; a delay's tail differs by less than
0.1 dB."""

_KEPT = 3
"""Largest number of instances of each kind that are kept for fast renders, one for each set of wavetables and LFO
shapes."""

Loaded = tuple[object, ...]
"""Identifies what an instance has loaded."""

_SEEDS = 16
"""Number of seeds that differ."""
_THROWAWAY = Note(60, gate_seconds=0.03, seconds=0.037)
"""Played once for each unit of the seed, some 80 dB below a usual level, to reach other phases."""
_FAINT = 0.01
"""Level of the oscillators in throwaway notes."""
_FORKS, _SECONDS_PER_SECOND = 3, 10.0
"""How often a render is tried whose process dies, and seconds that it may take for a second of sound."""


class VitalHost:
    """Plays patches of Vital.

    Args:
        fork: whether clean renders are made in forked children.

    Raises:
        HostError: if the engine is missing, or differs from the table.

    Example:
        >>> from render.vital.table import TABLE
        >>> VitalHost().render(TABLE.default, Note(60)).shape  # doctest: +SKIP
        (2, 88200)
    """

    def __init__(self, *, fork: bool = FORK_IS_SAFE) -> None:
        self._fork = fork
        self._pristine: Engine | None = _prepared()
        check_controls(self._pristine)
        self._reused, self._never_played = OrderedDict[Loaded, Engine](), OrderedDict[Loaded, Engine]()

    @property
    def info(self) -> HostInfo:
        """The engine's name and version."""
        return HostInfo("embedded", "Vital", engine_version())

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        """See ``Host.render``."""
        if self._pristine is None:
            raise HostError("the host is closed")
        if clean:
            return self._clean(patch, note, seed)
        state, forked = State(patch), self._fork and any(patch.choice(name) == "on" for name in _GOES_ON)
        engine = _loaded(state, self._never_played if forked else self._reused)
        play = partial(_play_set, engine, state, note)
        return _forked(play, note) if forked else play()

    def close(self) -> None:
        """Release the engine."""
        self._pristine = None
        self._reused.clear()
        self._never_played.clear()

    def _clean(self, patch: Patch, note: Note, seed: int) -> Audio:
        assert self._pristine is not None
        engine = self._pristine if self._fork else _prepared()
        play = partial(_play_preset, engine, patch, note, seed % _SEEDS)
        return _forked(play, note) if self._fork else play()


def check_controls(engine: Engine) -> None:
    """Compare the live engine with the table.

    Raises:
        HostError: if a control is missing, or its range or choices differ; the message names the rows.
    """
    live = engine.controls()
    wrong = [name for name, control in CONTROLS.items() if live.get(name) != control]
    if wrong:
        rows = ", ".join(wrong[:4]) + (f" and {len(wrong) - 4} more" if len(wrong) > 4 else "")
        raise HostError(f"{engine_version()} differs from the table, which was made for {ENGINE}: {rows}")


def _prepared() -> Engine:
    """A fresh engine with all oscillators almost silent, and the effects on whose modulation goes on.

    A throwaway note then changes all random phases, and leaves nothing audible behind.
    """
    engine = Engine()
    engine.set_values({f"osc_{k}_on": 1.0 for k in OSCILLATORS} | {f"osc_{k}_level": _FAINT for k in OSCILLATORS})
    engine.set_values(dict.fromkeys(_GOES_ON, 1.0))
    return engine


def _loaded(state: State, kept: OrderedDict[Loaded, Engine]) -> Engine:
    """An instance that has loaded everything of a patch that is no control: wavetables, LFO shapes, sample."""
    patch = state.patch
    on = [k for k in OSCILLATORS if patch.choice(f"osc_{k}_on") == "on"]
    others = (pair for pair in patch.extra if not pair[0].startswith(("wavetable.", "lfo.", "modulation.")))
    shapes = json.dumps([state.lfo(k) for k in range(1, N_LFOS + 1)])
    key = (*((k, state.wavetable(k)) for k in on), shapes, *others)
    engine = kept.pop(key, None)
    if engine is None:
        engine = kept.popitem(last=False)[1] if len(kept) >= _KEPT else Engine()
        engine.load(preset_text(patch))
    kept[key] = engine
    return engine


def _play_set(engine: Engine, state: State, note: Note) -> Audio:
    """Play a patch on an instance that has loaded its wavetables."""
    pairs = state.pairs()
    engine.connect(list(pairs.values()))
    engine.set_values(state.row_values() | _slot_values(state, pairs))
    return engine.play(note)


def _forked(play: Callable[[], Audio], note: Note) -> Audio:
    for n_left in reversed(range(_FORKS)):
        try:
            return in_fork(play, (2, note.n_samples), seconds=10.0 + _SECONDS_PER_SECOND * note.seconds)
        except DeadChildError:
            if n_left == 0:
                raise
    raise AssertionError("unreachable")


def _play_preset(engine: Engine, patch: Patch, note: Note, seed: int) -> Audio:
    """Load the preset of a patch and play it; a seed above 0 lets other phases come first."""
    for _ in range(seed):
        engine.play(_THROWAWAY)
    engine.load(preset_text(patch))
    return engine.play(note)


def _slot_values(state: State, pairs: dict[int, tuple[str, str]]) -> dict[str, float]:
    """Amounts of the modulations, which a reused instance keeps in its first slots without gaps."""
    rows = state.row_values()
    values = {}
    for place, n in enumerate(pairs, start=1):
        content = state.extra.get(f"modulation.{n}")
        for part in ("amount", "bipolar"):
            name = f"modulation_{n}_{part}"
            values[f"modulation_{place}_{part}"] = rows[name] if content is None else content[part]
        for part in ("power", "stereo", "bypass"):
            values[f"modulation_{place}_{part}"] = 0.0 if content is None else content[part]
    return values
