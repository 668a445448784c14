"""Low-rank fits in the norm of a covariance."""
