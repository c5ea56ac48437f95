"""The job `benchmarks`: series of measurements → steps for the worse → bisected → explained → told."""

from hundredfold.jobs.benchmarks.job import BenchmarksJob

__all__ = ["BenchmarksJob"]
