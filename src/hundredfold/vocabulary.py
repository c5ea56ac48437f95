"""The frozen records that flow through the system, in the words of the design.

Every record is immutable and knows no I/O. Times are UTC microseconds since the epoch (`at_us`); money is
integer picodollars (1 USD = 10**12); tokens are plain integers. `cached` and `cache_write` are subsets of
`input`, and `reasoning` is a subset of `output`: never add them to their whole.

Ids are derived from content (`identity`), so doing a thing twice finds what was done the first time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal

from msgspec import Struct

from hundredfold.payloads import Payload, type_of

PICODOLLARS_PER_DOLLAR = 10**12
#: begins the title of what no model answered, findings and proposals alike
SIMULATED = "SIMULATED: "

JobName = str  # "security", "review", … ; third parties add theirs by entry point
Tier = Literal["fast", "standard", "flex", "batch"]
Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")

IdKind = Literal["item", "attempt", "finding", "proposal", "action", "decision", "outcome", "run"]
ID_PREFIX: dict[IdKind, str] = {
    "item": "i",
    "attempt": "a",
    "finding": "f",
    "proposal": "p",
    "action": "x",
    "decision": "d",
    "outcome": "o",
    "run": "n",
}


def digest(*parts: str | bytes) -> str:
    """A 128-bit content digest of the parts, in order, as 32 hex digits. Parts are length-prefixed."""
    h = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        h.update(len(raw).to_bytes(8, "little"))
        h.update(raw)
    return h.hexdigest()


def identity(kind: IdKind, *parts: str | int) -> str:
    """The id of a record: its kind's letter, a dash, 12 hex digits of its content: `p-3f09c1d2a4b5`."""
    return f"{ID_PREFIX[kind]}-{digest(kind, *map(str, parts))[:12]}"


# ------------------------------------------------------------------ model calls


class Route(Struct, frozen=True):
    """Where an attempt runs: which agent program, on which provider's model, at which effort and tier."""

    backend: str
    provider: str
    model: str
    effort: str = ""
    tier: Tier = "standard"


class Usage(Struct, frozen=True, gc=False):
    """Tokens of one model request. `cached`, `cache_write` ⊂ `input`; `reasoning` ⊂ `output`;
    `cache_write_1h` ⊂ `cache_write`: what is kept for an hour, the rest for minutes."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cache_write_1h: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.cache_write_1h + other.cache_write_1h,
        )


RequestStatus = Literal["settled", "cut", "error", "refused", "unsettled"]
"""settled: usage read from the answer · cut: the stream ended early, usage is an interval · error: the
provider answered with an error, nothing was used · refused: a limit refused it, nothing was sent ·
unsettled: the gateway died with it in flight, usage is an interval."""


# ------------------------------------------------------------------ items and attempts


class Item(Struct, frozen=True):
    """One thing a job looks at. `digest` = content + prompt + schema + job policy; unchanged is not redone.

    `key` names the thing for people and across revisions (a commit's sha, an issue's number); `payload` is
    what the job needs to find it again, small and JSON-able. Lower `priority` goes first.
    """

    id: str
    project: str
    job: JobName
    key: str
    digest: str
    title: str
    revision: str
    priority: int = 100
    payload: dict[str, Any] = {}


class AgentTask(Struct, frozen=True):
    """What one agent is asked: a prompt, the JSON schema of its answer and the tree it may look at.

    `label` names the kind of question within the job ("investigate", "refute"). `passes` > 1 asks several
    agents the same. Expected tokens serve plans and reservations only. `untrusted`: the tree holds a
    stranger's work, so no agent that was lent a login may look at it.
    """

    label: str
    prompt: str
    schema: dict[str, Any]
    revision: str
    writable: bool = False
    passes: int = 1
    effort: str = ""
    deadline_s: float = 1800.0
    expected: Usage = Usage()
    untrusted: bool = False


AnswerStatus = Literal["ok", "refused", "schema", "limit", "failed", "timeout", "cancelled"]
"""ok: `value` obeys the schema · refused: the model declined · schema: it answered, but not by the schema ·
limit: a budget stopped it · failed, timeout, cancelled: it did not finish."""


class Answer(Struct, frozen=True):
    """What came back for one pass of an `AgentTask`. `value` is set if and only if `status` is "ok"."""

    attempt: str
    label: str
    status: AnswerStatus
    value: dict[str, Any] | None = None
    error: str = ""


class Command(Struct, frozen=True):
    """A command to run in a sandboxed workspace at `revision`. `argv[0]` is looked up inside the sandbox."""

    argv: tuple[str, ...]
    revision: str
    timeout_s: float = 300.0


class CommandResult(Struct, frozen=True):
    """How a command ended. Output is cut in the middle beyond the sandbox's limit and says so."""

    argv: tuple[str, ...]
    exit_code: int | None
    output: str
    timed_out: bool = False
    seconds: float = 0.0


# ------------------------------------------------------------------ evidence, findings, proposals


