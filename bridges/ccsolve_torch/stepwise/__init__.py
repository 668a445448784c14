"""Compression in several steps, resumed after a kill."""
