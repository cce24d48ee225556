"""The studio behind its pages: the sessions, the workers, and the process of the runs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inference.after.lesson import Lesson
from inference.after.vary import Variety
from inference.candidate import Candidate
from inference.clip.focus import Focus
from inference.command.jobs import candidates_of
from inference.constraints import Constraints
from inference.output.record import fixed_keys
from inference.studio.bench import open_bench
from inference.studio.jobs import (
    Analyse,
    Compare,
    Explain,
    Explanation,
    Job,
    Nearest,
    Offspring,
    Play,
    Sound,
    Teach,
    Vary,
)
from inference.studio.live import IDLE, WAITING, Live
from inference.studio.messages import Event, Wish
from inference.studio.runner import Runner
from inference.studio.sessions import SessionFiles, Sessions
from inference.studio.store import Store
from render.errors import FormatError, HostError, OutOfRange, ReconstructError
from render.instruments.host import EMBEDDED
from render.instruments.instrument import Instrument, Program
from render.instruments.patch import Patch
from render.note import Note
from render.synths import synth

_BENCH_WORKERS = 2
_PREVIEWED = 4
_MOST_SOUNDS = 256  # whose addresses are kept
PRESET_SUFFIXES = (".vstpreset", ".fxp", ".fxb")
"""Beside the instrument's own."""


