"""Recipes: the papers' ways to a plan, as compositions of programs."""
