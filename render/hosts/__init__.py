"""Whatever plays a patch: the protocol of a host, plug-ins, and the pool of worker processes."""
