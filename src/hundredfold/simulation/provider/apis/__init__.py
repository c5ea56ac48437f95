"""The APIs that the simulated provider speaks, one module each."""
