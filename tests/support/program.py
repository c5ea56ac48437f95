"""The real program as a process, on a project whose provider is the simulated one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.support.repositories import RepositoryMaker

CONFIG = """
[provider.simulated]
base-url = "{base_url}"
prices = "openai"
simulated = true
{provider}

[route]
agent = "{agent}"
provider = "simulated"
model = "gpt-5.5"
{extra}
"""

WEAK = 'import os\n\n\ndef backup_{n}(folder):\n    os.system("tar czf /var/{n}.tgz " + folder)\n'


class Ended(Struct, frozen=True):
    """How the program ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its standard output as JSON."""
        return json.loads(self.out)


def hundredfold(*arguments: str, repo: Path | None = None, timeout: float = 600, **environment: str) -> Ended:
    """Run the program to its end; `HUNDREDFOLD_HOME` is the test's own."""
    done = subprocess.run(
        command(*arguments, repo=repo),
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def command(*arguments: str, repo: Path | None = None) -> list[str]:
    """The argument list of a call."""
    return [sys.executable, "-m", "hundredfold", *arguments, *(("--repo", str(repo)) if repo else ())]


def weak_project(
    maker: RepositoryMaker,
    base_url: str,
    *,
    commits: int = 3,
    agent: str = "native",
    extra: str = "",
    provider: str = "",
) -> Path:
    """A repository of commits that an agent would be asked about, configured for the provider."""
    for number in range(commits):
        maker.commit({f"tools/tool_{number}.py": WEAK.format(n=number)}, f"Add tool {number}")
    (maker.root / "hundredfold.toml").write_text(
        CONFIG.format(base_url=base_url, agent=agent, extra=extra, provider=provider)
    )
    return maker.root


class _Refuse(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b'{"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}'
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def refusing_server() -> Iterator[str]:
    """A provider that takes no key; yields its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refuse)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
