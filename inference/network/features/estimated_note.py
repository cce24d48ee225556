"""The estimated note of a clip, as the networks take it."""

from __future__ import annotations

N_NOTES = 128
UNKNOWN_NOTE = N_NOTES
"""Stands for the note of a clip for which none was estimated."""
