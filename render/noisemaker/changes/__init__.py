"""Changes of a patch that take several decisions at once, and what is heard in a clip to choose them by."""
