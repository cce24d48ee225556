"""The texts and tables that explain a match."""

from __future__ import annotations

import pytest

from inference.output.explained import difference_text, distances_table, lesson_table, setting_text
from render.noisemaker.table import TABLE


@pytest.mark.parametrize(
    ("name", "setting", "text"),
    [
        ("ampattack", 0.0123, "12.3 ms"),
        ("ampattack", 0.99949, "999 ms"),
        ("ampattack", 0.9996, "1 s"),
        ("cutoff", 999.6, "1 kHz"),
        ("cutoff", 440.0, "440 Hz"),
        ("osc1waveform", "saw", "saw"),
    ],
)
def test_settings_have_three_digits_and_a_fitting_unit(name: str, setting: float | str, text: str) -> None:
    assert setting_text(TABLE.parameter(name), setting) == text


@pytest.mark.parametrize(("decibels", "text"), [(-0.001, "+0.00"), (-0.006, "-0.01"), (1.5, "+1.50")])
def test_a_difference_of_zero_has_no_minus(decibels: float, text: str) -> None:
    assert difference_text(decibels) == text


def test_names_are_no_markup() -> None:
    changes = {"cutoff": (440.0, 880.0)}
    lesson = {
        "preset": "<b>bold",
        "loss": 0.5,
        "steps": [{"section": "<i>filter", "loss": 0.1, "changes": changes}],
    }
    page = distances_table(("<u>off", "MSS"), 1.0, {"<s>filter": 2.5}) + lesson_table(TABLE, lesson)
    assert not any(tag in page for tag in ("<b>", "<i>", "<u>", "<s>"))
    assert "&lt;s&gt;filter</td><td class=n>2.50 dB</td><td class='n quiet'>+1.50</td>" in page
    assert "Cutoff: 440 Hz to 880 Hz" in page
