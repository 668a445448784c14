"""Surgery as data: on disk, and done again."""
