"""Sums over the samples: rows of curvature, moments of layers, activations."""
