"""Vital: its controls, presets, prior and library, and a host that runs its engine (the package ``vita``)."""
