"""One budget: hulls of the layers, their linear relaxation, and the search near it."""
