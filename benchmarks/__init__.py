"""Slow and large checks, each with a command of its own; the figures are in docs/benchmarks.md."""
