"""The forge that the settings name, and a publisher of it: the one place where a forge's credential is
read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hundredfold.cli.context import Context

if TYPE_CHECKING:
    from hundredfold.forges.github.forge import GitHubForge
    from hundredfold.forges.github.pulls import Built
    from hundredfold.forges.local import LocalForge
    from hundredfold.forges.protocol import Forge
    from hundredfold.payloads import Commit
    from hundredfold.proposals.publisher import Publisher


@contextmanager
def publisher(context: Context, person: str) -> Iterator[Publisher]:
    """A publisher to the project's forge; its connections are closed after the block.

    Raises:
        ConfigError: `person` is no name, or the credential is not there.
    """
    from hundredfold.proposals.publisher import Publisher, limits_of

    limits = limits_of(context.settings.publish)
    forge = _forge(context, person)
    try:
        told = _with_notices(context, forge)
        yield Publisher(context.database, context.place.slug, told, by=person, limits=limits)
    finally:
        forge.close()


def _with_notices(context: Context, forge: Forge) -> Forge:
    """The forge, and the project's chat if there is one."""
    from hundredfold.notices.forge import WithNotices
    from hundredfold.notices.session import webhook_url

    if not webhook_url(context.settings.notices):
        return forge
    return WithNotices(forge, context.database, context.place.slug, context.repository)


def _forge(context: Context, person: str) -> LocalForge | GitHubForge:
    settings = context.settings.forge
    if settings.kind == "local":
        from hundredfold.forges.local import LocalForge

        return LocalForge(context.place.state / "forge", context.repository, by=person)
    from hundredfold.forges.github.access import client_of
    from hundredfold.forges.github.forge import GitHubForge

    def build(base: str, commits: Sequence[Commit], author: tuple[str, str], at_s: int) -> list[Built]:
        from hundredfold.proposals.patches import commits_of

        return commits_of(context.repository, base, commits, author, at_s)

    client = client_of(settings)  # before anything is decided: a missing credential is told first
    return GitHubForge(lambda: client, settings.repository, context.repository, build)
