"""Drawings that a panel of NoiseMaker shows beside its knobs."""
