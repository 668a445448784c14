"""What the bounds of a whole network are made of."""
