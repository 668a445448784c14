"""The searches that heuristics are made of: dense, or through windows on a factor."""
