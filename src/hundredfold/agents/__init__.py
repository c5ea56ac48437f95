"""Backends that run an agent on one order: the real programs (Codex, …) and our own native loop."""
