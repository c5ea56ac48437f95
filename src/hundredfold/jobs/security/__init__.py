"""The job `security`: every commit's changed functions, looked at by code, then by agents, then refuted."""

from hundredfold.jobs.security.job import SecurityJob

__all__ = ["SecurityJob"]
