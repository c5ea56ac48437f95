"""Hundredfold runs a fleet of coding agents on a software project and knows what every outcome cost."""

__version__ = "0.1.0"
