"""Loops over samples as machine code, with their adjoints."""
