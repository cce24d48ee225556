"""Names and numbers of notes."""

from __future__ import annotations

import contextlib
import doctest
import json
from typing import Any

import numpy as np
import pytest

import render.note
from render.errors import OutOfRange
from render.note import Note


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("60", 60),
        ("0", 0),
        ("127", 127),
        (" 060 ", 60),
        ("C4", 60),
        ("c4", 60),
        ("F#2", 42),
        ("Bb-1", 10),
        ("bb3", 58),
        ("B♭3", 58),
        ("F♯2", 42),
        ("C♮4", 60),
        ("Cb4", 59),
        ("B#3", 60),
        ("C##4", 62),
        ("D𝄪4", 64),
        ("E𝄫4", 62),
        ("C−1", 0),  # noqa: RUF001
        ("G9", 127),
    ],
)
def test_a_number_or_a_name_is_read(text: str, number: int) -> None:
    assert Note.parse(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "C",
        "H4",
        "C4.5",
        "60.0",
        "-1",
        "128",
        "G#9",
        "Cb-1",
        "C10",
        "C#b4",
        "C###4",
        "C 4",
        "+60",
        "nan",
        "4C",
        "٦٠",
    ],
)
def test_anything_else_is_refused_in_one_line_that_says_what_is_allowed(text: str) -> None:
    with pytest.raises(OutOfRange, match="allowed: 0 to 127, or a name") as error:
        Note.parse(text)
    assert "\n" not in str(error.value)


def test_every_note_has_a_name_that_is_read_again() -> None:
    assert [Note.parse(Note.name(number)) for number in range(128)] == list(range(128))
    assert (Note.name(60), Note.name(0), Note.name(127)) == ("C4", "C-1", "G9")


@pytest.mark.parametrize("number", [-1, 128, 60.0, None])
def test_a_number_that_is_no_note_has_no_name(number: Any) -> None:
    with pytest.raises(OutOfRange, match="note number"):
        Note.name(number)


def test_random_text_is_read_or_refused() -> None:
    rng = np.random.default_rng(0)
    letters = list("CDEFGABcb#♯♭♮𝄪𝄫-−0123456789 \n\0xé٣½")  # noqa: RUF001
    read = 0
    for _ in range(5000):
        text = "".join(rng.choice(letters, rng.integers(0, 6)))
        with contextlib.suppress(OutOfRange):
            assert 0 <= Note.parse(text) <= 127
            read += 1
    assert 100 < read < 2500


def test_a_very_long_text_is_refused_in_a_short_line() -> None:
    with pytest.raises(OutOfRange) as error:
        Note.parse("9" * 100_000)
    assert len(str(error.value)) < 200


def test_the_examples_in_the_documentation_hold() -> None:
    assert doctest.testmod(render.note).failed == 0


@pytest.mark.parametrize("note", [Note(60, 90, 0.25, 0.5), Note.of((48, 55, 52), 100, 0.3, 0.5)])
def test_a_note_goes_through_json(note: Note) -> None:
    again = Note.from_data(json.loads(json.dumps(note.as_data())))
    assert (again, hash(again), again.as_data()) == (note, hash(note), note.as_data())


def test_a_note_is_read_from_before_there_were_chords() -> None:
    data = {"number": 60, "velocity": 90, "gate_seconds": 0.25, "seconds": 0.5}
    assert Note.from_data(data) == Note(60, 90, 0.25, 0.5)
    with pytest.raises(TypeError):
        Note.from_data(data | {"strings": 6})
