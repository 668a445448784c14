"""Fitting a smaller network to the one that it came from."""
