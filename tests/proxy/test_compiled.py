"""Compiled functions work where nothing can be kept on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BODY = """
from proxy.kernels.compiled import compiled, is_kept
@compiled
def twice(x):
    return 2.0 * x
print(twice(2.0), is_kept())
"""


def run(tmp_path: Path, before: str, cache: Path) -> str:
    script = tmp_path / "script.py"
    script.write_text(before + BODY)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, script],
        check=True,
        capture_output=True,
        text=True,
        cwd=root,
        env={"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache)},
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("import numba.core.caching as c\nc.CacheImpl._locator_classes = []", "False"),
        (
            "import numba.core.caching as c\ndef full(*_): raise OSError(28, 'No space left on device')\n"
            "c.IndexDataCacheFile.save = full",
            "True",
        ),
    ],
)
def test_a_cache_that_cannot_be_made_or_written_costs_a_compilation_only(
    before: str, kept: str, tmp_path: Path
) -> None:
    assert run(tmp_path, before, tmp_path / "cache") == f"4.0 {kept}"


def test_every_loop_works_where_nothing_can_be_kept(tmp_path: Path) -> None:
    none = "import numba.core.caching as c\nc.CacheImpl._locator_classes = []"
    every = "\nimport pkgutil, importlib, proxy.kernels\nfor module in pkgutil.iter_modules(proxy.kernels.__path__):\n"
    every += "    importlib.import_module(f'proxy.kernels.{module.name}')"
    assert run(tmp_path, none + every, tmp_path / "cache") == "4.0 False"


def test_a_damaged_cache_costs_a_compilation_only(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(tmp_path, "", cache) == "4.0 True"
    files = [file for file in cache.rglob("*") if file.is_file()]
    assert files
    for file in files:
        file.write_bytes(b"garbage")
    assert run(tmp_path, "", cache) == "4.0 True"
