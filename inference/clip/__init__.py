"""The clip: reading it, and hearing its note."""
