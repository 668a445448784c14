"""Reductions: a problem becomes a smaller one, with the way back. Pure functions."""
