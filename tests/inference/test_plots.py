"""The plots of the report."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from inference.output.plots import progress_figure
from tests.paths import ROOT

NAMES = ("start", "guess", "descend", "search", "tidy")


def test_nothing_is_printed_where_the_plotting_library_can_keep_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = str(tmp_path / "file")
    variables = {"PYTHONPATH": str(ROOT), "HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
    command = [sys.executable, "-c", "import inference.output.plots"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


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