class Studio:
    """Everything that the pages share.

    Args:
        instrument: name of the synth.
        where: host that the runs search on; turned knobs are always heard on the embedded one.
        folder: folder of the sessions.
        workers: number of processes that render in a run.
        store: serves sounds and pictures.
    """

    def __init__(self, instrument: str, where: str, folder: Path, workers: int, store: Store) -> None:
        self.instrument: Instrument = synth(instrument)
        self.sessions = Sessions(folder)
        self.store = store
        self.where = where
        self._workers = workers
        self._lives: dict[str, Live] = {}
        self._sounds: OrderedDict[Any, asyncio.Future[Any]] = OrderedDict()
        open_host = functools.partial(self.instrument.hosts.open_host, EMBEDDED)
        self._bench = open_bench(open_host, min(_BENCH_WORKERS, workers))
        self.runner = Runner(instrument, where, workers, self._on_event)
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self) -> None:
        """Have the events of runs arrive in the event loop that calls this."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End the workers; a run that is going on writes its best so far."""
        self.runner.close()
        self._bench.close()

    # Sessions

    def live(self, name: str) -> Live | None:
        """The state of a session, read from disk when it is first asked for."""
        if name not in self._lives:
            files = self.sessions.find(name)
            if files is None:
                return None
            self._lives[name] = self._read(files)
        return self._lives[name]

    def add(self, file_name: str, content: bytes) -> Live:
        """Make a session of a clip or a preset; raises ``ReconstructError`` if it is neither usable nor writable."""
        files = self.sessions.add(file_name, content)
        live = self._lives[files.name] = self._read(files)
        return live

    def _read(self, files: SessionFiles) -> Live:
        live = Live(files)
        if self.is_preset(files.source):
            try:
                live.programs = tuple(self.instrument.presets.read_programs(files.source))
            except ReconstructError as error:
                live.problem = str(error)
            return live
        live.record = files.record()
        if live.record is not None:
            try:
                live.candidates = candidates_of(live.record, self.instrument)
                live.judged = {stage["name"]: stage["distance"]["mss"] for stage in live.record["stages"]}
                live.curve = [(point["seconds"], point["loss"]) for point in live.record["history"]]
            except FormatError as error:
                live.message = str(error)
        return live

    def is_preset(self, path: Path) -> bool:
        """Whether a file is a preset by its name."""
        return path.suffix.lower() in (self.instrument.presets.SUFFIX, *PRESET_SUFFIXES)

    # Analysing and playing

    async def begin(self, live: Live, seconds: float) -> None:
        """Analyse a clip that was just dropped, show the library's closest patches, and start its run."""
        await self.analyse(live)
        if live.analysis is None:
            return
        with contextlib.suppress(HostError):  # a second before the run, which takes all cores
            live.candidates = await self._done(Nearest(self.instrument.name, live.analysis.target, _PREVIEWED))
            live.changed()
            for first in live.candidates[:1]:
                await self.compare(live, first.patch, first.note)
        self.start(live, seconds)

    async def analyse(self, live: Live, **known: Any) -> None:
        """Analyse a clip, with what the user knows of it; ``known`` are attributes of ``Analyse``."""
        if live.analysis is None and live.record is not None and not known:
            known = _known(live.record)
        live.analysing = True
        try:
            live.analysis = await self._done(Analyse(live.files.source, **known))
            live.problem = ""
            live.times_analysed += 1
        except HostError as error:  # the pool's name for whatever a worker raises
            live.problem = str(error)
        finally:
            live.analysing = False
        live.changed()

    async def play(self, patch: Patch, note: Note) -> Sound:
        """A patch at its own level; raises ``HostError``."""
        return await self._kept((patch, note), Play(patch, note))

    async def compare(self, live: Live, patch: Patch, note: Note) -> Sound:
        """A patch beside the session's clip; raises ``HostError``."""
        if live.analysis is None:
            return await self.play(patch, note)
        key = patch, note, live.files.name, live.times_analysed
        return await self._kept(key, Compare(patch, note, live.analysis.target))

    async def explain(self, live: Live, patch: Patch, note: Note) -> Explanation:
        """What makes a patch sound like the session's clip; raises ``HostError``."""
        assert live.analysis is not None
        explanation: Explanation = await self._done(Explain(self.instrument.name, patch, note, live.analysis.target))
        return explanation

    async def teach(self, live: Live, bank: Sequence[Program], patch: Patch, note: Note) -> Lesson | None:
        """The steps to a patch from the closest preset of a bank; raises ``HostError``."""
        assert live.analysis is not None
        job = Teach(self.instrument.name, tuple(bank), patch, note, live.analysis.target)
        lesson: Lesson | None = await self._done(job)
        return lesson

    async def vary(self, parent: Patch, other: Patch | None, note: Note, variety: Variety) -> tuple[Offspring, ...]:
        """Children of a patch or of two; raises ``HostError``."""
        children: tuple[Offspring, ...] = await self._done(Vary(self.instrument.name, parent, other, note, variety))
        return children

    async def _kept(self, key: Any, job: Play | Compare) -> Sound:
        if key not in self._sounds:
            self._sounds[key] = asyncio.ensure_future(self._done(job))
            while len(self._sounds) > _MOST_SOUNDS:
                self._sounds.popitem(last=False)
        self._sounds.move_to_end(key)
        try:
            sound = await asyncio.shield(self._sounds[key])
        except HostError:
            self._sounds.pop(key, None)
            raise
        assert isinstance(sound, Sound)
        return sound

    async def _done(self, job: Job) -> Any:
        return await asyncio.wrap_future(self._bench.submit(job))

    # Runs

    def start(
        self,
        live: Live,
        seconds: float,
        *,
        resumed: tuple[Candidate, ...] = (),
        start: Patch | None = None,
        locked: Mapping[str, float] | None = None,
    ) -> None:
        """Start a run, or go on with one.

        Args:
            live: session with an analysed clip.
            seconds: budget.
            resumed: candidates to begin with.
            start: patch that is adapted, and that the page compares with.
            locked: knobs that stay, by name.
        """
        if live.analysis is None or live.active:
            return
        n_keys = len(live.analysis.target.note.keys)
        try:
            constraints = Constraints(dict(locked or {})).for_keys(self.instrument, n_keys, start)
        except OutOfRange as error:
            live.message = str(error)
            live.changed()
            return
        results = live.files.results()
        goes_on = bool(resumed) and start is None and results
        wish = Wish(
            live.files.name,
            live.files.source,
            results[0] if goes_on else live.files.new_results(),
            live.analysis.target,
            self.instrument.name,
            self.where,
            seconds,
            start=start,
            resumed=resumed,
            locked=constraints.locked,
            rounds=len(live.curve),
            workers=self._workers,
        )
        live.begin(waits=self.runner.running is not None)
        self.runner.start(wish)

    def stop(self, live: Live) -> None:
        """End a session's run; its best so far is kept."""
        self.runner.stop(live.files.name)

    def _on_event(self, name: str, event: Event) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, name, event)

    def _take(self, name: str, event: Event) -> None:
        live = self._lives.get(name)
        if live is None:
            return
        live.take(event)
        if live.state == IDLE and live.record is not None:
            live.candidates = candidates_of(live.record, self.instrument)
        running = self._lives.get(self.runner.running or "")
        if running is not None and running.state == WAITING:
            running.begin(waits=False)


def _known(record: dict[str, Any]) -> dict[str, Any]:
    """What the user knew of a clip that was refined before."""
    return {
        "focus": Focus.from_data(record),
        "note": fixed_keys(record),
        "velocity": record["velocity"],
        "gate_seconds": record["gate_seconds"] if record["gate_fixed"] else None,
    }
