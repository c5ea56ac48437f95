"""What there is to review: branches that are ahead of their base, or a range, or open pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.errors import RepositoryError

if TYPE_CHECKING:
    from hundredfold.jobs.protocol import Mirrored
    from hundredfold.settings import JobSettings
    from hundredfold.sources.git import Repository

DEFAULT_BASES = (
    "refs/remotes/origin/HEAD",
    "refs/heads/main",
    "refs/heads/master",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
)


class Head(Struct, frozen=True):
    """A line of work and what it is compared with.

    `key` names it across its revisions; `branch` is "" if no local branch is meant. `against` is the base's
    newest commit, `base` the one that both have in common ("" while a pull request's head is not here).
    `pull` is the number of a pull request, 0 if it is none; `untrusted` if its head is a stranger's.
    """

    key: str
    branch: str
    sha: str
    against: str
    base: str
    pull: int = 0
    title: str = ""
    untrusted: bool = False


def heads(repository: Repository, settings: JobSettings) -> list[Head]:
    """The heads to review, in the configured order; those that add nothing to their base are left out.

    Raises:
        RepositoryError: a branch is not there, there is no base, or nothing in common with it.
    """
    found = [_head(repository, key, wanted, base) for key, wanted, base in _wanted(repository, settings)]
    return [head for head in found if head.base != head.sha]


def none_ahead(repository: Repository, settings: JobSettings) -> str:
    """In a sentence that `heads` finds none, of all that it looked at.

    Raises:
        RepositoryError: as there.
    """
    looked = [
        f"{key} adds nothing to {base.removeprefix('refs/remotes/')}"
        for key, _, base in _wanted(repository, settings)
    ]
    return f"{'; '.join(looked)}."


def pull_heads(repository: Repository, settings: JobSettings, project: str, mirrored: Mirrored) -> list[Head]:
    """The open pull requests of the forge's mirror that the settings ask for, newest change first.

    One whose head is not here (it could not be fetched) is among them, with no base. A head is untrusted
    unless it is a branch of the very repository that is configured.
    """
    from hundredfold.sources.heads import bases, choose
    from hundredfold.store import mirror

    tips = bases(mirrored.database, project, mirrored.repository)
    found = []
    for one in choose(mirrored.database, project, settings.pulls).pulls:
        tip = tips.get(one.base_ref, "")
        against = tip if tip and repository.has(tip) else one.base_sha
        base = (repository.merge_base(against, one.head_sha) or "") if repository.has(one.head_sha) else ""
        if base == one.head_sha:
            continue
        known = mirror.issue(mirrored.database, project, one.number)
        found.append(
            Head(
                key=f"#{one.number}",
                branch=one.head_ref if base else "",
                sha=one.head_sha,
                against=against,
                base=base,
                pull=one.number,
                title=known.title if known else "",
                untrusted=one.head_repository.lower() != mirrored.repository.lower(),
            )
        )
    return found


def _wanted(repository: Repository, settings: JobSettings) -> list[tuple[str, str, str]]:
    """(key, head, base) as names."""
    if settings.range:
        base, _, head = settings.range.partition("..")
        head = head.removeprefix(".") or "HEAD"
        return [(settings.range, head, base or "HEAD")]
    base = settings.base or _default_base(repository)
    names = settings.branches or (repository.branch() or "HEAD",)
    return [(name, name, base) for name in dict.fromkeys(names)]


def _head(repository: Repository, key: str, wanted: str, base: str) -> Head:
    branch = repository.branch() if wanted == "HEAD" else wanted
    local = _resolved(repository, f"refs/heads/{branch}") if branch else None
    sha = local or repository.resolve(wanted)
    against = repository.resolve(base)
    common = repository.merge_base(against, sha)
    if common is None:
        raise RepositoryError(
            f"{wanted!r} has no commit in common with {base!r} here",
            "Set base under [job.review], or `git fetch --unshallow` if the clone is shallow.",
        )
    return Head(key, branch if local else "", sha, against, common)


def _default_base(repository: Repository) -> str:
    for name in DEFAULT_BASES:
        if _resolved(repository, name):
            return name
    raise RepositoryError(
        "there is no main or master to review a branch against",
        'Name the branch under [job.review], e.g. base = "develop".',
    )


def _resolved(repository: Repository, name: str) -> str | None:
    try:
        return repository.resolve(name)
    except RepositoryError:
        return None
