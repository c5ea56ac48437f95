"""Durable dispatch: what is queued, who works on it, how it is tried again, and how a run ends."""
