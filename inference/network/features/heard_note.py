"""The note that was heard in a clip, as the networks take it."""

from __future__ import annotations

N_NOTES = 128
UNKNOWN_NOTE = N_NOTES
"""Stands for the note of a clip in which none was heard."""
