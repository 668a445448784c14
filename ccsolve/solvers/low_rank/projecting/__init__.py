"""The parts of the projection on tensors of low rank."""
