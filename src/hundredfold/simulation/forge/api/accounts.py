"""Who calls and what they may: users, Apps and their installation tokens, rate limits, search."""

from __future__ import annotations

import re
import secrets

from hundredfold.simulation.forge.api.call import Call, Refused, Reply, invalid, operation, present
from hundredfold.simulation.forge.api.issues import ordered
from hundredfold.simulation.forge.bodies.issues import search_item
from hundredfold.simulation.forge.bodies.people import app, installation, repository, stamp, user
from hundredfold.simulation.forge.hub import Repo
from hundredfold.simulation.forge.limits import Window
from hundredfold.simulation.forge.records import Actor, App, Issue

TOKEN_LIFE_S = 3600


@operation("GET", "/rate_limit")
def rate_limit(call: Call) -> Reply:
    """What is left of the limits; costs nothing."""
    token = call.actor.token if call.actor else ""
    now = call.hub.clock()

    def shown(window: Window) -> dict[str, int]:
        return {
            "limit": window.limit,
            "used": window.used,
            "remaining": window.left,
            "reset": int(window.resets),
        }

    core = shown(call.hub.meter.window(token, "core", now))
    search = shown(call.hub.meter.window(token, "search", now))
    return Reply(body={"resources": {"core": core, "search": search}, "rate": core})


@operation("GET", "/user")
def me(call: Call) -> Reply:
    """The person whose token this is."""
    call.require("metadata", "read")
    if call.actor is not None and call.actor.app is not None:
        raise Refused(403, "Resource not accessible by integration")
    return Reply(
        body={
            **user(call.hub, call.me),
            "user_view_type": "public",
            "name": call.me,
            "company": None,
            "blog": None,
            "location": None,
            "email": None,
            "hireable": None,
            "bio": None,
            "public_repos": len(call.hub.repos),
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": stamp(0),
            "updated_at": stamp(0),
        }
    )


# ------------------------------------------------------------------ Apps


def _app(call: Call) -> App:
    """The App whose JSON Web Token this is."""
    if call.actor is None or not call.actor.token.startswith("app:"):
        raise Refused(401, "A JSON web token could not be decoded")
    return call.hub.apps[int(call.actor.token.removeprefix("app:"))]


@operation("GET", "/app")
def app_self(call: Call) -> Reply:
    """The App itself."""
    return Reply(body=app(call.hub, _app(call)))


@operation("GET", "/app/installations")
def installations(call: Call) -> Reply:
    """Where the App is installed."""
    mine = _app(call)
    found = [one for one in call.hub.installations.values() if one.app == mine.id]
    return call.page(found, lambda one: installation(call.hub, one))


@operation("GET", "/repos/{owner}/{repo}/installation")
def repo_installation(call: Call) -> Reply:
    """The App's installation that covers a repository."""
    mine = _app(call)
    found = (
        one
        for one in call.hub.installations.values()
        if one.app == mine.id and one.account == call.params["owner"]
    )
    return Reply(body=installation(call.hub, present(next(found, None))))


@operation("POST", "/app/installations/{installation_id}/access_tokens")
def token_made(call: Call) -> Reply:
    """A token of an installation, for an hour, with some or all of the App's permissions."""
    mine = _app(call)
    found = present(call.hub.installations.get(call.number("installation_id")))
    if found.app != mine.id:
        raise Refused(404, "Not Found")
    wanted = call.body.get("permissions") or mine.permissions
    for topic, access in wanted.items():
        has = mine.permissions.get(topic)
        if has is None or (access == "write" and has != "write"):
            raise Refused(422, "The permissions requested are not granted to this installation.")
    expires = call.hub.clock() + TOKEN_LIFE_S
    token = f"ghs_{secrets.token_hex(18)}"
    call.hub.tokens[token] = Actor(f"{mine.slug}[bot]", token, dict(wanted), mine.id, expires)
    return Reply(
        201,
        {
            "token": token,
            "expires_at": stamp(expires),
            "permissions": dict(wanted),
            "repository_selection": "all",
        },
    )


@operation("GET", "/installation/repositories")
def installation_repositories(call: Call) -> Reply:
    """What an installation's token may see."""
    call.require("metadata", "read")
    if call.actor is None or call.actor.app is None:
        raise Refused(403, "You must authenticate with an installation access token.")
    accounts = {one.account for one in call.hub.installations.values() if one.app == call.actor.app}
    found = [one for one in call.hub.repos.values() if one.owner in accounts]
    part, headers = call.cut(found)
    return Reply(
        headers=headers,
        body={
            "total_count": len(found),
            "repositories": [repository(call.hub, one) for one in part],
            "repository_selection": "all",
        },
    )


# ------------------------------------------------------------------ search

_QUALIFIER = re.compile(r'(-?)(\w+):("[^"]*"|\S+)')


@operation("GET", "/search/issues")
def search(call: Call) -> Reply:
    """Issues and pull requests by words and the qualifiers repo, is, state, label, author, in, head, base."""
    query = call.query.get("q", "")
    if not query.strip():
        raise invalid("q wasn't supplied", "q", "missing", "Search")
    qualifiers = [(sign == "-", name, value.strip('"')) for sign, name, value in _QUALIFIER.findall(query)]
    words = [word.lower() for word in re.findall(r'"[^"]+"|[^\s"]+', _QUALIFIER.sub(" ", query))]
    repos = [
        repo
        for repo in call.hub.repos.values()
        if all(
            (value.lower() == repo.full_name.lower()) != negated
            for negated, name, value in qualifiers
            if name == "repo"
        )
    ]
    found = [
        (repo, issue)
        for repo in repos
        for issue in ordered(list(repo.issues.values()), "created", "desc")
        if all(_holds(repo, issue, name, value) != negated for negated, name, value in qualifiers)
        and all(word.strip('"') in f"{issue.title} {issue.body or ''}".lower() for word in words)
    ]
    part, headers = call.cut(found[:1000])
    return Reply(
        headers=headers,
        body={
            "total_count": len(found),
            "incomplete_results": False,
            "search_type": "lexical",
            "items": [search_item(call.hub, repo, issue, 1.0) for repo, issue in part],
        },
    )


def _holds(repo: Repo, issue: Issue, name: str, value: str) -> bool:
    pull = issue.pull
    if name in ("is", "type", "state"):
        return {
            "issue": pull is None,
            "pr": pull is not None,
            "pull-request": pull is not None,
            "open": issue.state == "open",
            "closed": issue.state == "closed",
            "merged": pull is not None and pull.merged is not None,
            "locked": issue.locked,
            "public": not repo.private,
        }.get(value.lower(), False)
    if name == "label":
        return value.lower() in {one.lower() for one in issue.labels}
    if name == "author":
        return value.removeprefix("@") == issue.user
    if name == "head":
        return pull is not None and pull.head_ref == value
    if name == "base":
        return pull is not None and pull.base_ref == value
    return True  # repo was looked at, `in` widens nothing here
