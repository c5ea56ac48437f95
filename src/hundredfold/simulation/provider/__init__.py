"""The simulated provider on loopback: seeded, with faults and an exact log."""
