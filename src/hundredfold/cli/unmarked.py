"""Providers on this machine that are our simulated one, though their table does not say so.

What is asked of them would stand in the bill as real money.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from hundredfold.settings import Settings

PATIENCE_S = 1.0
_MOST_BYTES = 1_000_000
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def unmarked(settings: Settings) -> dict[str, str]:
    """What to do about each, by the provider's name. Only addresses of this machine are asked."""
    return {
        name: f"Write simulated = true into [provider.{name}]: no model answers there, and nothing is billed."
        for name, provider in settings.provider.items()
        if not provider.simulated and _is_local(provider.base_url) and _says_so(provider.base_url)
    }


def _is_local(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _says_so(base_url: str) -> bool:
    """Whether its list of models (OpenAI's `GET /v1/models`) is the simulation's."""
    base = base_url.rstrip("/")
    address = f"{base}/models" if base.endswith("/v1") else f"{base}/v1/models"
    try:
        with _direct.open(address, timeout=PATIENCE_S) as answer:
            listed = json.loads(answer.read(_MOST_BYTES))["data"]
        return any(one.get("owned_by") == "simulated" for one in listed)
    except (OSError, http.client.HTTPException):
        return False
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False  # no list of models
