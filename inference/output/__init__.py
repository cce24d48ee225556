"""The results of a run: presets, audio, report and JSON."""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where it can keep no cache it works too, and warns of it
