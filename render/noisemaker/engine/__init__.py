"""The embedded NoiseMaker: oscillators and modulators in numpy, filters and effects in Faust."""
