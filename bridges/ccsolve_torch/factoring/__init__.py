"""Layers as chains of smaller ones."""
