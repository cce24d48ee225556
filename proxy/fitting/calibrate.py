"""The fit of the corrections to renders of one plug-in, from the shipped ones on, with renders for validation.

Two fits follow each other. The first has a high learning rate, for a plug-in that is tuned differently from the one
that the shipped corrections were fitted to; the second a low one, for the rest. The result of a fit is accepted only if
it is closer to the validation renders than the corrections that it started from.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proxy.fitting.fit import Examples, Fit
from proxy.fitting.settings import Settings
from proxy.synth.calibrations import Calibration
from proxy.synth.corrections import Corrections
from proxy.synth.play import play
from proxy.synth.weights import load_corrections
from render.data.rows import Row
from render.data.shards import Dataset
from render.errors import FileError, FormatError
from render.measures.distance import TargetDistance
from render.measures.loudness import EqualLoudnessMss
from render.note import SAMPLE_RATE

JUDGED_SHARE = 0.25
"""Share of the renders that is used for validation."""
SIGN_TEST = 1.645
"""Standard deviations by which the number of renders that come closer must exceed a half: 5 % by chance."""
FITS = (Settings(steps=30, items=32, rate=2e-3), Settings(steps=30, items=32, rate=1e-4))
SAVE_EVERY = 5
"""Steps between checkpoints."""

Progress = Callable[[str, int, int], None]
"""Called with the name of the current step, the amount done, and the total."""


@dataclass(frozen=True)
class Closeness:
    """Distances of the proxy from renders.

    Attributes:
        mss: MSS at equal loudness in dB.
        distance: the distance that a descent minimises, at the best gain.

    Shape:
        mss, distance: ``(renders,)``.
    """

    mss: NDArray[np.float64]
    distance: NDArray[np.float64]

    def medians(self) -> tuple[float, float]:
        """Medians of both."""
        return float(np.median(self.mss)), float(np.median(self.distance))

    def share_closer(self, other: Closeness) -> float:
        """Share of the renders that are closer in MSS than with other corrections."""
        return float(np.mean(self.mss < other.mss))

    def is_closer(self, other: Closeness) -> bool:
        """Whether this is closer than with other corrections: in both medians, and on more renders than by chance."""
        count = len(self.mss)
        needed = 0.5 + 0.5 * SIGN_TEST / count**0.5
        closer = all(mine < theirs for mine, theirs in zip(self.medians(), other.medians(), strict=True))
        return closer and self.share_closer(other) > needed


def closeness(rows: Iterable[Row], corrections: Corrections, on_row: Callable[[int], None]) -> Closeness:
    """Distances of the proxy from renders.

    Args:
        rows: the renders, with their patches and notes.
        corrections: corrections of the proxy.
        on_row: called with the number of rows that are done.
    """
    found = []
    for done, row in enumerate(rows, 1):
        audio = play(row.patch, row.note, corrections)
        if np.isfinite(audio).all():
            mss = EqualLoudnessMss([row.audio], SAMPLE_RATE).measure([audio])[0]
            found.append((mss, TargetDistance(row.audio).measure(audio)[0]))
        else:
            found.append((np.inf, np.inf))
        on_row(done)
    mss, distance = np.array(found, np.float64).T
    return Closeness(mss, distance)


def calibrate(
    data: Dataset, folder: Path, progress: Progress, fits: Sequence[Settings] = FITS
) -> tuple[Corrections, Calibration]:
    """Fit the shipped corrections to the renders of a plug-in; an interrupted fit is continued.

    Args:
        data: data set rendered by the plug-in, of two renders or more; its last quarter is for validation.
        folder: folder for checkpoints.
        progress: see ``Progress``.
        fits: the fits, one after the other.

    Returns:
        The best corrections, which are the shipped ones if no fit was accepted; and the measurements, in that case of
        the last fit.

    Raises:
        FileError: if a checkpoint cannot be written, or the data set cannot be read.
        FormatError: if the data set or the shipped corrections are damaged.
    """
    n_judged = max(round(JUDGED_SHARE * len(data)), 1)
    n_fitted = len(data) - n_judged

    def measured(corrections: Corrections, title: str) -> Closeness:
        rows = (data[k] for k in range(n_fitted, len(data)))
        return closeness(rows, corrections, lambda done: progress(title, done, n_judged))

    best = load_corrections()
    shipped = closest = last = measured(best, "measuring the shipped corrections")
    for number, settings in enumerate(fits, 1):
        fit = Fit(Examples((), data, settings, range(n_fitted)), settings, copy.deepcopy(best))
        _run(fit, folder / f"fit-{number}.safetensors", f"fit {number} of {len(fits)}", progress)
        last = measured(fit.corrections, f"measuring fit {number} of {len(fits)}")
        if last.is_closer(closest):
            best, closest = fit.corrections, last
    found = last if closest is shipped else closest
    (mss_before, distance_before), (mss_after, distance_after) = shipped.medians(), found.medians()
    return best, Calibration(
        name=data.manifest.host["name"] or "",
        version=data.manifest.host["version"] or "",
        fitted=n_fitted,
        judged=n_judged,
        mss=(mss_before, mss_after),
        distance=(distance_before, distance_after),
        share=found.share_closer(shipped),
        closer=closest is not shipped,
    )


def _run(fit: Fit, checkpoint: Path, title: str, progress: Progress) -> None:
    """Take the remaining steps of a fit."""
    with contextlib.suppress(FileError, FormatError):  # there is none, or one that cannot be continued
        fit.resume(checkpoint)
    steps = fit.settings.steps
    for _ in fit.steps():
        progress(title, fit.step, steps)
        if fit.step % SAVE_EVERY == 0 or fit.step == steps:
            fit.save(checkpoint)
