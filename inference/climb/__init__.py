"""The search stage of synths without a gradient: line searches, jumps that are tuned, and CMA-ES."""
