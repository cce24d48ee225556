"""The guess network: its inputs, its outputs and its training."""
