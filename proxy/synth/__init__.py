"""The differentiable synthesizer, read like its panel."""
