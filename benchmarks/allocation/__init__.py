"""Rate allocation, measured: one budget, several, fronts, and the smooth program."""
