"""Patches for tests and benchmarks, and the sections by which patches are analysed."""
