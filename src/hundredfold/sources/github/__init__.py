"""GitHub as a source: its answers and webhooks as rows of the mirror, read within its limits."""
