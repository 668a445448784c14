"""Benchmarks: programs solved by methods and by heuristics, scored apart from both."""
