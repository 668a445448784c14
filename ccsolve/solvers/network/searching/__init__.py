"""What the searches over a whole network share."""
