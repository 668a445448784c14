"""Speed, points and bounds of whole-network programs against their peers."""
