"""Logs of coding agents with a ground truth: seeded, of any size, with every case that trackers get wrong.

The truth is kept beside the lines as they are written (`truth.py`), never read back from them. The logs are
mostly command output and a few enormous lines, as real ones are.
"""
