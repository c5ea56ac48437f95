"""Bodies of accounts, Apps and repositories, and what all bodies share: times, node ids, addresses."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import App, Installation

Body = dict[str, Any]


def stamp(at: int | float | None) -> str | None:
    """Seconds since the epoch as GitHub writes them; None stays None."""
    return None if at is None else datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int | str) -> str:
    """An opaque id that names the kind and the number."""
    return base64.b64encode(f"{len(kind):03}:{kind}{number}".encode()).decode()


def api(hub: Hub, path: str = "") -> str:
    """An address of the API."""
    return f"{hub.url}/api/v3{path}"


def repo_api(hub: Hub, repo: Repo, path: str = "") -> str:
    """An address of the API below a repository."""
    return f"{hub.url}/api/v3/repos/{repo.owner}/{repo.name}{path}"


def html(hub: Hub, repo: Repo, path: str = "") -> str:
    """A page of a repository."""
    return f"{hub.url}/{repo.owner}/{repo.name}{path}"


def user(hub: Hub, login: str) -> Body:
    """`simple-user`."""
    one = hub.user(login)
    base = api(hub, f"/users/{one.login}")
    return {
        "login": one.login,
        "id": one.id,
        "node_id": node_id("User", one.id),
        "avatar_url": f"{hub.url}/avatars/{one.id}",
        "gravatar_id": "",
        "url": base,
        "html_url": f"{hub.url}/{one.login}",
        "followers_url": f"{base}/followers",
        "following_url": f"{base}/following{{/other_user}}",
        "gists_url": f"{base}/gists{{/gist_id}}",
        "starred_url": f"{base}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{base}/subscriptions",
        "organizations_url": f"{base}/orgs",
        "repos_url": f"{base}/repos",
        "events_url": f"{base}/events{{/privacy}}",
        "received_events_url": f"{base}/received_events",
        "type": one.kind,
        "site_admin": False,
    }


def maybe_user(hub: Hub, login: str | None) -> Body | None:
    """`nullable-simple-user`."""
    return None if login is None else user(hub, login)


def app(hub: Hub, one: App) -> Body:
    """`integration`."""
    return {
        "id": one.id,
        "slug": one.slug,
        "node_id": node_id("App", one.id),
        "owner": user(hub, one.owner),
        "name": one.name,
        "description": "",
        "external_url": hub.url,
        "html_url": f"{hub.url}/apps/{one.slug}",
        "created_at": stamp(0),
        "updated_at": stamp(0),
        "permissions": dict(one.permissions),
        "events": [],
    }


def maybe_app(hub: Hub, number: int | None) -> Body | None:
    """`nullable-integration`."""
    return None if number is None else app(hub, hub.apps[number])


def installation(hub: Hub, one: Installation) -> Body:
    """`installation`."""
    owner = hub.apps[one.app]
    return {
        "id": one.id,
        "account": user(hub, one.account),
        "access_tokens_url": api(hub, f"/app/installations/{one.id}/access_tokens"),
        "repositories_url": api(hub, "/installation/repositories"),
        "html_url": f"{hub.url}/organizations/{one.account}/settings/installations/{one.id}",
        "app_id": owner.id,
        "app_slug": owner.slug,
        "client_id": f"Iv1.{owner.id}",
        "target_id": hub.user(one.account).id,
        "target_type": hub.user(one.account).kind,
        "permissions": dict(owner.permissions),
        "events": [],
        "single_file_name": None,
        "repository_selection": "all",
        "created_at": stamp(one.created),
        "updated_at": stamp(one.created),
        "suspended_by": None,
        "suspended_at": None,
    }


_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def minimal_repository(hub: Hub, repo: Repo) -> Body:
    """`minimal-repository`."""
    base = repo_api(hub, repo)
    return {
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
        "owner": user(hub, repo.owner),
        "html_url": html(hub, repo),
        "description": None,
        "fork": bool(repo.parent),
        "url": base,
        **{name: f"{base}{path}" for name, path in _LINKS.items()},
    }


def repository(hub: Hub, repo: Repo) -> Body:
    """`full-repository` (and `repository`)."""
    host = hub.url.removeprefix("http://")
    issues = len(repo.listing("open", lambda: [one for one in repo.issues.values() if one.state == "open"]))
    return {
        **minimal_repository(hub, repo),
        "clone_url": f"{html(hub, repo)}.git",
        "git_url": f"git://{host}/{repo.full_name}.git",
        "ssh_url": f"git@{host}:{repo.full_name}.git",
        "svn_url": html(hub, repo),
        "default_branch": repo.default_branch,
        "forks": 0,
        "forks_count": 0,
        "has_issues": True,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "has_downloads": False,
        "homepage": None,
        "language": None,
        "archived": False,
        "disabled": False,
        "mirror_url": None,
        "open_issues": issues,
        "open_issues_count": issues,
        "license": None,
        "pushed_at": stamp(repo.pushed),
        "size": 0,
        "stargazers_count": 0,
        "watchers": 0,
        "watchers_count": 0,
        "network_count": 0,
        "subscribers_count": 0,
        "created_at": stamp(repo.created),
        "updated_at": stamp(repo.pushed),
        "visibility": "private" if repo.private else "public",
        "allow_squash_merge": True,
        "allow_merge_commit": True,
        "allow_rebase_merge": True,
        "permissions": {"admin": False, "push": True, "pull": True},
    }
