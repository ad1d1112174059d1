"""Who wrote and committed what is released, from real git repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sluiceway.runs.authors import Released, authors, read_log
from sluiceway.runs.source import Source

pytestmark = pytest.mark.real_tool("git")


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, **identity: str) -> str:
        who = {
            "GIT_AUTHOR_NAME": "Anna",
            "GIT_AUTHOR_EMAIL": "anna@x",
            "GIT_COMMITTER_NAME": "Anna",
            "GIT_COMMITTER_EMAIL": "anna@x",
        }
        environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", **who, **identity}
        made = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environ, capture_output=True, check=True
        )
        return made.stdout.decode().strip()

    def commit(self, message: str = "x", **identity: str) -> str:
        self.git("commit", "--quiet", "--allow-empty", "--message", message, **identity)
        return self.git("rev-parse", "HEAD")

    def by(self, email: str, message: str = "x") -> str:
        return self.commit(message, GIT_AUTHOR_EMAIL=email, GIT_COMMITTER_EMAIL=email)

    def asked(self, commit: str, *before: Released) -> dict[str, Any]:
        bench: Any = SimpleNamespace(config=SimpleNamespace(context=self.folder))
        source = Source(commit=commit, dirty=False, folder="", problem="")
        return authors(bench, source, before)


def emails(found: dict[str, Any]) -> list[str]:
    assert found["known"], found
    return sorted({each["email"] for each in found["people"]})


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def known(commit: str) -> Released:
    return Released(commit=commit, known=True)


def test_authors_committers_and_co_authors_since_the_release_before(repository):
    first = repository.by("old@x")
    repository.commit(GIT_AUTHOR_EMAIL="author@x", GIT_COMMITTER_EMAIL="committer@x")
    last = repository.by(
        "b@x",
        "Pair\n\nCo-authored-by: Cora <cora@x>\nCo-Authored-By: Dan <dan@x>\nco-authored-by: eve@x",
    )
    found = repository.asked(last, known(first))
    assert emails(found) == ["author@x", "b@x", "committer@x", "cora@x", "dan@x", "eve@x"]
    assert (found["since"], found["commits"], found["first"]) == (first, 2, False)


def test_without_a_release_before_it_is_the_commit_with_what_it_merged(repository):
    root = repository.by("root@x")
    assert emails(repository.asked(root)) == ["root@x"]
    repository.git("checkout", "--quiet", "-b", "side")
    repository.by("side@x")
    repository.git("checkout", "--quiet", "main")
    repository.by("main@x")
    repository.git("merge", "--quiet", "--no-ff", "--no-edit", "side")
    merge = repository.git("rev-parse", "HEAD")
    found = repository.asked(merge)
    assert emails(found) == ["anna@x", "side@x"]
    assert (found["since"], found["first"]) == ("", True)


def test_of_several_releases_the_nearest_that_leads_here_counts(repository):
    first = repository.by("first@x")
    repository.git("checkout", "--quiet", "-b", "hotfix")
    hotfix = repository.by("hotfix@x")
    repository.git("checkout", "--quiet", "main")
    second = repository.by("second@x")
    last = repository.by("last@x")
    gone = "ab" * 20
    found = repository.asked(last, known(gone), known(hotfix), known(second), known(first))
    assert (emails(found), found["since"]) == (["last@x"], second)
    found = repository.asked(last, known(hotfix), known(first))
    assert (emails(found), found["since"]) == (["last@x", "second@x"], first)


def test_releases_that_recorded_nothing_are_counted_in(repository):
    first, second = repository.by("first@x"), repository.by("second@x")
    last = repository.by("last@x")
    before = (Released(commit=second, known=False), Released(commit=first, known=False))
    found = repository.asked(last, *before)
    assert (emails(found), found["since"], found["first"]) == (["last@x", "second@x"], first, True)
    found = repository.asked(last, before[0], known(first))
    assert (emails(found), found["since"], found["first"]) == (["last@x", "second@x"], first, False)


def test_a_shallow_clone_does_not_know(repository, tmp_path):
    first = repository.by("first@x")
    repository.by("hidden@x")
    last = repository.by("last@x")
    clone = Repository(tmp_path / "c")
    clone.git("fetch", "--quiet", "--depth=1", f"file://{repository.folder}", "main")
    found = clone.asked(last, known(first))
    assert not found["known"]
    assert "shallow" in found["problem"]


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shallow_clone_does_not_know_what_a_first_release_merged(repository, tmp_path, depth):
    repository.by("root@x")
    repository.git("checkout", "--quiet", "-b", "side")
    for email in ("hidden@x", "side@x"):
        repository.by(email)
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--no-edit", "side")
    merge = repository.git("rev-parse", "HEAD")
    clone = Repository(tmp_path / "c")
    clone.git("fetch", "--quiet", f"--depth={depth}", f"file://{repository.folder}", "main")
    found = clone.asked(merge)
    assert not found["known"]
    assert "shallow" in found["problem"]


def test_a_shallow_clone_knows_a_first_release_that_merged_nothing(repository, tmp_path):
    repository.by("first@x")
    last = repository.by("last@x")
    clone = Repository(tmp_path / "c")
    clone.git("fetch", "--quiet", "--depth=1", f"file://{repository.folder}", "main")
    assert emails(clone.asked(last)) == ["last@x"]


def test_grafted_parents_hide_nobody(repository):
    first = repository.by("first@x")
    repository.by("hidden@x")
    last = repository.by("last@x")
    grafts = repository.folder / ".git" / "info" / "grafts"
    grafts.parent.mkdir(exist_ok=True)
    grafts.write_text(f"{last} {first}\n")
    assert emails(repository.asked(last, known(first))) == ["hidden@x", "last@x"]


def test_the_clones_own_settings_hide_no_co_author(repository):
    first = repository.by("first@x")
    last = repository.by("last@x", "x\n\nCo-authored-by: Eve <eve@x>, Dan <dan@x>")
    repository.git("config", "trailer.separators", "=")
    assert emails(repository.asked(last, known(first))) == ["dan@x", "eve@x", "last@x"]


def test_neither_a_mailmap_nor_a_replacement_makes_it_somebody_elses(repository):
    first = repository.by("first@x")
    (repository.folder / ".mailmap").write_text("Other <other@x> <rude@x>\n")
    repository.git("add", ".mailmap")
    last = repository.by("rude@x")
    innocent = repository.git("commit-tree", f"{last}^{{tree}}", "-p", first, "-m", "x")
    repository.git("replace", last, innocent)
    assert emails(repository.asked(last, known(first))) == ["rude@x"]


def test_what_no_commit_names_is_not_known(repository):
    repository.by("a@x")
    bench: Any = SimpleNamespace(config=SimpleNamespace(context=repository.folder))
    dirty = Source(commit="ab" * 20, dirty=True, folder="", problem="the work tree has changes")
    assert authors(bench, dirty, ())["problem"] == "the work tree has changes"
    assert not authors(bench, Source(commit="", dirty=False, folder="", problem=""), ())["known"]
    missing = repository.asked("ab" * 20)
    assert "does not show the commits" in missing["problem"]


def test_names_that_look_like_something_else_do_not_shift_the_columns():
    log = "a@x\nName, <b@x>\nc@x\nC\nDan <d@x> junk\n <e@x>\nE <f@x>, F <g@x>\nh@x\n\0\n\0a@x\nA\na@x\nA\n\0"
    count, people = read_log(log)
    assert count == 2
    assert people == {
        ("Name, <b@x>", "a@x"),
        ("C", "c@x"),
        ("Dan", "d@x"),
        ("", "e@x"),
        ("E", "f@x"),
        ("F", "g@x"),
        ("", "h@x"),
        ("A", "a@x"),
    }
