"""The clip: reading it, finding its sound, and estimating its note."""
