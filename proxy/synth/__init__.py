"""The differentiable synthesizer: one module for each section of the panel."""
