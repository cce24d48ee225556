"""The product: from a clip to a preset, in three stages (guess, descend, search)."""
