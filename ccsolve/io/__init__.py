"""Files of problems and solutions: written atomically, read with distrust."""
