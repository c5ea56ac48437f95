"""Who calls: personal and installation tokens, and an App's JSON Web Token, checked by its public key."""

from __future__ import annotations

import base64
import binascii

from hundredfold.simulation.forge.api.call import Refused
from hundredfold.simulation.forge.hub import Hub
from hundredfold.simulation.forge.records import Actor

LONGEST_LIFE_S = 600
CLOCK_SLACK_S = 60


def actor_of(hub: Hub, header: str) -> Actor | None:
    """The actor of an Authorization header; None without one.

    Raises:
        Refused: the token is unknown, expired or no valid JSON Web Token of an App.
    """
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if not header:
        return None
    if scheme.lower() == "basic":
        try:
            token = base64.b64decode(token).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refused(401, "Bad credentials") from error
    elif scheme.lower() not in ("bearer", "token"):
        raise Refused(401, "Bad credentials")
    found = hub.tokens.get(token)
    if found is not None:
        if found.expires is not None and hub.clock() >= found.expires:
            raise Refused(401, "Bad credentials")
        return found
    if token.count(".") == 2:
        return _app_of(hub, token)
    raise Refused(401, "Bad credentials")


def _app_of(hub: Hub, token: str) -> Actor:
    import jwt

    try:
        issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
        app = hub.apps[int(issuer)]
        claims = jwt.decode(
            token, app.key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
        )
        issued, expires = float(claims["iat"]), float(claims["exp"])
    except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
        raise Refused(401, "A JSON web token could not be decoded") from error
    now = hub.clock()
    if now >= expires:
        raise Refused(
            401, "'Expiration time' claim ('exp') must be a numeric value representing the future time"
        )
    if expires - issued > LONGEST_LIFE_S + CLOCK_SLACK_S or expires > now + LONGEST_LIFE_S:
        raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
    if issued > now:
        raise Refused(401, "'Issued at' claim ('iat') must be an Integer representing the time")
    return Actor(f"{app.slug}[bot]", f"app:{app.id}", {})
