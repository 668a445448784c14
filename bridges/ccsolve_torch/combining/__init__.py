"""Convolutions whose filters are linear combinations of some of them."""
