"""Compiles what every process of tests would compile, once before they start: ``python -m tests.warm``."""

from __future__ import annotations

from inference.options import Options
from inference.stages.models import load_models
from proxy.kernels.compiled import are_compiled, is_kept
from render.noisemaker.engine.host import EmbeddedHost
from render.noisemaker.instrument import NOISEMAKER

if __name__ == "__main__":
    load_models(Options(NOISEMAKER, stages=("descend",)))
    if is_kept() and not are_compiled():  # every run of a new installation would say that it compiles
        raise SystemExit("loading the models leaves a loop of the proxy uncompiled")
    host = EmbeddedHost()
    for name in host.not_compiled():
        host.compile(name)
