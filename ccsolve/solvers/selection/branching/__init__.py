"""What exact search is made of: convex trees below semidefinite nodes."""
