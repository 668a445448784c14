"""The parts of the small training loop."""
