"""The outputs of the network: patches as categories, and a canonical form for patches that sound the same."""
