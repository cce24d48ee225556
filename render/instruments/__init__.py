"""Instruments: parameters, patches, preset files, hosts and optional parts such as a prior."""
