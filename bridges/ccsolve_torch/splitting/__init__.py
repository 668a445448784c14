"""The parts of ADMM in training: which weights, Z and U, their state, the result."""
