"""Figures, drawn from benchmark rows and nothing else. Needs the extra `report`."""
