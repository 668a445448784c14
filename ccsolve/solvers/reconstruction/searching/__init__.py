"""What the methods that look for points share."""
