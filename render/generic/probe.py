"""Reading a plug-in: its parameters from their value texts, and which of them sound from renders.

A parameter sounds if a change of it alters the sound by more than two renders of the same patch differ, in the initial
patch or in one of some random patches: a filter's envelope, for example, is inaudible where it has no depth.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from render.audio import Audio, rms
from render.errors import HostError
from render.generic.description import KEPT, LEVEL, Described, Description
from render.hosts.dawdreamer import PluginInstance
from render.hosts.plugin import SECONDS_TO_LOAD, findable
from render.hosts.plugin_files import plugin_format
from render.hosts.pool import Pool
from render.measures.distance import TargetDistance
from render.note import SAMPLE_RATE

_TEXTS = 65
"""Number of knobs at which the text of a value is read."""
_MOST_CHOICES = 32
_MOST_PARAMETERS = 512
_LEVELS = 17
"""Number of knobs at which a volume is measured."""
_BASES = 12
"""Number of random patches in which parameters are tested, beside the initial one."""
_VALUES = (0.0, 0.2, 0.5, 1.0)
"""Knobs that are tried for each parameter."""
_NUMBER, _GATE_SECONDS, _SECONDS = 57, 0.6, 1.1
_VELOCITIES = (100, 60)
"""Taken in turns: an accent may need a hard note, and a sensitivity one that is not the hardest."""
_LEAST_CHANGE = 0.02
"""Search distance that a change must have at least, and beyond three times what two renders differ."""
_QUIETEST = 1e-3
_SEED = 11
_SECONDS_TO_DESCRIBE = 300.0

_LEVEL_NAME = re.compile(r"^(master|main|output)?[ _-]*(vol|volume|gain|level|output|out)$", re.IGNORECASE)
_KEPT_NAME = re.compile(
    r"bypass|midi|(^|[ _-])cc[ _-]?\d|program|panic|unused|oversampl|quality|tempo|bpm", re.IGNORECASE
)
_NUMBER_TEXT = re.compile(r"^[-+]?[\d.]+(?:e[-+]?\d+)?")


def describe_plugin(path: Path | str) -> Description:
    """Read a plug-in in a process of its own, in some seconds.

    Raises:
        HostError: if it cannot be used; the message says why, in one line.
    """
    path = Path(path)
    plugin_format(path)
    if not path.exists():
        raise HostError(f"no plug-in at {path}; allowed: an existing file")
    try:
        with Pool(
            partial(_make_worker, path), 1, seconds_per_job=_SECONDS_TO_DESCRIBE, seconds_to_start=SECONDS_TO_LOAD
        ) as pool:
            return pool.submit(None).result()
    except HostError as error:
        reason = str(error).replace("workers do not start: a worker", "opening it")
        raise HostError(f"cannot use {path}: {reason}") from error


def _make_worker(path: Path) -> Callable[[None], Description]:
    instance = PluginInstance(findable(path, plugin_format(path)))
    return lambda _: _describe(path, instance)


def _describe(path: Path, instance: PluginInstance) -> Description:
    labels = instance.parameter_names()
    if len(labels) > _MOST_PARAMETERS:
        labels = labels[:_MOST_PARAMETERS]
    _play(instance)  # the first render after loading differs from all others
    parameters = [_read(instance, index, label) for index, label in enumerate(labels) if label.strip()]
    parameters = _named(parameters)
    loud = [k for k, p in enumerate(parameters) if p.role == LEVEL]
    for k in loud:
        gains = _gains(instance, parameters[k])
        parameters[k] = replace(parameters[k], gains=gains) if k == loud[0] else replace(parameters[k], role=KEPT)
    audible = _audible(instance, [p for p in parameters if p.role is None])
    parameters = [replace(p, sounds=p.role == LEVEL or p.name in audible) for p in parameters]
    if not any(p.sounds and p.role is None for p in parameters):
        raise HostError(f"{path.name} has no parameter that changes its sound")
    return Description(path.stem, str(path), _program(instance), tuple(parameters))


def _read(instance: PluginInstance, index: int, label: str) -> Described:
    """One parameter, without knowing whether it sounds."""
    default = min(max(instance.parameter(index), 0.0), 1.0)
    knobs = np.linspace(0.0, 1.0, _TEXTS)
    texts = []
    for knob in knobs:
        instance.set_parameter(index, float(knob))
        texts.append(instance.parameter_text(index).strip())
    distinct = list(dict.fromkeys(texts))
    choices: tuple[str, ...] = ()
    if 1 < len(distinct) <= _MOST_CHOICES and _in_runs(texts):
        at_choices = []
        for k in range(len(distinct)):
            instance.set_parameter(index, k / (len(distinct) - 1))
            at_choices.append(instance.parameter_text(index).strip())
        choices = tuple(distinct) if at_choices == distinct else ()
    instance.set_parameter(index, default)
    role = LEVEL if _LEVEL_NAME.match(label.strip()) else KEPT if _KEPT_NAME.search(label) else None
    unit = _NUMBER_TEXT.sub("", texts[-1]).strip() if not choices and _NUMBER_TEXT.match(texts[-1]) else ""
    name = re.sub(r"\W+", "_", label.strip().lower()).strip("_") or f"parameter_{index}"
    return Described(name, index, label.strip(), round(default, 6), unit, choices, role)


def _in_runs(texts: Sequence[str]) -> bool:
    """Whether equal texts stand together, as those of a choice do."""
    changes = sum(one != other for one, other in itertools.pairwise(texts))
    return changes == len(set(texts)) - 1


def _named(parameters: Sequence[Described]) -> list[Described]:
    """Parameters with names that differ. The host finds parameters by name: of several with one name only the first."""
    found: dict[str, Described] = {}
    for parameter in parameters:
        found.setdefault(parameter.name, parameter)
    return list(found.values())


def _play(instance: PluginInstance, velocity: int = _VELOCITIES[0]) -> Audio:
    audio = instance.play([_NUMBER], velocity, 0.0, _GATE_SECONDS, round(_SECONDS * SAMPLE_RATE))
    stereo = np.empty((2, audio.shape[1]), np.float32)
    stereo[:] = audio[:2]
    return np.nan_to_num(stereo)


def _gains(instance: PluginInstance, parameter: Described) -> tuple[float, ...]:
    """RMS at evenly spaced knobs relative to the loudest; empty if the knob is no volume."""
    levels = []
    for knob in np.linspace(0.0, 1.0, _LEVELS):
        instance.set_parameter(parameter.index, float(knob))
        _play(instance)  # a volume may glide to its value
        levels.append(rms(_play(instance)))
    instance.set_parameter(parameter.index, parameter.default)
    loudest = max(levels)
    rises = all(b >= 0.97 * a for a, b in itertools.pairwise(levels))
    if loudest < _QUIETEST or not rises or levels[0] > 0.5 * loudest:
        return ()
    return tuple(round(level / loudest, 5) for level in levels)


def _audible(instance: PluginInstance, parameters: Sequence[Described]) -> set[str]:
    """Names of the parameters whose change is audible from one of some patches."""
    rng = np.random.default_rng(_SEED)
    audible: set[str] = set()
    for k in range(_BASES + 1):
        base = {p.index: p.default if k == 0 or rng.random() < 0.3 else float(rng.random()) for p in parameters}
        for index, knob in base.items():
            instance.set_parameter(index, knob)
        velocity = _VELOCITIES[k % len(_VELOCITIES)]
        _play(instance, velocity)
        before, again = _play(instance, velocity), _play(instance, velocity)
        if np.abs(before).max() < _QUIETEST:
            continue
        target = TargetDistance(before)
        least = max(_LEAST_CHANGE, 3.0 * target(again))
        for parameter in parameters:
            if parameter.name in audible:
                continue
            for value in _VALUES:
                instance.set_parameter(parameter.index, value)
                if target(_play(instance, velocity)) > least:
                    audible.add(parameter.name)
                    break
            instance.set_parameter(parameter.index, base[parameter.index])
    for parameter in parameters:
        instance.set_parameter(parameter.index, parameter.default)
    return audible


def _program(instance: PluginInstance) -> dict[str, int]:
    """What identifies a VST2 in preset files: its id and version, from a bank that it saved."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        instance.save_state(path)
        saved = path.read_bytes()
    if saved[:4] != b"CcnK":
        return {}
    return {"id": int.from_bytes(saved[16:20], "big"), "version": int.from_bytes(saved[20:24], "big")}
