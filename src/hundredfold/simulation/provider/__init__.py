"""The simulated provider: OpenAI's Responses API on loopback, seeded, with faults and an exact log."""
