"""Measurements of one part each."""
