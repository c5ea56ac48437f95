"""`hundredfold edit`: change a proposal's text before deciding on it; what it was before is kept."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hundredfold.cli.context import Where
from hundredfold.cli.output import print_json
from hundredfold.errors import EXIT_CONFLICT, ConfigError


def edit(
    id_: Annotated[str, Parameter(name="id")],
    /,
    *,
    title: str = "",
    body_file: Path | None = None,
    in_the_open: bool = False,
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Change an open proposal's title or body, then approve or reject it as any other.

    Without --title or --body-file your editor is opened ($VISUAL, $EDITOR, else vi): the first line is the
    title. The first wording and your name stay on record. Exit codes: 0 changed (or left as it was), 9 it was
    decided meanwhile.

    Parameters
    ----------
    id_
        The proposal (the beginning of its id is enough).
    title
        The new title.
    body_file
        A file with the new body; - reads it from standard input.
    in_the_open
        Let a private proposal be published where others see it. Needs --by: it is done in your name.
    by
        Who edits (default: git's user.name, else the system's user).
    json
        Print JSON.
    """
    from hundredfold.cli.decide import person_of, print_line, proposal_ids, refresh_pages
    from hundredfold.proposals.attention import open_for_review
    from hundredfold.proposals.edit import edited
    from hundredfold.store import proposals

    context = where.open()
    if in_the_open and not by:
        raise ConfigError(
            "publishing a private proposal in the open is done in somebody's name", "Say whose: --by NAME."
        )
    person = person_of(context, by)
    (wanted,) = proposal_ids(context.database, [id_])
    row = proposals.find(context.database, wanted)
    assert row is not None
    if row.state != "open":
        print_line(wanted, f"is {row.state}; only an open proposal can be edited")
        return EXIT_CONFLICT
    open_for_review(context.database, wanted, person)
    proposal = row.proposal
    if title or body_file is not None or in_the_open:
        body = _read(body_file) if body_file is not None else proposal.body
        new_title = title or proposal.title
    else:
        new_title, body = _in_editor(proposal.title, proposal.body)
    result = edited(context.database, proposal, new_title, body, by=person, in_the_open=in_the_open)
    refresh_pages(context)
    if json:
        print_json({"proposal": wanted, "by": person, "result": result})
    else:
        print_line(wanted, {"changed": f"changed by {person}", "same": "left as it was"}.get(result, result))
    return EXIT_CONFLICT if result == "decided meanwhile" else 0


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} can't be read: {error}", "Name a UTF-8 text file.") from error


def _in_editor(title: str, body: str) -> tuple[str, str]:
    """Title and body as they come back from the person's editor.

    Raises:
        ConfigError: there is no editor, it failed, or nothing came back.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    if not editor and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("there is no terminal to edit in", "Use --title or --body-file, or set EDITOR.")
    editor = editor or "vi"
    with tempfile.TemporaryDirectory(prefix="hundredfold-edit-") as folder:
        file = Path(folder) / "proposal.md"
        file.write_text(f"{title}\n\n{body}", encoding="utf-8")
        try:
            done = subprocess.run([*shlex.split(editor), str(file)], check=False)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the editor {editor!r} can't be started: {error}", "Set EDITOR, or use --body-file."
            ) from error
        if done.returncode != 0:
            raise ConfigError(f"the editor ended with {done.returncode}", "Nothing was changed.")
        text = _read(file)
    first, _, rest = text.partition("\n")
    if not first.strip() or not rest.strip():
        raise ConfigError("title or body came back empty", "Nothing was changed; reject it instead?")
    return first.strip(), rest.lstrip("\n")
