"""Audio files as they come: rates, unfinished headers, pipes, damage, folders; and the memory that they cost."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

import render.audio
from render.audio import audio_files, read_audio, read_recording
from render.audio_source import MAX_CHANNELS
from render.errors import FileError, InvalidAudio, ReconstructError
from render.note import SAMPLE_RATE
from tests.paths import ROOT
from tests.signals import pluck, silence, write

POSIX = pytest.mark.skipif(os.name != "posix", reason="named pipes and links are made as on POSIX systems")


def sine(rate: int, hertz: float, seconds: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def megabytes_of(code: str) -> float:
    """Peak memory of a fresh Python in MiB beyond what ``import render.audio`` takes."""
    script = (
        "import resource, sys\nfrom render.audio import *\nfrom pathlib import Path\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\nbefore = peak()\n"
        f"{code}\nprint(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.parametrize("rate", [4000, 4001, 8000, 16384, 22050, 44099, 44101, 47999, 48000, 96000, 767999, 768000])
def test_any_rate_is_resampled_accurately(tmp_path: Path, rate: int) -> None:
    hertz = 0.25 * min(rate, SAMPLE_RATE)
    recording = read_recording(write(tmp_path / "clip.wav", sine(rate, hertz), rate), resample=True)
    assert recording.rate == rate
    assert recording.audio.shape[1] == pytest.approx(0.5 * SAMPLE_RATE, abs=10)
    middle = slice(4000, -4000)
    wanted = sine(SAMPLE_RATE, hertz, recording.audio.shape[1] / SAMPLE_RATE)
    np.testing.assert_allclose(recording.audio[0, middle], wanted[middle], atol=2e-5)


@pytest.mark.parametrize("rate", [4001, 48000, 767999])
def test_an_offset_begins_and_ends_without_a_click(tmp_path: Path, rate: int) -> None:
    for channels in (1, 2):
        offset = np.linspace(0.5, -0.3, channels, dtype=np.float32)
        write(tmp_path / "clip.wav", np.repeat(offset[:, None], rate // 4, axis=1), rate)
        audio = read_recording(tmp_path / "clip.wav", resample=True).audio
        assert audio.shape == (channels, pytest.approx(rate // 4 * SAMPLE_RATE / rate, abs=1))
        np.testing.assert_allclose(audio, np.repeat(offset[:, None], audio.shape[1], axis=1), atol=1e-6)


@POSIX
@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"\xff\xfe", b"a\n\xe9\x1b[31m.wav"])
def test_a_file_is_written_under_any_name(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    render.audio.write_wav(path, np.ones((1, 100), np.float32))
    assert read_audio(path)[0].shape == (1, 100)


@pytest.mark.parametrize("rate", [48000, 96000, 176399])
def test_what_is_above_the_band_does_not_fold_into_it(tmp_path: Path, rate: int) -> None:
    recording = read_recording(write(tmp_path / "clip.wav", sine(rate, 23000.0), rate), resample=True)
    assert np.abs(recording.audio[0, 4000:-4000]).max() < 1e-5


def test_blocks_are_joined_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "clip.wav", sine(44099, 440.0), 44099)
    whole = read_recording(path, resample=True).audio
    monkeypatch.setattr(render.audio, "BLOCK_SAMPLES", 1000)
    np.testing.assert_allclose(read_recording(path, resample=True).audio, whole, atol=1e-6)


@pytest.mark.parametrize("rate", [44099, 16384, 4001])
def test_an_odd_rate_costs_little_memory(tmp_path: Path, rate: int) -> None:
    path = write(tmp_path / "clip.wav", sine(rate, 440.0, 4.0), rate)
    assert megabytes_of(f"read_recording({str(path)!r}, resample=True)") < 30.0  # measured: 7


@pytest.mark.parametrize("rate", [1, 3999, 768_001, 2**31 - 1])
def test_an_absurd_rate_is_refused_with_what_is_allowed(tmp_path: Path, rate: int) -> None:
    path = write(tmp_path / "clip.wav", pluck(seconds=0.1))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 24, rate)
    path.write_bytes(data)
    with pytest.raises(InvalidAudio, match=rf"clip.wav has a sample rate of {rate} Hz; allowed: 4000 to 768000 Hz"):
        read_audio(path)


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.wav", np.zeros((MAX_CHANNELS + 1, 100), np.float32))
    with pytest.raises(InvalidAudio, match="has 65 channels; allowed: 1 to 64"):
        read_audio(path)


def encoded(audio: np.ndarray, format_name: str, subtype: str | None = None, *, rate: int = SAMPLE_RATE) -> bytearray:
    stream = io.BytesIO()
    soundfile.write(stream, audio.T, rate, format=format_name, subtype=subtype)
    return bytearray(stream.getvalue())


def unfinished(kind: str, audio: np.ndarray) -> bytearray:
    """A file as a program leaves it that could not go back and write the length."""
    name = kind.split()[0]
    data = encoded(audio, name, "PCM_16")
    if name == "FLAC":
        data[21] &= 0xF0  # the total number of samples, 36 bits,
        data[22:26] = bytes(4)
        data[26:42] = bytes(16)  # and the checksum
    elif name in ("WAV", "WAVEX"):
        size = {"0": 0, "-1": 0xFFFFFFFF, "max": 0x7FFFFFFF}[kind.split()[1]]
        struct.pack_into("<I", data, 4, size)
        struct.pack_into("<I", data, data.index(b"data") + 4, size)
    elif name == "RF64":
        start = data.index(b"ds64") + 8
        data[start : start + 24] = bytes(24)
    elif name == "W64":
        data[16:24] = bytes(8)
        start = data.index(b"data") + 16
        data[start : start + 8] = bytes(8)
    elif name == "AIFF":
        start = data.index(b"COMM") + 10
        data[start : start + 4] = bytes(4)
        struct.pack_into(">I", data, data.index(b"SSND") + 4, {"0": 0, "8": 8}[kind.split()[1]])
    elif name == "AU":
        struct.pack_into(">I", data, 8, {"0": 0, "-1": 0xFFFFFFFF}[kind.split()[1]])
    elif name == "CAF":
        struct.pack_into(">q", data, data.index(b"data") + 4, -1)
    return data


UNFINISHED = (
    *("FLAC", "WAV 0", "WAV -1", "WAV max", "WAVEX 0", "RF64", "W64"),
    *("AIFF 0", "AIFF 8", "AU 0", "AU -1", "CAF"),
)


@pytest.mark.parametrize("kind", UNFINISHED)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_file_without_a_length_is_read_to_its_end(tmp_path: Path, kind: str, n_channels: int) -> None:
    audio = np.stack([pluck(seconds=4.0), pluck(220.0, 4.0)][:n_channels])
    (tmp_path / "clip").write_bytes(unfinished(kind, audio))
    read, rate, seconds = read_audio(tmp_path / "clip")
    assert (rate, seconds) == (SAMPLE_RATE, 4.0)
    np.testing.assert_allclose(read, audio, atol=1e-4)
    start, _, _ = read_audio(tmp_path / "clip", max_seconds=0.5)
    np.testing.assert_array_equal(start, read[:, : SAMPLE_RATE // 2])


def test_the_length_of_a_stream_is_not_made_up(tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(unfinished("FLAC", pluck(seconds=4.0)))
    recording = read_recording(tmp_path / "clip", max_seconds=1.0)
    assert recording.seconds is None
    assert not recording.ended
    huge = encoded(pluck(seconds=1.0), "FLAC")
    huge[21] |= 0x0F  # 2^36 samples or so
    (tmp_path / "huge").write_bytes(huge)
    assert read_recording(tmp_path / "huge", max_seconds=0.5).seconds is None


def test_of_wav_files_that_were_joined_the_first_is_read(tmp_path: Path) -> None:
    one, other = (encoded(pluck(hertz), "WAV", "PCM_16") for hertz in (110.0, 220.0))
    (tmp_path / "one.wav").write_bytes(one)
    (tmp_path / "both.wav").write_bytes(one + other)
    np.testing.assert_array_equal(read_audio(tmp_path / "both.wav")[0], read_audio(tmp_path / "one.wav")[0])


def test_a_file_that_really_is_empty_stays_so(tmp_path: Path) -> None:
    data = encoded(np.zeros(0, np.float32), "WAV", "PCM_16") + b"LIST" + struct.pack("<I", 4) + b"INFO"
    (tmp_path / "clip.wav").write_bytes(data)
    with pytest.raises(InvalidAudio, match=r"clip\.wav holds no audio"):
        read_audio(tmp_path / "clip.wav")


@POSIX
@pytest.mark.parametrize("kind", ["WAV 0", "FLAC", "AIFF 0"])
def test_a_named_pipe_is_read(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    data = bytes(unfinished(kind, pluck(seconds=2.0)))
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[data])
    writer.start()
    read, _, seconds = read_audio(tmp_path / "pipe")
    writer.join()
    assert seconds == 2.0
    np.testing.assert_allclose(read[0], pluck(seconds=2.0), atol=1e-4)


@POSIX
def test_standard_input_is_read(tmp_path: Path) -> None:
    code = "from render.audio import read_audio; print(read_audio('/dev/stdin')[0].shape)"
    data = bytes(unfinished("FLAC", pluck(seconds=2.0)))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "(1, 88200)"


@POSIX
def test_of_a_stream_no_more_is_kept_than_the_cap() -> None:
    code = (
        "import render.audio; render.audio._MAX_PIPE_BYTES = 1 << 20\n"
        "print(render.audio.read_audio('/dev/stdin')[0].nbytes)"
    )
    data = bytes(unfinished("WAV 0", np.tile(pluck(), 60)))  # 5 MB
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, input=data, capture_output=True, check=True)
    assert int(done.stdout) == pytest.approx(2 << 20, rel=0.01)  # 16 bits become 32


def sparse_wav(path: Path, n_bytes: int) -> Path:
    """A header and a hole: a long file of 16-bit mono that takes no room."""
    data = encoded(silence(0.0), "WAV", "PCM_16")
    struct.pack_into("<I", data, data.index(b"data") + 4, n_bytes)
    path.write_bytes(data)
    os.truncate(path, len(data) + n_bytes)
    return path


def test_a_long_file_costs_no_more_than_what_is_used(tmp_path: Path) -> None:
    path = sparse_wav(tmp_path / "long.wav", 900_000_000)  # 2.8 hours
    assert megabytes_of(f"assert read_recording({str(path)!r}, max_samples=1 << 23).seconds > 10000") < 100.0
    assert megabytes_of(f"read_audio({str(path)!r}, max_seconds=4.0)") < 20.0


def test_silence_that_is_skipped_costs_nothing(tmp_path: Path) -> None:
    path = sparse_wav(tmp_path / "long.wav", 100_000_000)
    assert megabytes_of(f"assert read_recording({str(path)!r}, skip_silence=True).audio.size == 0") < 20.0


def test_more_than_is_held_is_refused_unless_a_part_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render.audio, "MAX_SAMPLES", 10_000)
    path = write(tmp_path / "clip.wav", pluck(seconds=1.0))
    with pytest.raises(InvalidAudio, match="more than 10000 samples"):
        read_audio(path)
    assert read_audio(path, max_seconds=0.1)[0].shape == (1, 4410)


def test_silence_before_the_sound_is_skipped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.wav", np.concatenate([silence(60.0), pluck()]))
    recording = read_recording(path, skip_silence=True, max_samples=10 * SAMPLE_RATE)
    assert recording.ended
    assert 50.0 < recording.skipped_seconds <= 60.0
    kept = recording.audio[0, round((60.0 - recording.skipped_seconds) * SAMPLE_RATE) :]
    np.testing.assert_array_equal(kept, pluck())


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({9: np.nan}, r"holds 1 samples that are not finite numbers, the first at 0\.000 s \(sample 9\)"),
        ({70000: np.inf, 70001: -np.inf, 80000: np.nan}, r"holds 3 samples .* first at 1\.587 s \(sample 70000\)"),
        (dict.fromkeys(range(88200), np.nan), r"holds 88200 samples"),
    ],
)
def test_samples_that_are_no_numbers_are_counted(tmp_path: Path, bad: dict[int, float], says: str) -> None:
    audio = pluck(seconds=2.0)
    for position, value in bad.items():
        audio[position] = value
    with pytest.raises(InvalidAudio, match=says):
        read_audio(write(tmp_path / "clip.wav", audio))


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_of_a_file_that_is_cut_short_the_rest_is_read(tmp_path: Path, share: float) -> None:
    data = encoded(np.tile(pluck(), 4), "FLAC")
    (tmp_path / "clip.flac").write_bytes(data[: int(share * len(data))])
    recording = read_recording(tmp_path / "clip.flac")
    assert recording.damaged or share == 0.99
    assert 0.5 * share * 4.0 < recording.audio.shape[1] / SAMPLE_RATE <= 4.0


def noise(channels: int = 1, seconds: float = 1.5) -> np.ndarray:
    """Noise that gets softer, of which every part is found in a longer piece."""
    draws = np.random.default_rng(3).standard_normal((channels, round(seconds * SAMPLE_RATE)))
    return (0.2 * draws * np.linspace(1.0, 0.1, draws.shape[1])).astype(np.float32)


@pytest.mark.parametrize(("channels", "rate"), [(1, 44100), (2, 48000), (1, 22050), (2, 8000)])
@pytest.mark.parametrize("share", [0.103, 0.5, 0.71])
def test_a_stream_that_was_cut_inside_a_frame_is_read_from_the_next_one_on(
    channels: int, rate: int, share: float, tmp_path: Path
) -> None:
    data = encoded(noise(channels), "MP3", rate=rate)
    (tmp_path / "whole.mp3").write_bytes(data)
    (tmp_path / "cut.mp3").write_bytes(data[(begin := int(share * len(data))) :])
    whole, cut = (read_recording(tmp_path / f"{name}.mp3") for name in ("whole", "cut"))
    assert 0 < cut.lost_bytes < 1500
    assert whole.lost_bytes == 0
    assert (cut.rate, len(cut.audio), cut.ended, cut.damaged) == (rate, channels, True, False)
    assert cut.seconds == pytest.approx(whole.audio.shape[1] / rate * (1.0 - begin / len(data)), rel=0.1, abs=0.15)
    tail = whole.audio[0, -rate // 20 :]
    last = cut.audio[0, -len(tail) - 3000 :]  # with the padding of the encoder, which is not known
    place = np.correlate(last, tail, "valid").argmax()
    np.testing.assert_allclose(last[place : place + len(tail)], tail, atol=1e-4)
    assert audio_files(tmp_path) == [tmp_path / "cut.mp3", tmp_path / "whole.mp3"]


def test_a_stream_is_found_behind_the_rest_of_a_picture_and_nowhere_else(tmp_path: Path) -> None:
    stream = bytes(encoded(noise(), "MP3"))[1000:]
    picture = np.random.default_rng(1).integers(0, 256, 300_000, np.uint8).tobytes()
    (tmp_path / "picture.mp3").write_bytes(picture)
    with pytest.raises(InvalidAudio, match="not an audio file"):
        read_recording(tmp_path / "picture.mp3")
    (tmp_path / "both.mp3").write_bytes(picture + stream)
    recording = read_recording(tmp_path / "both.mp3")
    assert len(picture) < recording.lost_bytes < len(picture) + 1500
    assert recording.audio.shape[1] > SAMPLE_RATE
    for n_frames in (1, 3):  # too few to be told from chance
        begin = recording.lost_bytes - len(picture)
        (tmp_path / "few.mp3").write_bytes(b"x" + stream[begin : begin + 160 * n_frames])
        with pytest.raises(InvalidAudio, match="not an audio file"):
            read_recording(tmp_path / "few.mp3")


@pytest.mark.parametrize("format_name", sorted(soundfile.available_formats().keys() - {"RAW", "SD2"}))
def test_every_format_is_read_as_libsndfile_reads_it(tmp_path: Path, format_name: str) -> None:
    path = tmp_path / f"clip.{format_name.lower()}"
    for subtype in soundfile.available_subtypes(format_name):
        try:
            soundfile.write(path, pluck(seconds=0.2), SAMPLE_RATE, format=format_name, subtype=subtype)
        except soundfile.SoundFileError:
            continue  # read only
        audio, rate, _ = read_audio(path)
        assert rate == soundfile.info(path).samplerate
        assert audio_files(tmp_path) == [path]
        if not subtype.startswith("DWVW"):  # soundfile seeks after it has read, which this codec cannot
            wanted, _ = soundfile.read(path, dtype="float32", always_2d=True)
            np.testing.assert_array_equal(audio, wanted.T)


def test_of_a_folder_what_libsndfile_reads_is_listed_and_nothing_else(tmp_path: Path) -> None:
    wav = bytes(encoded(pluck(), "WAV"))
    good = {"b.wav": wav, "A.WAV": wav, "no suffix": wav, "c.bin": bytes(encoded(pluck(), "FLAC")), "cut.wav": wav[:30]}
    good |= {"d.mp3": bytes(encoded(pluck(), "MP3")), "e.oga": bytes(encoded(pluck(), "OGG"))}
    bad = {
        "._b.wav": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(4000),  # AppleDouble
        "double.wav": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(4000),
        ".hidden.wav": wav,
        "data.raw": np.arange(1000, dtype=np.int16).tobytes(),
        "text.wav": b"this is not audio\n" * 100,
        "text.mp3": b"this is not audio\n" * 1000,
        "notes.txt": b"this is not audio",
        "empty.wav": b"",
        "picture.svx": b"<svg/>",
    }
    for name, data in (good | bad).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "folder.wav" / "inside.wav").write_bytes(wav)
    assert audio_files(tmp_path) == sorted(tmp_path / name for name in good)


@POSIX
def test_links_in_circles_and_pipes_in_a_folder_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path / "real.wav", pluck())
    (tmp_path / "link.wav").symlink_to("real.wav")
    (tmp_path / "circle.wav").symlink_to("circle.wav")
    (tmp_path / "broken.wav").symlink_to("missing.wav")
    (tmp_path / "up").symlink_to(".")
    os.mkfifo(tmp_path / "pipe.wav")
    assert audio_files(tmp_path) == [tmp_path / "link.wav", tmp_path / "real.wav"]


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nowhere"):
        audio_files(tmp_path / "nowhere")


def test_a_folder_and_a_missing_file_are_no_audio_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no.wav"):
        with pytest.raises(FileError, match=path.name):
            read_audio(path)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Bit flips, cuts, insertions, hostile lengths and random headers."""
    changed = bytearray(data)
    kind = rng.integers(5)
    if kind == 0:
        for position in rng.integers(len(changed), size=rng.integers(1, 60)):
            changed[position] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del changed[int(rng.integers(len(changed))) :]
    elif kind == 2:
        position = int(rng.integers(min(len(changed) - 4, 200)))
        changed[position : position + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"])
    elif kind == 3:
        position = int(rng.integers(len(changed)))
        changed[position:position] = rng.bytes(int(rng.integers(1, 500)))
    else:
        for position in rng.integers(min(len(changed), 100), size=rng.integers(1, 8)):
            changed[position] = int(rng.integers(256))
    return bytes(changed)


@pytest.mark.parametrize("format_name", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "NIST", "VOC"])
def test_a_damaged_file_is_read_or_refused_with_an_error_of_ours(tmp_path: Path, format_name: str) -> None:
    rng = np.random.default_rng(len(format_name))
    data = bytes(encoded(np.stack([pluck(seconds=0.5)] * 2), format_name))
    n_read = 0
    for _ in range(60):
        (tmp_path / "clip").write_bytes(mutated(data, rng))
        with contextlib.suppress(ReconstructError):
            audio, rate, _ = read_audio(tmp_path / "clip")
            assert np.isfinite(audio).all()
            assert audio.shape[1] < 100 * rate
            n_read += 1
    assert n_read > (0 if format_name == "OGG" else 20)  # the checksum of a damaged OGG page refuses the whole page


@pytest.mark.parametrize("kind", ["0", "1", "2", "3"])
def test_every_refusal_is_one_line_that_names_the_file(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(int(kind))
    (tmp_path / "clip.wav").write_bytes(rng.bytes(int(rng.integers(2000))))
    with pytest.raises(ReconstructError, match=r"^clip\.wav [^\n]*$"):
        read_audio(tmp_path / "clip.wav")


def test_the_examples_in_the_documentation_hold() -> None:
    assert doctest.testmod(render.audio).failed == 0
