"""Compiled loops over samples, with their adjoints."""
