"""Everything that can go wrong around ``refine``, made to go wrong many times: ``python -m benchmarks faults``."""
