"""The sections of a page: each is a function from a subject to HTML, or None."""
