"""Where proposals are applied: the local forge (files) and, behind the same protocol, hosted ones."""
