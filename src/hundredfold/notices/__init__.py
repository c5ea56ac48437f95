"""Telling people by chat: an outbox that loses nothing, and Discord's webhooks, within their limits."""
