"""What the network predicts: patches as categories, and the canonical patch of those that sound the same."""
