"""What a request may cost before it is sent, and what it did cost, in picodollars.

Before: its input is taken as a third of its bytes in tokens (English and code run to four bytes a token),
uncached; its output as the cap it names, but no more than the configured reserve. What a request costs beyond
that (an output longer than the reserve, an input denser than that) is what a limit may be passed by.

The worst case, kept for a request whose end is never seen: every byte of input a token, and all of the
model's context if the request refers to what the provider keeps; the output cap it names, else the model's,
for each of the answers it asks for; all of it as often as the provider may run the model for it.
"""

from __future__ import annotations

from hundredfold.gateway.dialects.protocol import Prepared, Reading
from hundredfold.prices.book import PriceBook, Unpriced
from hundredfold.vocabulary import RequestStatus, Tier, Usage

BYTES_PER_TOKEN = 3
#: tokens a provider may add around the text of a request
FRAMING_TOKENS = 2048


def expected_usage(prepared: Prepared, input_bytes: int, reserve_output: int) -> Usage:
    """What is reserved against the limits."""
    cap = prepared.output_cap
    output = reserve_output if cap is None else min(max(cap, 0), reserve_output)
    return Usage(input=-(-input_bytes // BYTES_PER_TOKEN), output=output * prepared.answers)


def worst_usage(book: PriceBook, prices: str, prepared: Prepared, input_bytes: int) -> Usage:
    """The most the request may use."""
    most = book.limits(prices, prepared.model)
    size = input_bytes + FRAMING_TOKENS
    cap = prepared.output_cap
    each = most.max_output_tokens if cap is None else max(cap, 0)
    return Usage(
        input=(max(size, most.context_tokens) if prepared.opaque else size) * prepared.samplings,
        output=each * prepared.answers * prepared.samplings,
    )


def cost(
    book: PriceBook, prices: str, model: str, tier: Tier, usage: Usage, status: RequestStatus, at_us: int
) -> int:
    """What a request counts against the limits: its price, or the worst case where that is not known."""
    if status in ("error", "refused"):
        return 0
    if status == "settled":
        priced = book.cost(prices=prices, model=model, tier=tier, usage=usage, at_us=at_us)
        if not isinstance(priced, Unpriced):
            return priced.picodollars
    return book.worst_case(prices=prices, model=model, tier=tier, usage=usage, at_us=at_us)


def status_of(http_status: int, reading: Reading) -> RequestStatus:
    """How a forwarded request ended, by its answer.

    An answer that succeeded without saying what it used is an interval like a cut one, and so is a failure
    after output was seen.
    """
    if not 200 <= http_status < 300:
        return "error"
    if reading.usage is not None:
        return "settled"
    if reading.complete and reading.failure and not reading.began:
        return "error"
    return "cut"
