"""The command line: one module a command, imported only when it is called.

Data goes to stdout, everything else to stderr. A `HundredfoldError` becomes one clear message and its exit
code; any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from hundredfold import __version__
from hundredfold.errors import HundredfoldError

if TYPE_CHECKING:
    from cyclopts import App

#: each command (name, where it is defined, what it does) under the heading it belongs to
COMMANDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Set up": (
        ("init", "init:init", "Look at the repository, write hundredfold.toml, say what is missing."),
        ("doctor", "doctor:doctor", "Check what is found on this machine and how to get the rest."),
        ("rehearse", "rehearse:rehearse", "Run the whole fleet on a simulated provider, spending nothing."),
    ),
    "Work": (
        ("plan", "plan:plan", "What a run would look at and cost, by tier. Spends nothing."),
        ("run", "run:run", "Put the fleet to work until everything is looked at."),
        ("benchmarks", "benchmarks:app", "Benchmark series with their steps; `run` measures anew."),
        ("cancel", "cancel:cancel", "Stop working on items; agents that look at them are ended."),
    ),
    "Decide": (
        ("mirror", "mirror:mirror", "Read issues, pull requests, reviews and CI logs from GitHub."),
        ("known", "known:app", "Is this already known? Search, rulings on what belongs together, training."),
        ("inbox", "inbox:inbox", "What waits for a decision."),
        ("approve", "decide:approve", "Approve proposals and apply them."),
        ("edit", "edit:edit", "Change a proposal's text before deciding on it."),
        ("reject", "decide:reject", "Reject proposals, with a reason."),
        ("publish", "publish:publish", "Apply what is approved, or show the exact calls."),
        ("undo", "decide:undo", "Take applied proposals back, one or a whole batch."),
        ("notices", "notices:notices", "What was told by chat, and what waits for delivery."),
        ("why", "why:why", "The chain from source to decision behind any id."),
    ),
    "Money": (
        ("spend", "spend:app", "The bill: what was spent on what, from the ledger."),
        ("prices", "prices:app", "What tokens cost, by which source; taking up a public price feed."),
        ("outcomes", "outcomes:app", "What became of the work; read back a repository's past."),
        ("whatif", "whatif:whatif", "What the same traffic would cost at another tier, model or price."),
        ("worth", "worth:worth", "Did it pay? What outcomes cost and what became of them."),
        ("experiment", "experiment:experiment", "The same items along two routes, compared item by item."),
    ),
}
WHAT_IT_IS = "Runs a fleet of coding agents on a software project and knows what every outcome cost."


def overview() -> str:
    """What `hundredfold --help` prints. Made here, since the library would cost the call 0.25 CPU seconds."""
    lines = ["Usage: hundredfold COMMAND [OPTIONS]", "", WHAT_IT_IS]
    for heading, commands in COMMANDS.items():
        lines += ["", heading, *(f"  {name:<12}{what}" for name, _, what in commands)]
    return "\n".join([*lines, "", "`hundredfold COMMAND --help` tells the rest.", ""])


def application() -> App:
    """The commands, each loaded when it is called."""
    from cyclopts import App

    from hundredfold.cli.helping import DEFAULTS, flow

    app = App(
        name="hundredfold",
        default_parameter=DEFAULTS,
        help=WHAT_IT_IS,
        version=__version__,
        help_format="plaintext",  # Markdown would cost every call of help 0.1 s of imports
    )
    for commands in COMMANDS.values():
        for name, where, _ in commands:
            app.command(f"hundredfold.cli.{where}", name=name)
    if {"--help", "-h"} & set(sys.argv):
        flow(app, sys.argv[1:])
    return app


def main() -> None:
    """Run the command line and exit with the command's code."""
    if sys.argv[1:] in ([], ["--help"], ["-h"]):
        sys.stdout.write(overview())
        sys.exit(0)
    gc.set_threshold(50_000)  # what is loaded stays; looking for garbage in it would be a tenth of the start
    try:
        code = application()(result_action="return_value")
    except HundredfoldError as error:
        sys.stderr.write(f"hundredfold: {error}\n")
        if error.mend:
            sys.stderr.write(f"  → {error.mend}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("hundredfold: stopped\n")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)
