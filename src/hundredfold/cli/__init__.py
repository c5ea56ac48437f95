"""The command line: one module a command, imported only when it is called.

Data goes to stdout, everything else to stderr. A `HundredfoldError` becomes one clear message and its exit
code; any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

import os
import sys

from cyclopts import App, Parameter

from hundredfold import __version__
from hundredfold.errors import HundredfoldError

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("init", "init:init", "Look at the repository, write hundredfold.toml, say what is missing."),
    ("doctor", "doctor:doctor", "Check what is found on this machine and how to get the rest."),
    ("plan", "plan:plan", "What a run would look at and cost, by tier. Spends nothing."),
    ("run", "run:run", "Put the fleet to work until everything is looked at."),
    ("cancel", "cancel:cancel", "Stop working on items; agents that look at them are ended."),
    ("inbox", "inbox:inbox", "What waits for a decision."),
    ("approve", "decide:approve", "Approve proposals and apply them."),
    ("reject", "decide:reject", "Reject proposals, with a reason."),
    ("undo", "decide:undo", "Take applied proposals back, one or a whole run's."),
    ("why", "why:why", "The chain from source to decision behind any id."),
    ("spend", "spend:spend", "The bill: what was spent on what, from the ledger."),
    ("rehearse", "rehearse:rehearse", "Run the whole fleet on a simulated provider, spending nothing."),
)


def application() -> App:
    """The commands, each loaded when it is called."""
    app = App(
        name="hundredfold",
        default_parameter=Parameter(negative=()),
        help="Runs a fleet of coding agents on a software project and knows what every outcome cost.",
        version=__version__,
        help_format="plaintext",  # Markdown would cost every call of help 0.1 s of imports
    )
    for name, where, what in COMMANDS:
        app.command(f"hundredfold.cli.{where}", name=name, help=what)
    return app


def main() -> None:
    """Run the command line and exit with the command's code."""
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
