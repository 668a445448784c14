"""ADMM-TT in training against the direct truncation, epoch by epoch."""
