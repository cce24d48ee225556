"""The results of a run: presets, audio, report and JSON."""
