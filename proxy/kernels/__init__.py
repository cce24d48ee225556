"""Sample-by-sample loops as machine code, with their adjoints."""
