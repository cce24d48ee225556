"""What the network sees of a clip: log-mel spectrograms and their relatives."""
