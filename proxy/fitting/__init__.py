"""The fit of the proxy's corrections to renders."""
