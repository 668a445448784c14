"""Competitors: each takes an instance and gives points, bounds and seconds."""
