"""The stages of a run: start, guess, descend and search."""
