"""The distance that the stages minimise, in torch."""
