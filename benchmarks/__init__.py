"""Benchmarks: run from a checkout, data by `--data DIR`; not part of the package."""
