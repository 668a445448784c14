"""What is compared: one file per peer, and the methods of ccsolve.

A peer's module has ``run(problem, terms) -> Answer``; it imports its library when it is
called, so that a missing one is said and not fatal.
"""
