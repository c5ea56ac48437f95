"""The local forge writes one file a proposal, checks the live repository, and removes only its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.errors import StorageError, UnavailableError
from hundredfold.forges.local import LocalForge
from hundredfold.forges.preconditions import quote_precondition, require
from hundredfold.forges.protocol import Stale
from tests.support.proposals import GitReader, NoRepository, a_proposal, files_below
from tests.support.repositories import RepositoryMaker

KEY = "x-000000000001"


@pytest.fixture
def forge(tmp_path: Path) -> LocalForge:
    return LocalForge(tmp_path / "forge", NoRepository(), by="Ada", clock=lambda: 1_780_000_000_000_000)


def test_an_applied_proposal_is_a_private_file_with_front_matter(forge: LocalForge) -> None:
    receipt = forge.apply(a_proposal(), KEY)
    path = Path(receipt.location)
    assert path == forge.folder / "private" / f"{a_proposal().id}.md"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    _, front, body = path.read_text().split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["id"] == a_proposal().id
    assert (head["applied_by"], head["at"]) == ("Ada", "2026-05-28T20:26:40+00:00")
    assert head["findings"] == list(a_proposal().findings)
    assert body.strip().endswith("what is wrong in one")


def test_what_is_not_private_lies_apart(forge: LocalForge) -> None:
    assert Path(forge.apply(a_proposal(private=False, type_="notice"), KEY).location).parent.name == "shared"


def test_applying_again_changes_no_byte_and_gives_the_same_receipt(forge: LocalForge) -> None:
    first = forge.apply(a_proposal(), KEY)
    before = files_below(forge.folder)
    later = LocalForge(forge.folder, NoRepository(), by="Grace")
    assert later.apply(a_proposal(preconditions={"commit": "0" * 40}), KEY) == first
    assert files_below(forge.folder) == before


def test_undo_removes_its_file_once_and_nothing_else(forge: LocalForge) -> None:
    receipt = forge.apply(a_proposal(), KEY)
    other = Path(receipt.location).with_name("notes.md")
    other.write_text("a person's")
    assert forge.undo(receipt, KEY) == ""
    assert forge.undo(receipt, KEY) == ""
    assert files_below(forge.folder) == {"private/notes.md": b"a person's"}


def test_a_file_a_person_changed_is_neither_removed_nor_overwritten(forge: LocalForge) -> None:
    receipt = forge.apply(a_proposal(), KEY)
    path = Path(receipt.location)
    path.write_text(path.read_text() + "\nmy note\n")
    assert "was changed" in forge.undo(receipt, KEY)
    with pytest.raises(StorageError, match="not as it was written"):
        forge.apply(a_proposal(), KEY)
    assert path.read_text().endswith("my note\n")


@pytest.mark.parametrize("link", ["folder", "file", "scratch"])
def test_a_link_in_its_place_leads_nowhere(forge: LocalForge, tmp_path: Path, link: str) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / "keys").write_text("precious")
    forge.folder.mkdir()
    name = f"{a_proposal().id}.md"
    if link == "folder":
        (forge.folder / "private").symlink_to(target)
    else:
        (forge.folder / "private").mkdir()
        (forge.folder / "private" / (name if link == "file" else f".{name}.new")).symlink_to(target / "keys")
    if link == "scratch":
        forge.apply(a_proposal(), KEY)
    else:
        with pytest.raises(StorageError):
            forge.apply(a_proposal(), KEY)
    assert files_below(target) == {"keys": b"precious"}


def test_what_a_killed_writer_left_is_no_hindrance(forge: LocalForge) -> None:
    folder = forge.folder / "private"
    folder.mkdir(parents=True)
    (folder / f".{a_proposal().id}.md.new").write_text("half a fi")
    receipt = forge.apply(a_proposal(), KEY)
    assert list(files_below(forge.folder)) == [f"private/{a_proposal().id}.md"]
    assert forge.undo(receipt, KEY) == ""


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "forge").write_text("a file")
    with pytest.raises(StorageError, match="can't be used"):
        LocalForge(tmp_path / "forge", NoRepository(), by="Ada").apply(a_proposal(), KEY)


def test_a_type_it_does_not_know_is_refused(forge: LocalForge) -> None:
    with pytest.raises(UnavailableError, match="merge"):
        forge.apply(a_proposal(type_="merge"), KEY)
    assert not forge.folder.exists()


@given(st.text(max_size=60), st.text(max_size=200))
def test_no_title_or_body_becomes_a_path_or_front_matter(
    tmp_path_factory: pytest.TempPathFactory, title: str, body: str
) -> None:
    title, body = (one.encode("utf-8", "replace").decode() for one in (title, body))
    folder = tmp_path_factory.mktemp("forge")
    hostile = msgspec.structs.replace(
        a_proposal(), title=title, body=f"{body}\n---\nid: p-ffffffffffff\n---\n\n"
    )
    forge = LocalForge(folder, NoRepository(), by="Ada\n---\n")
    receipt = forge.apply(hostile, KEY)
    assert list(files_below(folder)) == [f"private/{hostile.id}.md"]
    assert forge.apply(hostile, KEY) == receipt, "its own seal holds"
    front = Path(receipt.location).read_bytes().split(b"---\n")[1]
    assert front.count(b"\nid: ") == 1
    assert forge.undo(receipt, KEY) == ""


# ------------------------------------------------------------------ preconditions


@pytest.fixture
def repository(make_repository: Callable[..., RepositoryMaker]) -> RepositoryMaker:
    return make_repository()


def test_preconditions_follow_the_live_repository(repository: RepositoryMaker) -> None:
    first = repository.commit({"app.py": "import os\n\ndef run(x):\n    os.system(x)\n"})
    live = GitReader(repository.root)
    wanted = {
        "commit": first,
        "head": first,
        "head:main": first,
        "quote": quote_precondition("app.py", "def run(x):\n    os.system(x)"),
    }
    require(wanted, live)
    second = repository.commit({"app.py": "import os\n\n\nif True:\n  def run(x):\n        os.system(x)\n"})
    del wanted["head"], wanted["head:main"]
    require(wanted, live)  # moved and indented, but still there
    for key in ("head", "head:main"):
        with pytest.raises(Stale, match=second[:12]):
            require({key: first}, live)
    repository.commit({"app.py": "import os\n\ndef run(x):\n    os.system(quoted(x))\n"})
    with pytest.raises(Stale, match="no longer"):
        require(wanted, live)
    repository.commit({"app.py": None})
    with pytest.raises(Stale, match=r"app\.py"):
        require(wanted, live)


@pytest.mark.parametrize(
    "precondition",
    [
        {"commit": "0" * 40}, {"commit": "main"}, {"commit": "--output=x"}, {"head:gone": "0" * 40},
        {"weather": "fine"}, {"quote": "nonsense"}, {"quote": "a:x:app.py"},
        {"quote": "aa:1:../../etc/passwd"},
    ],
)  # fmt: skip
def test_what_cannot_be_checked_does_not_hold(
    repository: RepositoryMaker, precondition: dict[str, str]
) -> None:
    repository.commit({"app.py": "x\n"})
    with pytest.raises(Stale):
        require(precondition, GitReader(repository.root))


def test_a_stale_proposal_writes_nothing(repository: RepositoryMaker, tmp_path: Path) -> None:
    repository.commit({"app.py": "x\n"})
    forge = LocalForge(tmp_path / "forge", GitReader(repository.root), by="Ada")
    with pytest.raises(Stale):
        forge.apply(a_proposal(preconditions={"head": "0" * 40}), KEY)
    assert not forge.folder.exists()
