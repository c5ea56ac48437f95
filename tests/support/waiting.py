"""Waiting for what a test needs to be true, however slow the machine is just now.

A wait ends as soon as the condition holds, so its bound costs nothing where all is well: it is there for what
will never come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE_S = 180.0

T = TypeVar("T")


def until(condition: Callable[[], T], what: str = "it") -> T:
    """What the condition comes to, once that is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come within {PATIENCE_S:.0f} s"
        time.sleep(0.05)
    return found


async def comes(condition: Callable[[], T], what: str = "it") -> T:
    """As `until`, while everything else goes on."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come within {PATIENCE_S:.0f} s"
        await asyncio.sleep(0.02)
    return found


async def arrives(condition: Callable[[], Awaitable[T]], what: str = "it") -> T:
    """As `comes`, for a condition that has to be asked for."""
    end = time.monotonic() + PATIENCE_S
    while not (found := await condition()):
        assert time.monotonic() < end, f"{what} did not come within {PATIENCE_S:.0f} s"
        await asyncio.sleep(0.05)
    return found
