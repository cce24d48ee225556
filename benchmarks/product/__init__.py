"""Measurements of ``refine`` as a whole."""
