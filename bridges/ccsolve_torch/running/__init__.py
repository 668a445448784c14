"""Running a model and seeing what runs in it, without changing it."""
