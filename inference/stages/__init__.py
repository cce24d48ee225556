"""The stages of a run: start, guess, descend, search and tidy."""
