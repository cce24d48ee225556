"""What always holds of note names, preset files and audio files, as properties that hypothesis tries to break."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from benchmarks.faults.rows import Count
from render.audio import read_audio, write_wav
from render.errors import OutOfRange, PresetError, ReconstructError
from render.instruments.containers import juce_state, vstpreset
from render.instruments.instrument import Program
from render.instruments.patch import Patch
from render.noisemaker.envelope_editor import EnvelopePoint
from render.noisemaker.plugin import plugin_state
from render.noisemaker.presets import parse_programs, read_programs, to_xml
from render.noisemaker.table import TABLE
from render.note import Note

UNIT = st.floats(0.0, 1.0, allow_subnormal=False)
POINTS = st.lists(st.builds(EnvelopePoint, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT), max_size=6).map(tuple)
PATCHES = st.builds(Patch, st.just(TABLE), st.tuples(*[UNIT] * len(TABLE.names)), POINTS)
PROGRAMS = st.builds(Program, st.text(max_size=40), PATCHES)
CONTENT = st.one_of(
    st.binary(max_size=2000),
    st.builds(
        lambda head, rest: head + rest,
        st.sampled_from([b"RIFF", b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"ID3", b"VST3", b"CcnK", b"<tal "]),
        st.binary(max_size=500),
    ),
)


def _wav() -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, np.linspace(-0.5, 0.5, 300), 44100, format="WAV", subtype="PCM_16")
    return stream.getvalue()


_WAV = _wav()


@dataclass(frozen=True)
class Property:
    """What holds of all examples.

    Attributes:
        holds: raises an error for an example of which it does not.
        examples: strategies for its arguments.
    """

    holds: Callable[..., None]
    examples: tuple[st.SearchStrategy[Any], ...]

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.holds.__name__


PROPERTIES: list[Property] = []
"""In the order in which they are tried."""


def _of(*examples: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def added(holds: Callable[..., None]) -> Callable[..., None]:
        PROPERTIES.append(Property(holds, examples))
        return holds

    return added


@_of(st.integers(0, 127))
def a_note_is_read_from_its_name_and_its_number(number: int) -> None:
    """Both spellings give the note back, in any case and with spaces around."""
    for text in (Note.name(number), str(number), f" {Note.name(number).lower()}\n"):
        assert Note.parse(text) == number


@_of(st.one_of(st.text(max_size=20), st.from_regex(r"[A-Ga-g](#|b|♯|♭)*-?[0-9]{1,3}", fullmatch=True)))
def any_text_is_a_note_or_refused(text: str) -> None:
    """There is no third way, and a refusal is one line."""
    try:
        number = Note.parse(text)
    except OutOfRange as error:
        _is_one_line(error)
    else:
        assert 0 <= number <= 127
        assert Note.parse(Note.name(number)) == number


@_of(st.lists(PROGRAMS, min_size=1, max_size=3))
def presets_survive_writing_and_reading(programs: list[Program]) -> None:
    """Every knob and point to the bit, in our file and in the containers of plug-in hosts."""
    again = parse_programs(to_xml(programs))
    assert [one.patch for one in again] == [one.patch for one in programs]
    assert parse_programs(to_xml(again)) == again
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "preset")
        for content in (vstpreset(plugin_state(programs[0]), "0" * 32), juce_state(to_xml(programs[:1]))):
            path.write_bytes(content)
            assert read_programs(path) == again[:1]


@_of(CONTENT)
def any_content_is_a_preset_or_refused(content: bytes) -> None:
    """Nothing but ``PresetError`` is raised, in one line."""
    try:
        assert parse_programs(content)
    except PresetError as error:
        _is_one_line(error)


@_of(
    st.integers(1, 8),
    st.integers(1, 3000),
    st.sampled_from([4000, 11025, 44099, 44100, 48000, 768000]),
    st.integers(0, 2**32 - 1),
    st.floats(-80.0, 80.0, allow_subnormal=False),
)
def audio_survives_writing_and_reading(channels: int, length: int, rate: int, seed: int, level_db: float) -> None:
    """Every sample to the bit, at any level."""
    audio = np.random.default_rng(seed).standard_normal((channels, length)) * 10.0 ** (level_db / 20.0)
    with tempfile.TemporaryDirectory() as folder:
        write_wav(Path(folder, "a.wav"), audio.astype(np.float32), rate)
        again, rate_again, seconds = read_audio(Path(folder, "a.wav"))
    assert (rate_again, seconds) == (rate, length / rate)
    np.testing.assert_array_equal(again, audio.astype(np.float32))


@_of(st.one_of(CONTENT, st.builds(lambda start, rest: _WAV[:start] + rest, st.integers(0, 100), st.binary())))
def any_content_is_audio_or_refused(content: bytes) -> None:
    """Nothing but our errors is raised, and no sample is read that is not a number."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.wav")
        path.write_bytes(content)
        try:
            audio, rate, seconds = read_audio(path)
        except ReconstructError as error:
            _is_one_line(error, "clip.wav")
        else:
            assert np.isfinite(audio).all()
            assert 0 < audio.shape[1] <= round(seconds * rate)


def limited(prop: Property, n_examples: int, *, seed: int | None = None) -> Callable[[], None]:
    """A property with a number of examples: the same ones each time, or those of a seed."""
    checks = settings(
        max_examples=n_examples,
        derandomize=seed is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(given(*prop.examples)(prop.holds))
    return checks if seed is None else seeded(seed)(checks)


def properties(part: int, seed: int, count: int) -> Count:
    """Every property, with so many examples each."""
    total = Count(cases=count * len(PROPERTIES))
    for prop in PROPERTIES:
        try:
            limited(prop, count, seed=seed * 1000 + part)()
        except BaseException as error:  # hypothesis may raise a group
            if isinstance(error, KeyboardInterrupt):
                raise
            total.lose(f"{prop.name}: {type(error).__name__}: {error}")
    return total


def _is_one_line(error: ReconstructError, name: str = "") -> None:
    assert "\n" not in str(error)
    assert name in str(error)
