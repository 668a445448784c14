"""Parts of the method for allocations with pairs."""
