"""Auxiliary classifiers: attached, trained, used for statistics and dropped."""
