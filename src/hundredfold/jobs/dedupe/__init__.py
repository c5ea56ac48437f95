"""The job `dedupe`: issues that say the same, judged by an agent, and which of them stays"""

from hundredfold.jobs.dedupe.job import DedupeJob

__all__ = ["DedupeJob"]
