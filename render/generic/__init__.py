"""Any plug-in as an instrument: its parameters as read from it and tested by renders, without further knowledge."""
