"""What native libraries print stays away from the terminal, and what others print does not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.paths import ROOT
from tests.signals import pluck

C_PRINTS = "import ctypes, os; c = ctypes.CDLL(None); "


def output_of(code: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


@pytest.mark.skipif(os.name != "posix", reason="calls the C library by its POSIX name")
def test_what_the_c_library_holds_back_is_discarded_too() -> None:
    code = C_PRINTS + (
        "from render.silence import silenced\nprint('before'); c.puts(b'kept')\n"
        "with silenced():\n    c.puts(b'lost'); os.write(2, b'lost'); print('lost', flush=True)\n"
        "    with silenced():\n        c.puts(b'lost')\n    c.puts(b'lost')\n"
        "c.puts(b'heard'); c.fflush(None); os.write(2, b'said')"
    )
    out, err = output_of(code)
    assert sorted(out.split()) == ["before", "heard", "kept"]
    assert err == "said"


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2)])
def test_streams_that_are_closed_do_no_harm(closed: tuple[int, ...]) -> None:
    code = (
        f"import os\nfrom render.silence import silenced\nfor stream in {closed!r}: os.close(stream)\n"
        "for _ in range(3):\n    with silenced(): pass\nfor stream in (1, 2):\n    try: os.write(stream, b'open')\n"
        "    except OSError: pass\nos._exit(0)"
    )
    out, err = output_of(code)
    assert (out, err) == tuple("" if stream in closed else "open" for stream in (1, 2))


def test_threads_share_the_silence() -> None:
    code = (
        "import os, threading\nfrom render.silence import silenced\n"
        "def work():\n    for _ in range(500):\n        with silenced(): os.write(1, b'lost')\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print('heard'); print(len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 4)"
    )
    out, _ = output_of(code)
    assert out.split()[0] == "heard"
    assert int(out.split()[1]) < 8


@pytest.mark.parametrize(("format_name", "subtype"), [("MP3", "MPEG_LAYER_III"), ("SDS", "PCM_16"), ("CAF", "ALAC_16")])
def test_damaged_files_print_nothing(format_name: str, subtype: str, tmp_path: Path) -> None:
    stream = io.BytesIO()
    try:
        soundfile.write(stream, pluck(seconds=0.5), 44100, format=format_name, subtype=subtype)
    except soundfile.SoundFileError:
        pytest.skip(f"libsndfile writes no {format_name} here")
    rng = np.random.default_rng(0)
    for number in range(12):
        data = bytearray(stream.getvalue())
        for position in rng.integers(60, len(data), 30):
            data[position] ^= 1 << int(rng.integers(8))
        (tmp_path / f"{number:02}.{format_name.lower()}").write_bytes(data)
    code = (
        "import contextlib\nfrom pathlib import Path\nimport render.audio\nfrom render.errors import InvalidAudio\n"
        f"files = render.audio.audio_files({str(tmp_path)!r}); assert files\nfor path in files:\n"
        "    with contextlib.suppress(InvalidAudio): render.audio.read_audio(path)\n"
    )
    assert output_of(code) == ("", "")
    loud = code.replace("files = ", "render.audio.silenced = contextlib.nullcontext\nfiles = ")
    assert format_name == "CAF" or output_of(loud) != ("", "")  # else the test tests nothing
