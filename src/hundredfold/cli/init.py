"""`hundredfold init`: look at the repository, write hundredfold.toml, say what is missing."""

from __future__ import annotations

from pathlib import Path

from hundredfold.cli.context import Where
from hundredfold.cli.doctor import examine, print_diagnoses
from hundredfold.cli.output import print_json, say
from hundredfold.cli.pieces import pieces, quoted
from hundredfold.config import FILE_NAME
from hundredfold.errors import ConfigError, StorageError

TEMPLATE = """\
# What Hundredfold does with this repository. Every key has a default; `hundredfold doctor` checks the rest.

[project]
name = {name}

# Any server that speaks the OpenAI Responses API; the key stays in the gateway's environment.
[provider.openai]
base-url = "https://api.openai.com/v1"
key-env = "OPENAI_API_KEY"

[route]
agent = "auto"          # codex where it is installed, else the built-in loop
provider = "openai"
model = "gpt-5.5"
effort = "medium"
tier = "standard"       # fast | standard | flex | batch

# Hard limits, per UTC day and month; the gateway refuses what would pass them.
[budgets]
attempt = "$2.00"
day = "$25.00"

[fleet]
agents = 20

[job.security]
commits = 10            # the newest ones; or range = "v1.0..HEAD"
cadence = "*/10 * * * *"  # for `run --watch`, UTC

# What follows is off. Take the # of a line away to put it to use.

# Several agents review a branch against its base; what enough of them say becomes one comment.
#[job.review]
#passes = 5             # agents that look at the same change
#votes = 2              # of them must say the same

"""


def init(*, force: bool = False, json: bool = False, where: Where = Where()) -> int:  # noqa: B008
    """Look at the repository, write hundredfold.toml and say what is missing.

    Parameters
    ----------
    force
        Overwrite a file that is there.
    json
        Print one JSON document.
    """
    context = where.open()
    path = where.config or context.place.root / FILE_NAME
    if path.exists() and not force:
        raise ConfigError(f"{path} is already there", "Edit it, or write a new one with --force.")
    root = context.place.root
    _write(path, TEMPLATE.format(name=quoted(root.name)) + pieces(root, context.repository))
    diagnoses = examine(where.open())
    if json:
        print_json({"wrote": str(path), "diagnoses": diagnoses})
        return 0
    say(f"wrote {path}\n")
    print_diagnoses(diagnoses)
    say("\nNext: `hundredfold plan` says what a run would look at and cost; `hundredfold run` does it.")
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"can't write {path}: {error.strerror}", "Name another file by --config."
        ) from error