class Evidence(Struct, frozen=True):
    """A place that shows something. Every field given was checked by code against the tree at `revision`.

    Lines are 1-based and inclusive. `quote` is verbatim text of those lines.
    """

    path: str
    revision: str
    start_line: int
    end_line: int
    quote: str
    note: str = ""


class Finding(Struct, frozen=True):
    """A typed observation with checked evidence. `fingerprint` holds no line numbers: it survives edits."""

    id: str
    fingerprint: str
    project: str
    job: JobName
    item: str
    rule: str
    title: str
    severity: Severity
    confidence: float
    description: str
    recommendation: str
    evidence: tuple[Evidence, ...]
    attempts: tuple[str, ...] = ()
    private: bool = False
    extra: dict[str, Any] = {}


CoverageState = Literal["investigated", "screened", "not_looked_at"]
"""investigated: an agent looked and answered · screened: deterministic checks alone found nothing to ask ·
not_looked_at: nobody did, and `reason` says why. Only the first two may ever be shown as looked at."""


class Coverage(Struct, frozen=True):
    """How far one unit (a changed function, a file) of an item was looked at, and why no further."""

    path: str
    unit: str
    state: CoverageState
    reason: str = ""


class Proposal(Struct, frozen=True):
    """A typed change to the outside world, waiting for a decision.

    `type` is one of `payloads.TYPES`, and `payload` the record of that type: what would be done, and to what.
    A proposal without one can be applied on this machine only. `preconditions` must still hold when it is
    applied (`forges.preconditions` lists the kinds). `review_minutes` is what a person is expected to need.
    """

    id: str
    project: str
    job: JobName
    item: str
    type: str
    title: str
    body: str
    findings: tuple[str, ...] = ()
    preconditions: dict[str, str] = {}
    private: bool = False
    review_minutes: float = 2.0
    payload: Payload | None = None

    def __post_init__(self) -> None:
        if self.payload is not None and type_of(self.payload) != self.type:
            raise ValueError(f"a proposal of type {self.type!r} has a payload of {type_of(self.payload)!r}")


ProposalState = Literal["open", "approved", "rejected", "applied", "undone", "stale", "failed"]


class Decision(Struct, frozen=True):
    """Approve or reject, by a named person (`seconds` they had it open, if known) or a written policy."""

    proposal: str
    verdict: Literal["approve", "reject"]
    by: str
    reason: str = ""
    at_us: int = 0
    seconds: float | None = None


class Receipt(Struct, frozen=True):
    """What a forge did for a proposal: where it is now, and what is needed to undo it."""

    location: str
    undo: dict[str, Any] = {}


# ------------------------------------------------------------------ steps of a job


class Ask(Struct, frozen=True, tag="ask"):
    """Ask agents. The next round gets one `Answer` per task and pass, in order."""

    tasks: tuple[AgentTask, ...]


class Check(Struct, frozen=True, tag="check"):
    """Run commands in a sandboxed workspace. The next round gets one `CommandResult` per command."""

    commands: tuple[Command, ...]


class Done(Struct, frozen=True, tag="done"):
    """The item is worked out: verified findings, proposals, coverage, and what was dropped and why.

    `complete` is False if something could not be finished: the item is then shown as incomplete, never
    as clean, and is looked at again by the next run. `dropped` counts claims that did not check out, by
    reason.
    """

    findings: tuple[Finding, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    dropped: dict[str, int] = {}
    complete: bool = True
    note: str = ""


class Skip(Struct, frozen=True, tag="skip"):
    """Nothing to do for this item, with the reason (shown to the user) and what was looked at."""

    reason: str
    coverage: tuple[Coverage, ...] = ()


Step = Ask | Check | Done | Skip


class Round(Struct, frozen=True):
    """One finished round of an item: what was asked or checked, and what came back."""

    step: Ask | Check
    answers: tuple[Answer, ...] = ()
    results: tuple[CommandResult, ...] = ()


# ------------------------------------------------------------------ limits


class Limit(Struct, frozen=True):
    """A hard limit on money. `scope` is what is added up ("attempt:a-…", "project:…", "job:…/security",
    "payer:…"), `window` over which time (UTC days and months), `picodollars` where it stops."""

    scope: str
    window: Literal["day", "month", "ever"]
    picodollars: int

    def period_start_us(self, at_us: int) -> int:
        """When the UTC day or month that holds `at_us` began, in microseconds; 0 for "ever"."""
        if self.window == "ever":
            return 0
        moment = datetime.fromtimestamp(at_us / 1_000_000, UTC)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        start = midnight if self.window == "day" else midnight.replace(day=1)
        return int(start.timestamp()) * 1_000_000


# ------------------------------------------------------------------ the machine


class Diagnosis(Struct, frozen=True):
    """One line of `doctor`: what was looked for, what was found, and how to get it if it is missing."""

    name: str
    ok: bool
    found: str
    mend: str = ""
    needed: bool = True
