"""The command ``refine``: what there is to do, doing it one after the other, and what a person sees of it."""
