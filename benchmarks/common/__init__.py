"""What the benchmarks share: tables, targets, summaries."""
