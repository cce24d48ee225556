"""Uses of a match: try it on other keys, explain it, make new sounds from it."""
