"""What the studio's worker processes do beside the runs: hear clips, render patches, draw pictures."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray

from inference.candidate import Candidate
from inference.studio.jobs import (
    Analyse,
    ClipAnalysis,
    Compare,
    Done,
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
from render.audio import Audio, read_recording
from render.errors import HostError
from render.hosts.pool import Pool
from render.note import SAMPLE_RATE, Note

if TYPE_CHECKING:
    from inference.after.lesson import Lesson
    from inference.clip.target import Target
    from inference.worker import Worker
    from render.data.library import Library
    from render.instruments.host import Host
    from render.instruments.patch import Patch

SHOWN_SECONDS = 60.0
"""Length of a clip that is drawn; a run uses 4 s of it."""
_COLUMNS = 800  # of a drawn waveform
_LOUDEST = 0.89  # peak of a sound that is played, -1 dB of full scale


def open_bench(open_host: Callable[[], Host], workers: int) -> Pool[Job, Done]:
    """Start the workers.

    Args:
        open_host: opens the host that renders; a module-level function or a ``functools.partial`` of one.
        workers: number of processes.
    """
    return Pool(functools.partial(_Bench, open_host), workers)


class _Bench:
    """Function of a worker."""

    def __init__(self, open_host: Callable[[], Host]) -> None:
        from inference.clip.pitch import estimate_note
        from inference.output import plots  # noqa: F401

        self._host = open_host()
        beep = np.sin(np.arange(SAMPLE_RATE // 4, dtype=np.float32) / 20.0)
        estimate_note(beep, SAMPLE_RATE)  # so that the first clip is analysed as fast as the others

    def __call__(self, job: Job) -> Done:
        match job:
            case Analyse():
                return _analysed(job)
            case Play(patch, note):
                audio = self._host.render(patch, note)
                return Sound(wav(audio), b"", float(np.abs(audio).max(initial=0.0)))
            case Compare(patch, note, target):
                return _compared(self._host.render(patch, note), note, target)
            case Vary():
                return self._varied(job)
            case Nearest():
                return self._nearest(job)
            case Explain():
                return self._explained(job)
            case Teach():
                return self._taught(job)

    def _nearest(self, job: Nearest) -> tuple[Candidate, ...]:
        target, library = job.target, _library(job.instrument)
        if library is None:
            return ()
        plain = library.nearest(target.audio, target.note, job.count)
        patches = (patch.with_voices_for(len(target.note.keys)) for patch in plain)
        found = self._measured((Candidate(patch, target.note, origin="library") for patch in patches), target)
        return tuple(sorted(found, key=lambda candidate: candidate.loss))

    def _measured(self, candidates: Iterable[Candidate], target: Target) -> list[Candidate]:
        """Candidates as loud as a clip, with their distances from it, without those that cannot be rendered."""
        from inference.evaluate import with_measurement
        from inference.worker import Measure, Measurement

        worker, measured = self._worker(target), []
        for candidate in candidates:
            with contextlib.suppress(HostError):
                reply = worker(Measure(candidate.patch, (candidate.note,)))
                assert isinstance(reply, Measurement)
                measured.append(with_measurement(candidate, reply))
        return measured

    def _explained(self, job: Explain) -> Explanation:
        from inference.stages.simplifications import farthest_first, with_each_knob_moved, without_each_part
        from inference.worker import Compare as Judge
        from render.synths import synth

        worker = self._worker(job.target)

        def mss(patch: Patch) -> float:
            reply = worker(Judge(patch, (job.note,)))
            assert isinstance(reply, float)
            return reply

        parts = {name: mss(patch) for name, patch in without_each_part(synth(job.instrument), job.patch).items()}
        knobs = {name: mss(patch) for name, patch in with_each_knob_moved(job.patch).items()}
        return Explanation(mss(job.patch), farthest_first(parts), farthest_first(knobs))

    def _worker(self, target: Target) -> Worker:
        """What measures patches in a run, for a clip of which the level is free."""
        from inference.worker import Worker
        from render.measures.distance import DEFAULT_WEIGHTS

        return Worker((target.audio,), (target.conditions,), DEFAULT_WEIGHTS, 0, True, self._host)

    def _taught(self, job: Teach) -> Lesson | None:
        from inference.after.lesson import lesson_from
        from render.synths import synth

        match = Candidate(job.patch, job.note)
        return lesson_from(job.bank, match, lambda some: self._measured(some, job.target), synth(job.instrument))

    def _varied(self, job: Vary) -> tuple[Offspring, ...]:
        from inference.after.vary import vary
        from inference.output.plots import spectrogram_image
        from render.synths import synth

        children = vary(
            synth(job.instrument),
            job.parent,
            lambda patch: self._host.render(patch, job.note),
            job.variety,
            job.other,
        )
        return tuple(
            Offspring(
                child.patch,
                Sound(wav(child.audio), spectrogram_image(child.audio, SAMPLE_RATE), float(np.abs(child.audio).max())),
            )
            for child in children
        )


@functools.cache
def _library(name: str) -> Library | None:
    from render.data.library import read_library
    from render.synths import synth

    instrument = synth(name)
    if instrument.prior is None or instrument.library is None:
        return None
    return read_library(instrument.library, instrument.table, instrument.prior)


def _analysed(job: Analyse) -> ClipAnalysis:
    from inference.clip.target import read_target
    from inference.output.plots import spectrogram_image

    target = read_target(job.clip, note=job.note, velocity=job.velocity, gate_seconds=job.gate_seconds, focus=job.focus)
    shown = read_recording(job.clip, max_seconds=SHOWN_SECONDS, resample=True).audio
    return ClipAnalysis(
        target, shown.shape[1] / SAMPLE_RATE, _waveform(shown), spectrogram_image(shown, SAMPLE_RATE), wav(target.audio)
    )


def _compared(audio: Audio, note: Note, target: Target) -> Sound:
    from inference.output.plots import residual_image, spectrogram_image
    from inference.output.residual import residual
    from render.measures.loudness import EqualLoudnessMss, amplified

    mss, gain_db = EqualLoudnessMss([target.audio], SAMPLE_RATE, conditions=[target.conditions]).measure([audio])
    match = amplified(audio, gain_db)  # as loud as the clip, so that eye and ear compare the timbre only
    compared = target.as_compared(match)
    return Sound(
        wav(match),
        spectrogram_image(match, SAMPLE_RATE),
        float(np.abs(audio).max(initial=0.0)),
        mss,
        residual_image(target.compared, compared, SAMPLE_RATE),
        residual(target.compared, compared, note.gate_seconds).sentence() if audio.any() else "the patch is silent",
    )


def wav(audio: Audio) -> bytes:
    """A 16-bit WAV file, which every browser plays; brought below full scale if it is above."""
    peak = float(np.abs(audio).max(initial=0.0))
    stream = io.BytesIO()
    soundfile.write(stream, (audio * min(1.0, _LOUDEST / max(peak, 1e-9))).T, SAMPLE_RATE, format="WAV")
    return stream.getvalue()


def _waveform(audio: Audio) -> NDArray[np.float32]:
    mono = audio.mean(axis=0)
    edges = np.linspace(0, len(mono), min(_COLUMNS, len(mono)) + 1).astype(int)[:-1]
    return np.stack([np.minimum.reduceat(mono, edges), np.maximum.reduceat(mono, edges)], axis=1)
