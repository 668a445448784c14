"""Collaborative Compression's parts: sites, look-ahead, paths, rates, what it costs."""
