"""Training the proxy: its corrections are fitted to renders."""
