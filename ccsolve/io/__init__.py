"""Files of problems and solutions: written atomically, read with distrust."""

from ccsolve.io.formats import read, write

__all__ = ["read", "write"]
