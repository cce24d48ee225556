"""Any plug-in as an instrument: its parameters as they can be read and heard, and no other knowledge of it."""
