"""Benchmark results, one module a format; `reading.py` tells which it is."""
