"""What OpenAI's two APIs have in common: how an error looks."""

from __future__ import annotations

import msgspec

from hundredfold.simulation.provider.apis.protocol import Refusal


def refused(refusal: Refusal) -> tuple[int, bytes]:
    """HTTP status and body of an error."""
    error = {"message": refusal.message, "type": refusal.type, "param": None, "code": refusal.code}
    return refusal.status, msgspec.json.encode({"error": error})
