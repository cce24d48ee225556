"""Measurements: everything that the README and ``docs/`` state. See ``python -m benchmarks --help``."""
