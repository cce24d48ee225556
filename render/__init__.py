"""The synthesizer: its parameters, patches, preset files and hosts, data sets of renders, and metrics.

Importing this package loads no host, no torch and no plotting library.
"""
