"""Training the network on data sets, or on fresh renders that are never stored."""
