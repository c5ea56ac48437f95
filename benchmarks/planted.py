"""A git repository of many small commits, each with one function that a careful reader would ask about."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

BODIES = (
    'import os\n\n\ndef backup_{n}(folder):\n    os.system("tar czf /var/backup/{n}.tgz " + folder)\n',
    """import sqlite3


def find_{n}(db, name):
    return db.execute("SELECT * FROM t{n} WHERE name = '%s'" % name)
""",
    "import pickle\n\n\ndef load_{n}(request):\n    return pickle.loads(request.body)\n",
    """import subprocess


def ping_{n}(host):
    return subprocess.run(f"ping -c {n} {{host}}", shell=True)
""",
)


def plant(root: Path, commits: int, seed: int = 1) -> None:
    """Make the repository with `git fast-import`: a thousand commits take a second."""
    chooser = random.Random(seed)
    root.mkdir(parents=True)
    git = ["git", "-C", str(root)]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    stream = []
    for number in range(commits):
        body = chooser.choice(BODIES).format(n=number).encode()
        message = f"Add tool {number}".encode()
        stream.append(
            b"commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata %d\n%s\n"
            b"M 100644 inline tools/tool_%d.py\ndata %d\n%s\n"
            % (1_780_000_000 + 60 * number, len(message), message, number, len(body), body)
        )
    subprocess.run([*git, "fast-import", "--quiet"], input=b"".join(stream), check=True)
    subprocess.run([*git, "reset", "-q", "--hard", "main"], check=True)
