"""Dexed, a DX7: its parameters, voices and cartridges, prior and library, and a host that runs its engine."""
