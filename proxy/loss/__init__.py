"""The distance that gradient descent minimises, in torch."""
