"""The papers' methods at the papers' operating points, beside what they published."""
