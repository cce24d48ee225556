"""Shared code of the benchmarks: tables, targets and summaries."""
