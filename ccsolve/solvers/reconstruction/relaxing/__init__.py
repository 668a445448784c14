"""The perspective relaxation: its form, its bound, its minimisation."""
