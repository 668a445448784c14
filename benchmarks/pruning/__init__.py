"""Accuracy of smaller networks without any training: choices, repairs, peers."""
