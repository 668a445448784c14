"""The tree of removals: its data, and what rounding may do to it."""
