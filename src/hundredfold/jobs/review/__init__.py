"""The job `review`: a branch against its base, read by several agents; what enough of them say is told."""

from hundredfold.jobs.review.job import ReviewJob

__all__ = ["ReviewJob"]
