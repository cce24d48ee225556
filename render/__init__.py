"""The truth about the real synthesizer: its parameters, patches, preset files, hosts and renders.

Importing this package loads no host, no torch and no plotting.
"""
