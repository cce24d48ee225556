"""The fake host in place of all hosts, with a small library in a folder of the tests' own."""

from __future__ import annotations

import importlib

import pytest

from tests.scale_host import make_any


@pytest.fixture
def fake_hosts(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    benchmarks = ("product.compare", "product.methods", "product.optimizers", "common.runs", "common.targets")
    for benchmark in benchmarks:
        monkeypatch.setattr(importlib.import_module(f"benchmarks.{benchmark}"), "open_host", make_any)
    library = importlib.import_module("inference.stages.library")
    monkeypatch.setattr(library, "cache_folder", lambda: tmp_path_factory.getbasetemp() / "library")
    targets = importlib.import_module("benchmarks.common.targets")
    monkeypatch.setattr(targets, "DRAWS", {60: 6})
    targets.host_of.cache_clear()
    targets.library_of.cache_clear()
