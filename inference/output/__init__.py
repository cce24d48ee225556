"""What a run leaves behind: presets, audio, report and JSON."""
