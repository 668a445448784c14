"""ADMM on the quadratic loss of one layer, under a bound on its ranks."""
