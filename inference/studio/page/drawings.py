"""Drawings of the page as SVG: waveforms, curves of envelopes and LFOs, progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 44


def curve_svg(heights: Sequence[float], seconds: float, label: str, *, heard: bool = True) -> str:
    """An envelope (0 to 1) or an LFO (-1 to 1) over some seconds.

    Args:
        heights: at even distances.
        seconds: that they span.
        label: what it is, for those who cannot see it.
        heard: whether it does anything in this patch.
    """
    low = -1.0 if min(heights) < 0.0 else 0.0
    last = max(len(heights) - 1, 1)
    points = " ".join(
        f"{WIDTH * k / last:.1f},{HEIGHT - 3 - (HEIGHT - 6) * (height - low) / (1.0 - low):.1f}"
        for k, height in enumerate(heights)
    )
    length = f"{seconds * 1000.0:.0f} ms" if seconds < 1.0 else f"{seconds:.1f} s"
    return (
        f'<svg class="curve{"" if heard else " still"}" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="{escape(label)} over {length}"><polyline points="{points}"/></svg>'
        f'<span class="span">{length}</span>'
    )


def waveform_svg(columns: NDArray, begin: float, end: float) -> str:  # type: ignore[type-arg]
    """The waveform of a clip, with the part that is matched marked.

    Args:
        columns: lowest and highest sample of each column, shape ``(columns, 2)``.
        begin: where the part begins, as a share of the width.
        end: where it ends.
    """
    count = len(columns)
    peak = max(float(abs(columns).max(initial=0.0)), 1e-9)
    upper = [f"{k},{50 - 48 * float(high) / peak:.1f}" for k, (_, high) in enumerate(columns)]
    lower = [f"{k},{50 - 48 * float(low) / peak:.1f}" for k, (low, _) in reversed(list(enumerate(columns)))]
    part = (
        f'<rect class="part" x="{count * begin:.1f}" y="0" width="{max(count * (end - begin), 1):.1f}" height="100"/>'
    )
    return (
        f'<svg class="wave" viewBox="0 0 {count} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="waveform; the marked part is matched">{part}<polygon points="{" ".join(upper + lower)}"/></svg>'
    )


def progress_svg(curve: Sequence[tuple[float, float]], stages: Mapping[str, float], now: float, whole: float) -> str:
    """The distance of the best over time.

    Args:
        curve: seconds and loss of each improvement.
        stages: seconds at which each stage began, by name.
        now: seconds so far.
        whole: seconds of the whole budget.
    """
    if not curve:
        return '<svg class="progress" viewBox="0 0 400 90" role="img" aria-label="no distance yet"></svg>'
    span = max(whole, now, curve[-1][0], 1e-3)
    top = max(loss for _, loss in curve[: 1 + len(curve)])
    steps = []
    for (seconds, loss), following in zip(curve, [*curve[1:], (max(now, curve[-1][0]), 0.0)], strict=True):
        y = 84 - 78 * loss / top
        steps.append(f"{400 * seconds / span:.1f},{y:.1f} {400 * following[0] / span:.1f},{y:.1f}")
    shown = {name: 400 * seconds / span for name, seconds in stages.items() if name != "start"}
    marks = "".join(
        f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="90"/>'
        f'<text x="{x + 3:.1f}" y="{11 + 12 * row}">{escape(name)}</text>'
        for row, (name, x) in enumerate(shown.items())
    )
    return (
        f'<svg class="progress" viewBox="0 0 400 90" role="img" aria-label="distance of the best over time, now '
        f'{curve[-1][1]:.3f}">{marks}<polyline points="{" ".join(steps)}"/></svg>'
    )
