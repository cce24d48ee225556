"""Distances between sounds, and the golden renders of the real plug-in that everything is compared with."""
