"""What it takes to mirror a large repository, and to keep the mirror up to date.

    ./dev exec python -m benchmarks.mirror_sync --issues 20000 --pulls 5000 [--limits]

A simulated forge runs as a process of its own; `hundredfold mirror` is the real command. The bare row sends
the requests that the lists need and throws the answers away: what is over it is reading and keeping.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from hundredfold.forges.github.auth import TokenAuth
from hundredfold.forges.github.calls import Call
from hundredfold.forges.github.client import GitHubClient

TOKEN = "simulated"
LISTS = (
    ("/issues", (("state", "all"), ("sort", "updated"), ("direction", "asc"))),
    ("/issues/comments", (("sort", "updated"),)),
    ("/pulls/comments", (("sort", "updated"),)),
    ("/pulls", (("state", "all"), ("sort", "updated"), ("direction", "desc"))),
)


def cpu_of(pid: int) -> float:
    """User and system seconds of a living process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Row:
    """What one step took."""

    def __init__(self, name: str, forge: int) -> None:
        self.name, self._forge = name, forge
        self._began, self._cpu = time.monotonic(), cpu_of(forge)

    def told(self, requests: int, unchanged: int, entries: int, cpu: float, megabytes: float) -> float:
        wall = time.monotonic() - self._began
        forge = cpu_of(self._forge) - self._cpu
        memory = f"{megabytes:.0f}" if megabytes else "–"
        print(
            f"| {self.name} | {entries:,} | {requests:,} | {unchanged:,} | {wall:.1f} | {cpu:.1f} | {memory} "
            f"| {forge:.1f} |",
            flush=True,
        )
        return wall


def mirrored(name: str, repo: Path, forge: int, *options: str) -> dict[str, Any]:
    """One `hundredfold mirror`."""
    row = Row(name, forge)
    process = subprocess.Popen(
        [sys.executable, "-m", "hundredfold", "mirror", "--json", "--repo", str(repo), *options],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    found: dict[str, Any] = json.loads(out)
    sync = found["sync"]
    cpu = usage.ru_utime + usage.ru_stime
    row.told(sync["requests"], sync["unchanged"], sum(sync["read"].values()), cpu, usage.ru_maxrss / 1024)
    if sync["waited_s"]:
        print(f"  (of that {sync['waited_s']:.0f} s were waited for rate limits)", flush=True)
    return found


async def bare(api: str, forge: int) -> None:
    """The lists' requests, their answers thrown away."""
    row, cpu = Row("bare", forge), time.process_time()
    client = GitHubClient(TokenAuth(TOKEN), base_url=api)
    for path, query in LISTS:
        async for _ in client.pages(Call("GET", f"/repos/acme/widget{path}", query=query)):
            pass
    requests = client.tally.requests
    await client.close()
    row.told(requests, 0, 0, time.process_time() - cpu, 0)


def change(api: str, count: int) -> None:
    """A day's work on the forge: comments, closed issues."""
    for number in range(1, count + 1):
        for method, path, body in (
            ("POST", f"issues/{number * 7}/comments", {"body": "Any news?"}),
            ("PATCH", f"issues/{number * 7}", {"state": "closed"}),
        ):
            request = urllib.request.Request(
                f"{api}/repos/acme/widget/{path}",
                json.dumps(body).encode(),
                {"Authorization": f"Bearer {TOKEN}"},
                method=method,
            )
            urllib.request.urlopen(request).close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--issues", type=int, default=20_000)
    parser.add_argument("--pulls", type=int, default=5_000)
    parser.add_argument("--limits", action="store_true", help="with GitHub's own rate limits")
    parser.add_argument("--whole", action="store_true", help="then all reviews and checks there ever were")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "hundredfold.simulation.forge", "--with-parent", "--token", TOKEN]
    sizes = ["--issues", str(arguments.issues), "--pulls", str(arguments.pulls), "--runs", "500"]
    began = time.monotonic()
    forge = subprocess.Popen(
        [*command, *sizes, *(["--limits"] if arguments.limits else [])], stdout=subprocess.PIPE
    )
    assert forge.stdout is not None
    api = json.loads(forge.stdout.readline())["base_url"]
    print(f"the forge was filled in {time.monotonic() - began:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        repo = Path(folder) / "repo"
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        for arguments_of_git in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "x")):
            repo.mkdir(exist_ok=True)
            subprocess.run(["git", "-C", str(repo), *arguments_of_git], check=True)
        settings = f'[forge]\nkind = "github"\nrepository = "acme/widget"\nbase-url = "{api}"\n'
        (repo / "hundredfold.toml").write_text(settings)
        os.environ |= {"HUNDREDFOLD_HOME": f"{folder}/home", "GITHUB_TOKEN": TOKEN}
        print(
            "| step | entries read | requests | of those unchanged | wall s | CPU s | peak MB | forge CPU s |"
        )
        print("|---|---|---|---|---|---|---|---|", flush=True)
        if not arguments.limits:
            asyncio.run(bare(api, forge.pid))
        first = mirrored("first sync", repo, forge.pid)
        second = mirrored("second sync, nothing changed", repo, forge.pid)
        change(api, 20)
        mirrored("20 issues commented on and closed", repo, forge.pid)
        if arguments.whole:
            mirrored("all reviews and checks (--days 0)", repo, forge.pid, "--days", "0")
            mirrored("again (--days 0)", repo, forge.pid, "--days", "0")
        size = (Path(folder) / "home" / "hundredfold.db").stat().st_size
        share = second["sync"]["requests"] / first["sync"]["requests"]
        print(f"the mirror holds {first['holds']} in {size / 1e6:.0f} MB")
        print(f"the second sync sent {share:.2%} of the first one's requests")
    forge.terminate()
    forge.wait()


if __name__ == "__main__":
    main()
