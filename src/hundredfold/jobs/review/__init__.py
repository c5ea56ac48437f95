"""The job `review`: a branch or pull request against its base, read by several agents; votes decide."""

from hundredfold.jobs.review.job import ReviewJob

__all__ = ["ReviewJob"]
