"""Speed, error and memory of low-rank projections against their peers."""
