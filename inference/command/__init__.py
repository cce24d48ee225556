"""The command ``refine``: its jobs, their execution, and its output in the terminal."""
