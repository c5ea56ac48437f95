"""Deterministic methods, pure: no I/O at call time, no clock."""
