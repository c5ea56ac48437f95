"""What a run applies without a person: only what [[publish.policy]] allows, in its rules' names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import Struct, to_builtins

from hundredfold.errors import HundredfoldError

if TYPE_CHECKING:
    from hundredfold.cli.context import Context


class Applied(Struct, frozen=True):
    """What became of one proposal: `rule` is the rule that approved it, "" if a person had before; `result`
    and `detail` as in `proposals.publisher.Published`."""

    proposal: str
    rule: str
    result: str
    detail: str


class ByPolicy:
    """Applies what the rules of a project allow, each time it is awaited; without rules it does nothing.

    What can't be published now (no credential, another publisher at work) ends no run: `why_not` says it, and
    the next call tries again.
    """

    def __init__(self, context: Context) -> None:
        from hundredfold.config import policy_rules

        self._context = context
        self._rules = policy_rules(context.settings, context.place.root)
        self.applied: list[Applied] = []
        self.why_not = ""

    async def __call__(self) -> None:
        """See the class."""
        if self._rules:
            await asyncio.to_thread(self._apply)

    def report(self) -> dict[str, Any]:
        """What was applied, as JSON."""
        return {"by_policy": {"published": to_builtins(self.applied), "why_not": self.why_not or None}}

    def print(self) -> None:
        """What was applied, in words, on stdout; nothing where no rule allowed anything."""
        from hundredfold.cli.output import console
        from hundredfold.proposals.sanitise import for_terminal

        out = console()
        if self.applied:
            out.print("\nPublished without a person, by [[publish.policy]] (hundredfold undo takes it back):")
        for one in self.applied:
            who = f"by policy {one.rule}" if one.rule else "approved before"
            out.print(f"  {one.proposal}  {who}  {one.result}: {for_terminal(one.detail)}", soft_wrap=True)
        if self.why_not:
            told = for_terminal(self.why_not)
            out.print(f"\nWhat [[publish.policy]] allows was not published: {told}", soft_wrap=True)

    def _apply(self) -> None:
        from hundredfold.cli.forge import publisher
        from hundredfold.proposals.pages import refresh
        from hundredfold.proposals.policy import chosen, decide_by_rules

        context = self._context
        database, slug = context.database, context.place.slug
        self.why_not = ""
        rule_of = {row.proposal.id: rule.name for row, rule, _ in chosen(database, slug, self._rules)}
        if not rule_of:
            return
        try:
            with publisher(context, context.person) as made:  # before a decision: is the credential there?
                decide_by_rules(database, slug, self._rules)
                published = made.publish()
        except HundredfoldError as error:
            self.why_not = error.whole
            return
        self.applied += [
            Applied(one.proposal, rule_of.get(one.proposal, ""), one.result, one.detail) for one in published
        ]
        refresh(database, slug, context.place.state)
