"""`python -m ccsolve` is the command `ccsolve`."""

from ccsolve.cli import main

main()
