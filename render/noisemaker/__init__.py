"""TAL-NoiseMaker as an instrument: its parameters, patches, preset files, prior and library."""
