"""`hundredfold why ID`: the chain from source to decision behind any id."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hundredfold.cli.context import Where
from hundredfold.cli.output import console, print_json
from hundredfold.config import price_files

if TYPE_CHECKING:
    from rich.tree import Tree

    from hundredfold.prices.book import PriceBook
    from hundredfold.proposals.link import Node
    from hundredfold.proposals.why import CostOf
    from hundredfold.store.database import Database


def why(id_: str, /, *, json: bool = False, where: Where = Where()) -> int:  # noqa: B008
    """Print the chain from source to decision behind an id.

    Parameters
    ----------
    id_
        Of an item, attempt, finding, proposal, action, decision, outcome or run (its beginning is enough),
        or a request's number or response id.
    json
        Print JSON.
    """
    from hundredfold.prices.book import load_book
    from hundredfold.proposals.why import chain, resolved

    context = where.open()
    book = load_book(price_files(context.settings, context.place.root))
    node = chain(context.database, resolved(context.database, id_), costs(context.database, book))
    if json:
        print_json(node)
    elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        console().print(_tree(node))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in plain(node)))
    return 0


def costs(database: Database, book: PriceBook) -> CostOf:
    """What attempts cost by the ledger, at list price: requests, tokens and money as facts to show."""
    from hundredfold.usage.spend import cost_of
    from hundredfold.usage.wording import cost_facts

    def of(wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
        return cost_facts(cost_of(database, book, wanted))

    return of


def plain(node: Node, depth: int = 0) -> Iterator[str]:
    """The chain as indented lines."""
    pad = "  " * depth
    yield f"{pad}{_head(node)}"
    for name, value in node.facts.items():
        yield f"{pad}    {name}: {value}"
    for child in node.children:
        yield from plain(child, depth + 1)


def _head(node: Node) -> str:
    return " ".join(filter(None, (node.kind, node.id, node.title, "← asked" if node.asked else "")))


def _tree(node: Node, above: Tree | None = None) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    label = Text(_head(node), style="bold" if node.asked else "")
    for name, value in node.facts.items():
        label.append(f"\n{name}: ", style="dim")
        label.append(str(value), style="")
    tree = Tree(label) if above is None else above.add(label)
    for child in node.children:
        _tree(child, tree)
    return tree
