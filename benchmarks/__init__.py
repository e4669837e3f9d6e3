"""Benchmarks: `python -m benchmarks` (make bench) measures both sides in one run and prints ratios."""
