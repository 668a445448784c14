"""Parts of the search under several budgets."""
