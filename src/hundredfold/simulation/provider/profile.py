"""Profiles: how a simulated provider behaves, as TOML files. Unknown keys are refused.

Probabilities are per request (`[faults]`) or per final answer (`[answers]`), between 0 and 1; at most one of
each group strikes, so a group may not add up to more than 1. Times are milliseconds unless named otherwise.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct, field

from hundredfold.errors import ConfigError

SHIPPED = Path(__file__).parent.parent / "profiles"


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table of a profile."""


class Mind(Table, frozen=True):
    """[mind]: how the simulated agent works."""

    #: tool rounds before the final answer: a number in this closed range, drawn per conversation
    rounds: tuple[int, int] = (1, 2)
    #: whether it writes one new file with `apply_patch`, where that tool is offered
    patch: bool = False
    #: share of claims in its answers that name a real path, real lines and a verbatim quote
    p_true: float = 0.7
    #: share of answers that say they finished
    p_finished: float = 0.97
    #: share of the looks at weak code that find something
    p_found: float = 0.65


class Latency(Table, frozen=True):
    """[latency]: how long an answer takes."""

    first_byte_ms: float = 5.0
    #: output tokens per second, hidden reasoning included; 0 = at once
    tokens_per_second: float = 0.0
    #: times of the tiers `fast` and `flex` relative to the default tier
    fast_factor: float = 0.4
    flex_factor: float = 3.0
    #: a stream is written in at most this many bursts, so that pacing stays cheap
    bursts: int = 4


class Faults(Table, frozen=True):
    """[faults]: probability per request that …"""

    #: it is throttled: 429 with retry-after
    throttled: float = 0.0
    #: the quota is used up: 429 insufficient_quota
    quota: float = 0.0
    #: it fails with 500, 502 or 503
    server_error: float = 0.0
    #: the stream ends at once with `server_is_overloaded`
    overloaded: float = 0.0
    #: the connection is dropped mid-stream, after tokens were billed
    cut: float = 0.0
    #: nothing is ever answered
    hang: float = 0.0
    #: the stream falls silent midway, after tokens were billed
    hang_midway: float = 0.0
    #: `context_length_exceeded`
    context: float = 0.0
    #: it is served at another tier than asked for
    wrong_tier: float = 0.0
    #: it is served without saying what it used
    no_usage: float = 0.0


class Answers(Table, frozen=True):
    """[answers]: probability per final answer that …"""

    #: it is not JSON
    malformed: float = 0.0
    #: it is JSON that breaks the schema
    schema_break: float = 0.0
    #: the model declines in a `refusal` part (which Codex drops: its turn ends without a message)
    refusal: float = 0.0
    #: the model declines in plain words
    declined: float = 0.0


class Rate(Table, frozen=True):
    """[rate]: what one minute may hold, over all callers; more is answered with 429. 0 = no limit."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0


class Tiers(Table, frozen=True):
    """[tiers]"""

    #: whether `priority` is granted; otherwise the default tier serves it
    fast: bool = True
    #: whether `flex` is granted
    flex: bool = True
    #: whether answers name the tier that served them
    named: bool = True


class Profile(Table, frozen=True):
    """A whole file."""

    mind: Mind = field(default_factory=Mind)
    latency: Latency = field(default_factory=Latency)
    faults: Faults = field(default_factory=Faults)
    answers: Answers = field(default_factory=Answers)
    rate: Rate = field(default_factory=Rate)
    tiers: Tiers = field(default_factory=Tiers)
    #: what the answer calls a model, by the name it was asked for; others keep their name
    served_models: dict[str, str] = field(default_factory=dict)
    #: whether usage names cache writes
    cache_writes: bool = False
    #: seconds that a throttled caller is told to wait
    retry_after_s: float = 0.2
    #: longest a hanging request is held before its connection is dropped
    hang_s: float = 3600.0


def load_profile(name_or_file: str) -> Profile:
    """The shipped profile of that name ("calm", "faulty", "slow", "flood"), or the TOML file at that path.

    Raises:
        ConfigError: there is no such profile, or the file is not a profile; names the key.
    """
    path = SHIPPED / f"{name_or_file}.toml"
    if not path.is_file():
        path = Path(name_or_file)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise ConfigError(f"there is no profile {name_or_file!r}", f"Name a TOML file, or one of: {known}.")
    try:
        profile = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Profile)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path} is not a profile: {error}", "Mend the key it names.") from error
    _check(profile, path)
    return profile


def _check(profile: Profile, path: Path) -> None:
    for name, table in (("faults", profile.faults), ("answers", profile.answers)):
        values = {key: float(value) for key, value in msgspec.structs.asdict(table).items()}
        for key, value in values.items():
            if not 0 <= value <= 1:
                raise ConfigError(f"{path}: [{name}] {key} is {value}", "It must be between 0 and 1.")
        if sum(values.values()) > 1 + 1e-9:
            raise ConfigError(f"{path}: [{name}] adds up to more than 1", "Lower its probabilities.")
    low, high = profile.mind.rounds
    if not 0 <= low <= high <= 50:
        raise ConfigError(f"{path}: [mind] rounds is {low} to {high}", "It must rise, between 0 and 50.")
    for key in ("p_true", "p_finished", "p_found"):
        if not 0 <= getattr(profile.mind, key) <= 1:
            value = getattr(profile.mind, key)
            raise ConfigError(f"{path}: [mind] {key} is {value}", "It must be between 0 and 1.")
    if profile.latency.bursts < 1:
        raise ConfigError(f"{path}: [latency] bursts is {profile.latency.bursts}", "It must be 1 or more.")
    for name, number in (
        ("latency.first_byte_ms", profile.latency.first_byte_ms),
        ("latency.tokens_per_second", profile.latency.tokens_per_second),
        ("latency.fast_factor", profile.latency.fast_factor),
        ("latency.flex_factor", profile.latency.flex_factor),
        ("rate.requests_per_minute", profile.rate.requests_per_minute),
        ("rate.tokens_per_minute", profile.rate.tokens_per_minute),
        ("retry_after_s", profile.retry_after_s),
        ("hang_s", profile.hang_s),
    ):
        if number < 0:
            raise ConfigError(f"{path}: {name} is {number}", "It must not be negative.")
