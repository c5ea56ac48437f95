"""Other people's analysers as evidence: bandit on changed Python, semgrep with the user's own rules.

Both run as processes on copies of the changed files, named by number so that no name from the repository
reaches a command line or a scanner's configuration. They are bounded in files, bytes and time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.vocabulary import Severity

MAX_FILES = 500
MAX_FILE_BYTES = 512 * 1024
MAX_OUTPUT = 32 * 1024 * 1024
TIMEOUT_S = 120.0

_SEVERITY: dict[str, Severity] = {
    "HIGH": "high", "MEDIUM": "medium", "LOW": "low", "ERROR": "high", "WARNING": "medium", "INFO": "low",
    "CRITICAL": "critical",
}  # fmt: skip

#: A word of every rule of bandit's that is asked for; a test compares it with bandit's own lists.
_BANDIT_WORDS = (
    *(
        "exec",
        "eval",
        "chmod",
        "0.0.0",
        "passw",
        "pwd",
        "token",
        "secret",
        "tmp",
        "dev/shm",
        "except",
        "debug",
    ),
    *(
        "pickle",
        "dill",
        "shelve",
        "marshal",
        "hashlib",
        "md2",
        "md4",
        "md5",
        "sha1",
        "crypto",
        "cipher",
        "mktemp",
    ),
    *("mark_safe", "markup", "urlopen", "urlretrieve", "random", "telnetlib", "xml", "ftplib", "unverified"),
    *(
        "subprocess",
        "popen",
        "system",
        "spawn",
        "startfile",
        "commands",
        "shell",
        "pyghmi",
        "wsgiref",
        "twcgi",
    ),
    *(
        "verify",
        "requests",
        "httpx",
        "ssl",
        "yaml",
        "key_size",
        "generate",
        "paramiko",
        "missing_host_key",
        "snmp",
    ),
    *(
        "usm",
        "rawsql",
        ".extra",
        "select ",
        "insert ",
        "delete ",
        "update ",
        "chown",
        "rsync",
        "tarfile",
        "extractall",
    ),
    *("jinja2", "mako", "listen", "from_pretrained", "torch", "load_dataset", "hf_hub_download", "urllib"),
    *("snapshot_download", *"\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
)


class Hit(Struct, frozen=True):
    """What a scanner said of a line. `sure`: it calls itself highly confident and the matter grave."""

    tool: str
    rule: str
    path: str
    line: int
    title: str
    cwe: str
    severity: Severity
    sure: bool


class Scan(Struct, frozen=True):
    """A scanner's hits, the files it could not read with the reason, and what is to be said of it at all."""

    hits: tuple[Hit, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    note: str = ""


def bandit_may_speak(path: str, text: str) -> bool:
    """Whether bandit could say anything of the file: it is Python and has a word of one of its rules."""
    if not path.endswith(".py"):
        return False
    lowered = text.lower()
    return any(word in lowered for word in _BANDIT_WORDS)


def bandit(contents: Mapping[str, bytes]) -> Scan:
    """Run bandit on the Python files among `contents`. `nosec` marks do not count: the author set them."""
    chosen = {
        path: raw for path, raw in contents.items() if bandit_may_speak(path, raw.decode("utf-8", "replace"))
    }
    if not chosen:
        return Scan()
    command = [
        sys.executable,
        "-I",
        "-m",
        "bandit",
        "-q",
        "-f",
        "json",
        "--ignore-nosec",
        "-s",
        "B101",
        "-r",
        ".",
    ]
    report, unread, note = _run("bandit", command, chosen, {0, 1})
    hits = []
    names = _names(chosen)
    for one in report.get("results", ()):
        path = names.get(PurePosixPath(one["filename"]).name)
        if path is not None:
            grave = one["issue_severity"] in ("HIGH", "CRITICAL") and one["issue_confidence"] == "HIGH"
            cwe = (one.get("issue_cwe") or {}).get("id")
            hits.append(
                Hit(
                    "bandit", one["test_id"], path, one["line_number"], _bandit_title(one),
                    f"CWE-{cwe}" if cwe else "", _SEVERITY.get(one["issue_severity"], "low"), grave,
                )
            )  # fmt: skip
    for error in report.get("errors", ()):
        path = names.get(PurePosixPath(error["filename"]).name)
        if path is not None:
            unread.append((path, f"not scanned by bandit: {error['reason'][:200]}"))
    return Scan(tuple(hits), tuple(unread), note)


def semgrep(contents: Mapping[str, bytes], rules: Path | None) -> Scan:
    """Run the user's own semgrep rules, if any are configured and semgrep is installed. Never public ones."""
    if rules is None:
        return Scan()
    binary = shutil.which("semgrep")
    if binary is None:
        return Scan(note="semgrep rules are configured but semgrep is not installed: they were not applied")
    if not rules.exists():
        return Scan(note=f"the semgrep rules {rules.name} do not exist: they were not applied")
    command = [
        binary, "scan", "--config", str(rules.resolve()), "--json", "--quiet", "--metrics", "off",
        "--disable-version-check", "--disable-nosem", "--no-git-ignore",
        "--timeout", "20", "--jobs", "1", ".",
    ]  # fmt: skip
    report, unread, note = _run("semgrep", command, contents, {0, 1})
    names = _names(contents)
    hits = []
    for one in report.get("results", ()):
        path, extra = names.get(PurePosixPath(one["path"]).name), one.get("extra", {})
        if path is not None:
            meta = extra.get("metadata", {})
            severity = _SEVERITY.get(extra.get("severity", ""), "medium")
            sure = severity in ("high", "critical") and str(meta.get("confidence", "")).upper() == "HIGH"
            rule = str(one["check_id"]).rsplit(".", 1)[-1]
            title = str(extra.get("message", ""))[:300]
            hits.append(
                Hit("semgrep", rule, path, one["start"]["line"], title, _first_cwe(meta), severity, sure)
            )
    return Scan(tuple(hits), tuple(unread), note)


def _run(
    tool: str, command: list[str], contents: Mapping[str, bytes], good: set[int]
) -> tuple[dict[str, Any], list[tuple[str, str]], str]:
    """(the tool's JSON report, files not handed to it, what went wrong as a whole)."""
    unread = []
    with tempfile.TemporaryDirectory(prefix="hundredfold-scan-") as folder:
        for name, path in _names(contents).items():
            if len(contents[path]) > MAX_FILE_BYTES:
                unread.append((path, f"not scanned by {tool}: larger than {MAX_FILE_BYTES} bytes"))
                continue
            (Path(folder) / name).write_bytes(contents[path])
        unread += [
            (path, f"not scanned by {tool}: beyond the bound of {MAX_FILES} files")
            for path in sorted(contents)[MAX_FILES:]
        ]
        output = Path(folder) / ".report"
        try:
            with output.open("wb") as sink:
                done = subprocess.run(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.DEVNULL,
                    timeout=TIMEOUT_S,
                    check=False,
                    env={"PATH": os.environ.get("PATH", os.defpath), "HOME": folder, "LANG": "C.UTF-8"},
                )
            if done.returncode not in good or output.stat().st_size > MAX_OUTPUT:
                return {}, unread, f"{tool} failed (exit code {done.returncode}): its rules were not applied"
            report = msgspec.json.decode(output.read_bytes())
        except subprocess.TimeoutExpired:
            return {}, unread, f"{tool} took longer than {TIMEOUT_S:.0f} s: its rules were not applied"
        except (OSError, msgspec.DecodeError) as error:
            return {}, unread, f"{tool} could not be run ({error}): its rules were not applied"
    return (report if isinstance(report, dict) else {}), unread, ""


def _bandit_title(issue: Mapping[str, Any]) -> str:
    """What bandit says, but for the passwords that it repeats."""
    text = str(issue["issue_text"])[:300]
    return text.split(":")[0] if issue["test_id"] in ("B105", "B106", "B107") else text


def _names(contents: Mapping[str, bytes]) -> dict[str, str]:
    """The names that the copies go by, and the paths they stand for."""
    chosen = sorted(contents)[:MAX_FILES]
    return {f"f{at:04}{_suffix(path)}": path for at, path in enumerate(chosen)}


def _suffix(path: str) -> str:
    """The suffix, by which scanners know the language, if it is harmless."""
    suffix = PurePosixPath(path).suffix
    return suffix if len(suffix) <= 8 and suffix[1:].isalnum() and suffix.isascii() else ""


def _first_cwe(metadata: Mapping[str, Any]) -> str:
    named = metadata.get("cwe", "")
    text = str(named[0] if isinstance(named, list) and named else named)
    return text.split(":")[0].strip() if text.startswith("CWE-") else ""
