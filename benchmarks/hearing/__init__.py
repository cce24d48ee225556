"""What is heard of a clip: its note and gate, the library's closest patches, and what the networks propose."""
