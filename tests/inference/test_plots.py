"""The plots of the report."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from inference.output.plots import progress_figure

NAMES = ("start", "guess", "descend", "search", "tidy")


@pytest.mark.parametrize(
    "seconds",
    [
        (1.5, 4.0, 20.0, 20.0, 3.0),  # far from each other
        (1.5, 0.1, 55.0, 0.2, 0.5),  # two pairs
        (1.5, 56.0, 0.1, 0.1, 0.1),  # all at the end
        (0.0, 0.0, 0.0, 0.0, 60.0),  # at the same time
    ],
)
def test_the_labels_of_stages_do_not_cover_each_other(seconds: tuple[float, ...]) -> None:
    history = [{"seconds": 1.0, "loss": 0.3}, {"seconds": 8.0, "loss": 0.1}]
    stages = [{"name": name, "seconds": took} for name, took in zip(NAMES, seconds, strict=True)]
    figure = progress_figure(history, stages, 60.0)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (axis,) = figure.axes
    labels = [text.get_window_extent() for text in axis.texts if text.get_text()]
    assert [text.get_text() for text in axis.texts if text.get_text()] == list(NAMES)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(labels, 2))
    for label in labels:
        assert label.x0 >= figure.bbox.x0
        assert label.x1 <= figure.bbox.x1
        assert label.y1 <= figure.bbox.y1
        assert label.y0 >= axis.bbox.y1  # above the curve
    assert axis.bbox.height > 0.4 * figure.bbox.height
