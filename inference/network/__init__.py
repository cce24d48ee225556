"""The network of the guess: what it sees, what it predicts, and its training."""
