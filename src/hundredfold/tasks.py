"""Waiting for work that must not be left half done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_the_end(
    work: Coroutine[Any, Any, T] | asyncio.Future[T], interrupt: Callable[[], object] | None = None
) -> T:
    """Await `work` to its end even if cancelled, and only then be cancelled. Its parts must be bounded.

    `interrupt` is called on cancellation and may end `work` early.
    """
    future = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
            if interrupt is not None:
                interrupt()
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # seen; the cancellation goes first
        raise cancelled
    return future.result()
