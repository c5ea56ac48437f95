"""Limits on money, and reservations against them."""
