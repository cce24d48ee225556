"""Hosts, which play patches: plug-ins, DawDreamer, and the pool of worker processes."""
