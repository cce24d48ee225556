"""The plug-in host: plays the patches of an instrument on its real plug-in.

A reused plug-in has a memory (tails, free-running LFOs and noise generators), so a **clean** render is played by a
forked child of a pristine instance, which is bit-equal to a fresh one; where a process cannot fork safely, by a fresh
instance. A **fast** render uses one instance again and again. The figures behind this are in ``docs/hosting.md``.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from render.audio import Audio
from render.errors import HostError
from render.hosts.dawdreamer import PluginInstance
from render.hosts.forked import FORK_IS_SAFE, DeadChildError, in_fork
from render.hosts.plugin_files import PluginClass, lv2_uri, normalised, plugin_class, plugin_format
from render.hosts.pool import Pool
from render.instruments.containers import fxbank, vstpreset
from render.instruments.host import HostInfo
from render.instruments.patch import Patch
from render.instruments.plugin_adapter import Extra, PluginAdapter
from render.note import SAMPLE_RATE, Note

PRE_ROLL_SECONDS = 0.25
"""After parameters change, the cutoff glides for about 1000 samples (``docs/noisemaker.md``)."""

OTHER_PRE_ROLL_SECONDS = 0.137
"""Added in ``rendered_again``, so that free-running LFOs and oscillators start at other phases."""

SECONDS_PER_SECOND = 5.0
"""Time limit of a clean render, for each second of audio and beside 5 s; a render usually takes 0.01 to 0.05 s."""

FORKS = 4
"""Attempts at a clean render. The plug-in has a thread that wakes about once a second (for longest 1 s after loading)
and takes a lock of the engine: a child that is forked at that moment inherits the lock and dies."""

SECONDS_TO_LOAD = 30.0
"""Time limit for loading a plug-in, which usually takes 0.1 s."""

PRISTINE_KEPT = 4
"""Largest number of pristine instances that are kept, one for each curve of the envelope editor."""

SECONDS_TO_FORK = 0.5
"""Age up to which an instance with a state of its own is forked from: a NoiseMaker of about a second replaces its exact
curve by a sampled one, and a clean render must not depend on when it was loaded."""

_TEST_NOTE = Note(48, gate_seconds=0.1, seconds=0.15)


class PluginHost:
    """A plug-in in this process. A plug-in that crashes ends the process, so try it with ``check_plugin`` first.

    Args:
        path: file or bundle of the plug-in.
        adapter: how the instrument's patches are played on it.
        fork: whether clean renders are made in forked children.

    Raises:
        HostError: if it does not load, does not fit the table, or ignores its parameters.

    Example:
        >>> from render.noisemaker.plugin import ADAPTER
        >>> from render.noisemaker.table import TABLE
        >>> host = PluginHost("TAL-NoiseMaker.vst3", ADAPTER)  # doctest: +SKIP
        >>> host.render(TABLE.default, Note(60)).shape  # doctest: +SKIP
        (2, 88200)
    """

    def __init__(self, path: Path | str, adapter: PluginAdapter, *, fork: bool = FORK_IS_SAFE) -> None:
        self.path, self.adapter = Path(path), adapter
        self.format = plugin_format(self.path)
        if not self.path.exists():
            raise HostError(f"no plug-in at {self.path}; allowed: an existing file")
        if threading.current_thread() is not threading.main_thread():
            raise HostError("a plug-in can be opened only in the main thread of a process")
        self.plugin_class: PluginClass | None = plugin_class(self.path) if self.format == "VST3" else None
        self._fork = fork
        self._class_id, self._bank = "", b""
        # The first instance in a process differs from all later ones (``docs/hosting.md``): it only serves the checks.
        first = self._load()
        self._indices = _match(first.parameter_names(), adapter.names, self.path)
        if adapter.state is not None:
            self._class_id = self.plugin_class.class_id if self.plugin_class is not None else ""
            self._bank = _saved_bank(first) if self.format == "VST2" else b""
        _prove_sound(first, self._indices, adapter.proof, self.path)
        self._pristine: dict[Extra, tuple[PluginInstance, float]] = {(): (self._load(), 0.0)}
        self._closed = False
        self._reused: PluginInstance | None = None
        self._reused_extra: Extra = ()

    @property
    def info(self) -> HostInfo:
        """The plug-in's own name and version, as far as its format gives them."""
        known = self.plugin_class
        name = known.name if known is not None else self.path.stem
        version = known.version if known is not None else "unknown version"
        class_id = known.class_id if known is not None else None
        return HostInfo("plugin", name, f"{version} ({self.format})", str(self.path), class_id)

    def render(self, patch: Patch, note: Note, *, seed: int = 0, clean: bool = True) -> Audio:
        """See ``Host.render``; a fast render may contain traces of earlier ones."""
        return self._render(patch, note, seed, clean, PRE_ROLL_SECONDS)

    def rendered_again(self, patch: Patch, note: Note) -> Audio:
        """A clean render with another seed and other phases of the free-running LFOs and oscillators.

        Its distance from ``render`` is the floor below which a match cannot be distinguished from the patch itself.
        """
        return self._render(patch, note, 1, True, PRE_ROLL_SECONDS + OTHER_PRE_ROLL_SECONDS)

    def close(self) -> None:
        """Release the instances."""
        self._closed = True
        self._pristine.clear()
        self._reused = None

    def _render(self, patch: Patch, note: Note, seed: int, clean: bool, pre_roll_seconds: float) -> Audio:
        if self._closed:
            raise HostError("the host is closed")
        extra = self.adapter.audible(patch)
        if clean and self._fork:
            instance = self._pristine_with(extra)
        elif clean:
            instance = self._load(extra)
        else:
            instance = self._reused_with(extra)
        play = partial(_play, instance, self._indices, patch, note, seed, pre_roll_seconds)
        if clean and self._fork:
            return _play_in_fork(play, note)
        return play()

    def _pristine_with(self, extra: Extra) -> PluginInstance:
        """An instance that has never played and will not: only its forked children do.

        The state is loaded here and not in the child, where loading may wait for a thread that was not forked.
        """
        instance, loaded = self._pristine.pop(extra, (None, 0.0))
        if instance is None or (extra and time.monotonic() - loaded > SECONDS_TO_FORK):
            instance, loaded = self._load(extra), time.monotonic()
        while len(self._pristine) >= PRISTINE_KEPT:
            del self._pristine[next(iter(self._pristine))]
        self._pristine[extra] = instance, loaded  # the most recently used is last
        return instance

    def _reused_with(self, extra: Extra) -> PluginInstance:
        if self._reused is None:
            self._reused, self._reused_extra = self._load(), ()
        if extra != self._reused_extra:
            self._load_state(self._reused, extra)
            self._reused_extra = extra
        return self._reused

    def _load(self, extra: Extra = ()) -> PluginInstance:
        """A fresh instance with a state that no parameter sets."""
        if not self.path.exists():
            raise HostError(f"the plug-in at {self.path} is gone")
        _seed(0)
        instance = PluginInstance(findable(self.path, self.format))
        self._load_state(instance, extra)
        return instance

    def _load_state(self, instance: PluginInstance, extra: Extra) -> None:
        """Load the default patch with the extra as the plug-in's whole state, because no parameter sets it.

        This is done without an extra too: a NoiseMaker that never loaded a state plays 2 of its 176 factory programs
        differently at the same parameters (``docs/hosting.md``), and people load presets.
        """
        if self.adapter.state is not None and self._class_id:
            suffix, content = ".vstpreset", vstpreset(self.adapter.state(extra), self._class_id)
        elif self.adapter.state is not None and self._bank:
            suffix, content = ".fxp", fxbank(self.adapter.state(extra), self._bank)
        elif extra:
            raise HostError(
                f"a patch with a state of its own cannot be played by this {self.format}; allowed: the VST3"
            )
        else:
            return
        with tempfile.NamedTemporaryFile(suffix=suffix, delete=False) as file:
            file.write(content)
        try:
            if not instance.load_preset(Path(file.name)):
                raise HostError(f"{self.path.name} refused a state")
        finally:
            os.unlink(file.name)


