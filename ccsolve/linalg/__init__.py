"""Numerical linear algebra on numpy and scipy, and what its rounding may be."""
