"""Patches to try things out with, and the sections in which a patch is looked at."""
