"""Libraries that are loaded beside other work."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from render.background import apart, begin_loading, is_apart


def test_a_library_is_loaded_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_library.py").write_text("import threading\nTHREAD = threading.current_thread().name\n")
    monkeypatch.syspath_prepend(tmp_path)
    begin_loading("slow_library")
    (loading,) = [one for one in threading.enumerate() if one.name == "loading slow_library"] or [None]
    if loading is not None:
        loading.join()
    assert sys.modules.pop("slow_library").THREAD == "loading slow_library"


def test_a_library_that_cannot_be_loaded_is_an_error_where_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_library.py").write_text("raise ImportError('no such symbol')\n")
    monkeypatch.syspath_prepend(tmp_path)
    begin_loading("broken_library")
    with pytest.raises(ImportError, match="no such symbol"):
        __import__("broken_library")
    assert capsys.readouterr().err == ""


def test_work_apart_returns_and_raises_what_it_does() -> None:
    assert apart(lambda: 7) == 7
    with pytest.raises(ValueError, match="no"):
        apart(lambda: int("no"))


def test_a_signal_ends_the_waiting_for_work_whose_destructors_drop_exceptions() -> None:
    program = (
        "import os, signal, time\n"
        "from render.background import apart, is_apart\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # it may be ignored
        "class Dropping:\n"
        "    def __del__(self):\n"
        "        time.sleep(0.1)\n"
        "def work():\n"
        "    print('begun', flush=True)\n"
        "    for _ in range(600):\n"
        "        Dropping()\n"
        "try:\n"
        "    apart(work)\n"
        "except KeyboardInterrupt:\n"
        "    os._exit(7 if is_apart() else 8)\n"
    )
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    with running.stdout:
        assert running.stdout.readline() == "begun\n"
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30.0) == 7
    assert not is_apart()