def check_plugin(path: Path | str, adapter: PluginAdapter) -> HostInfo:
    """Open a plug-in in a process of its own, where a crash or hang does no harm.

    Args:
        path: file or bundle of the plug-in.
        adapter: as for ``PluginHost``.

    Raises:
        HostError: if the plug-in cannot be used; the message says why, in one line.
    """
    make_worker = partial(_open_and_describe, Path(path), adapter)
    try:
        with Pool(make_worker, 1, seconds_to_start=SECONDS_TO_LOAD) as pool:
            return pool.submit(None).result()
    except HostError as error:
        reason = str(error).replace("workers do not start: a worker", "opening it")
        reason = reason.replace("starting a worker", "opening it")
        raise HostError(f"cannot use {path}: {reason}; --plugin embedded needs no plug-in") from error


def _open_and_describe(path: Path, adapter: PluginAdapter) -> Callable[[None], HostInfo]:
    info = PluginHost(path, adapter).info
    return lambda _: info


def _saved_bank(instance: PluginInstance) -> bytes:
    """The bank file of a VST2 with its whole state, or nothing if it has no such state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        instance.save_state(path)
        saved = path.read_bytes()
    return saved if saved[8:12] == b"FBCh" else b""


def findable(path: Path, format_: str) -> str:
    """The path or URI by which DawDreamer loads a plug-in."""
    if format_ != "LV2":
        return str(path)
    folder = str(path.absolute().parent)
    known = os.environ.get("LV2_PATH", "")
    if folder not in known.split(os.pathsep):
        os.environ["LV2_PATH"] = os.pathsep.join(filter(None, (folder, known)))
    return lv2_uri(path)


def _match(live: list[str], names: Mapping[str, tuple[str, ...]], path: Path) -> dict[str, int]:
    """Index of the plug-in's parameter for each row; the first of several with one name counts."""
    index_of: dict[str, int] = {}
    for index, name in enumerate(live):
        index_of.setdefault(normalised(name), index)
    indices: dict[str, int] = {}
    for row, spellings in names.items():
        for spelling in map(normalised, spellings):
            if spelling in index_of:
                indices.setdefault(row, index_of[spelling])
    if missing := [row for row in names if row not in indices]:
        rows = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        what = "is another synthesizer" if len(missing) > len(names) // 2 else "does not fit the parameter table"
        raise HostError(f"{path.name} {what}: it has no parameter {rows}")
    return indices


