"""Libraries that are loaded beside other work."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from render.background import begin_loading


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
