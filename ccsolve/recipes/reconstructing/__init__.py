"""Recipes that choose input channels by what a refit of the next layers leaves."""
