"""`hundredfold init` writes what fits the repository, and all that it writes can be put to use as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.cli.context import Where
from hundredfold.cli.doctor import examine
from hundredfold.cli.init import init
from hundredfold.cli.pieces import benchmark_command, owner_and_name, quoted
from hundredfold.cli.pieces import test_command as guessed
from hundredfold.config import load_settings
from hundredfold.settings import Settings
from hundredfold.vocabulary import Diagnosis
from tests.support.repositories import RepositoryMaker

GOOD = {"repository": "acme/widget", "command": "sh -c {test}", "measure": "A=1 tools/test.sh"}
DOCTOR = """
[forge]
repository = "{repository}"
[job.bugs.reports]
test-command = "{command}"
[job.benchmarks.results]
command = "{measure}"
[notices.discord]
webhook-env = "HOOK"
"""
Make = Callable[..., RepositoryMaker]
DATA = 'window.BENCHMARK_DATA = {"entries": {}}'


def written(maker: RepositoryMaker) -> str:
    assert init(where=Where(repo=maker.root)) == 0
    return (maker.root / "hundredfold.toml").read_text(encoding="utf-8")


def put_to_use(maker: RepositoryMaker) -> Settings:
    """The settings with every sign before a line of configuration taken away."""
    text = re.sub(r"(?m)^#(?=\S)", "", written(maker))
    assert not re.search(r"(?m)^\s*# *\S+ = |^\s*# *\[", text), "no configuration is left commented out"
    file = maker.root / "all.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(maker.root, file)


def test_all_pieces_load_and_say_what_the_repository_holds(make_repository: Make) -> None:
    maker = make_repository()
    maker.commit({"pyproject.toml": '[project]\ndependencies = ["pytest", "pytest-benchmark"]\n'})
    maker.git("branch", "gh-pages")
    maker.git("checkout", "-q", "gh-pages")
    maker.commit({"dev/bench/data.js": DATA, "other/data.js": "alert(1)"})
    maker.git("checkout", "-q", "-")
    maker.git("remote", "add", "origin", "https://ada:ghp_secret@github.com/acme/widget.git")
    settings = put_to_use(maker)
    assert set(settings.job) == {"security", "review", "bugs", "benchmarks", "dedupe"}
    assert settings.job["bugs"].reports.test_command == "python -m pytest -q {test}"
    found = settings.job["benchmarks"].results
    assert found.files == ("gh-pages:dev/bench/data.js",)
    assert "--benchmark-json=benchmark.json" in found.command and found.output == "benchmark.json"
    assert (settings.forge.kind, settings.forge.repository) == ("github", "acme/widget")
    assert settings.notices.discord.webhook_env == "DISCORD_WEBHOOK"
    assert settings.worth.reviewer_hour == "$150"
    assert not settings.job["dedupe"].source, "the forge's issues are there"
    text = (maker.root / "hundredfold.toml").read_text()
    assert "ghp_secret" not in text
    assert len(text.splitlines()) < 90 and max(map(len, text.splitlines())) < 116


def test_as_written_only_the_security_job_runs_and_nothing_leaves_the_machine(make_repository: Make) -> None:
    maker = make_repository()
    maker.commit({"go.mod": "module m\n", "bench_test.go": "package m\n"})
    written(maker)
    settings = load_settings(maker.root)
    assert list(settings.job) == ["security"] and settings.forge.kind == "local"
    assert not settings.notices.discord.webhook_env


@pytest.mark.parametrize("name", ['we"ird', "back\\slash", "ünïcode 🚀", "{name}"])
def test_any_folder_name_and_an_idle_repository_will_do(name: str, tmp_path: Path) -> None:
    maker = RepositoryMaker(tmp_path / name)
    maker.commit({"README.md": "# Nothing yet\n"})
    settings = put_to_use(maker)
    assert settings.project.name == name
    assert "benchmarks" not in settings.job, "nothing there measures anything"
    assert settings.forge.repository == "owner/name"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"tests/test_a.py": ""}, "python -m pytest -q {test}"),
        ({"pyproject.toml": "[tool.pytest.ini_options]"}, "python -m pytest -q {test}"),
        ({"Cargo.toml": ""}, "cargo test {test}"),
        ({"go.mod": ""}, "go test ./... -run {test}"),
        ({"package.json": json.dumps({"scripts": {"test": "vitest"}})}, "npx vitest run -t {test}"),
        ({"package.json": json.dumps({"scripts": {"test": "node run.js"}})}, "npm test -- {test}"),
        ({"package.json": "[]"}, ""),
        ({"package.json": "{"}, ""),
        ({"README.md": ""}, ""),
    ],
)
def test_how_a_test_is_run_again_is_guessed(files: dict[str, str], command: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert guessed(tmp_path, list(files)) == command


def test_how_it_is_measured_is_guessed(tmp_path: Path) -> None:
    assert benchmark_command(tmp_path, ["benches/a.rs"]) == ("", "")
    (tmp_path / "Cargo.toml").write_text("")
    assert benchmark_command(tmp_path, ["benches/a.rs"])[0].startswith("cargo bench")
    (tmp_path / "go.mod").write_text("")
    assert "-bench ." in benchmark_command(tmp_path, ["x/parse_bench_test.go"])[0]


@pytest.mark.parametrize(
    ("remote", "found"),
    [
        ("https://github.com/acme/widget.git", ("github.com", "acme/widget")),
        ("https://github.com/acme/widget/", ("github.com", "acme/widget")),
        ("git@github.com:acme/widget.js.git", ("github.com", "acme/widget.js")),
        ("ssh://git@github.example.org:2222/acme/widget", ("github.example.org", "acme/widget")),
        ("/srv/git/widget.git", ("", "")),
        ("", ("", "")),
    ],
)
def test_owner_and_name_of_a_remote(remote: str, found: tuple[str, str]) -> None:
    assert owner_and_name(remote) == found


@given(st.text())
def test_whatever_the_text_toml_reads_it_back(text: str) -> None:
    import tomllib

    assert tomllib.loads(f"a = {quoted(text)}")["a"] == text.replace("\x7f", "?")


def test_doctor_sees_what_was_put_to_use(make_repository: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    maker = make_repository()
    maker.commit({"tools/test.sh": "#!/bin/sh\n"})
    (maker.root / "tools/test.sh").chmod(0o755)

    def told(**values: str) -> dict[str, Diagnosis]:
        (maker.root / "hundredfold.toml").write_text(DOCTOR.format(**{**GOOD, **values}), encoding="utf-8")
        return {one.name: one for one in examine(Where(repo=maker.root).open())}

    monkeypatch.setenv("HOOK", "https://discord.com/api/webhooks/1/secret")
    good = told()
    assert all(good[one].ok for one in ("repository", "job bugs", "job benchmarks", "discord"))
    assert not any("secret" in one.found for one in good.values())
    monkeypatch.setenv("HOOK", "https://example.org/secret")
    bad = told(repository="widget", command="nothing-like-it {test}", measure="tools/none.sh")
    for name, says in (
        ("repository", "'widget'"),
        ("job bugs", "nothing-like-it"),
        ("job benchmarks", "tools/none.sh"),
        ("discord", "$HOOK"),
    ):
        assert not bad[name].ok and not bad[name].needed and says in bad[name].found, name
        assert bad[name].mend and "secret" not in bad[name].found
    monkeypatch.delenv("HOOK")
    assert told()["discord"].found == "$HOOK is not set"
    assert "quot" in told(command="sh 'open")["job bugs"].found
