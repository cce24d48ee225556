"""The inputs of the network: log-mel spectrograms and variants of them."""
