"""Scores of channels that take runs or training of the network itself."""