def _play(
    instance: PluginInstance, indices: Mapping[str, int], patch: Patch, note: Note, seed: int, pre_roll_seconds: float
) -> Audio:
    for name, index in indices.items():
        instance.set_parameter(index, patch[name])
    _seed(seed)
    n_before = round(pre_roll_seconds * SAMPLE_RATE)
    audio = instance.play(note.number, note.velocity, pre_roll_seconds, note.gate_seconds, n_before + note.n_samples)
    if not np.isfinite(audio).all():
        raise HostError("the plug-in returned samples that are not finite numbers")
    stereo = np.empty((2, note.n_samples), np.float32)
    stereo[:] = audio[:2, n_before:]  # a mono plug-in is heard in both channels
    return stereo


def _play_in_fork(play: Callable[[], Audio], note: Note) -> Audio:
    limit = 5.0 + SECONDS_PER_SECOND * note.seconds
    for n_left in reversed(range(FORKS)):
        try:
            return in_fork(play, (2, note.n_samples), seconds=limit)
        except DeadChildError:
            if n_left == 0:
                raise
    raise AssertionError("unreachable")


def _prove_sound(instance: PluginInstance, indices: Mapping[str, int], proof: tuple[Patch, Patch], path: Path) -> None:
    """Some builds return the parameters that were set but do not apply them (``docs/hosting.md``)."""
    one, other = (_play(instance, indices, patch, _TEST_NOTE, 0, PRE_ROLL_SECONDS) for patch in proof)
    if not other.any():
        raise HostError(f"{path.name} is silent")
    if np.abs(other - one).max() < 0.01 * np.abs(other).max():
        changed = ", ".join(proof[0].diff(proof[1]))
        raise HostError(f"{path.name} ignores its parameters: {changed} does not change the sound")


def _seed(seed: int) -> None:
    """Seed the C library's ``rand``, which the plug-in uses; the golden renders were made with 0."""
    library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
    library.srand(ctypes.c_uint(seed + 1))
