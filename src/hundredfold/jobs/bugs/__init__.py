"""The job `bugs`: failing runs → what failed → flaky or real → a report → reproduced twice, or not filed."""

from hundredfold.jobs.bugs.job import BugsJob

__all__ = ["BugsJob"]
