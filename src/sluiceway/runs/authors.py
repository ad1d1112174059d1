"""Who wrote and committed what is released, as git has it. Git proves none of it: see the docs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sluiceway.gates.change import unknown
from sluiceway.record import Record
from sluiceway.runs.source import Source, git
from sluiceway.workbench import Workbench

__all__ = ["Released", "authors", "read_log", "released_before"]

_FORMAT = "%ae%n%an%n%ce%n%cn%n%(trailers:key=Co-authored-by,valueonly=true,unfold=true)"
"""One item a line: git allows no line break in a name or an address. Not ``%aE``: the mailmap is a
file in the commit, for whoever wrote the commit to fill in."""
_COMMIT = re.compile("[0-9a-f]{40}([0-9a-f]{24})?")
_ADDRESS = re.compile("([^<>]*)<([^<>]*)>")
_MOST = 100
"""Releases that are looked at from either end of the history."""


class Released(Record):
    """A commit that was released before."""

    commit: str
    known: bool
    """It was recorded then who made its change."""


def released_before(bench: Workbench, commit: str) -> tuple[Released, ...]:
    """Return the commits that were released of this service, the newest first."""
    found: dict[str, bool] = {}
    for entry in bench.ledger.entries(kinds=("release",), service=bench.config.service):
        revision = str(entry.body.get("revision", ""))
        if _COMMIT.fullmatch(revision) and revision != commit:
            recorded = entry.body.get("change") or {}
            known = found.pop(revision, False) or recorded.get("known") is True
            found[revision] = known
    return tuple(Released(commit=each, known=known) for each, known in reversed(found.items()))


def authors(bench: Workbench, source: Source, before: Sequence[Released]) -> dict[str, Any]:
    """Return who made the commits of *source* since the nearest commit that was released before.

    Shape: ``{"known", "problem", "revision", "since", "commits", "people": [{"name", "email"}],
    "first"}``. Without one before it, it is the released commit with what it merged. *first* says
    that no release before *since* has to be looked at.
    """
    revision = source.revision
    if source.problem or not source.commit:
        return unknown(revision, source.problem or "no commit names the source")
    # Only one commit is looked at without a release before; of a merge, what it merged as well.
    whole = (git(bench, "rev-parse", "--is-shallow-repository") or "").strip() == "false"
    if not whole and (before or _is_merge(bench, source.commit)):
        return unknown(revision, "the clone is shallow, so it does not have the whole history")
    since, first = _since(bench, source.commit, before)
    spans = [f"{since}..{source.commit}"] if since else [f"{source.commit}^1..{source.commit}"]
    log = _log(bench, *spans)
    if log is None and not since:  # the first commit of all has no parent
        log = _log(bench, "-1", source.commit)
    if not log:
        return unknown(revision, f"git does not show the commits up to {source.commit[:12]}")
    commits, people = read_log(log)
    return {
        "known": True,
        "problem": "",
        "revision": revision,
        "since": since,
        "commits": commits,
        "people": [{"name": name, "email": email} for name, email in sorted(people)],
        "first": first,
    }


def read_log(log: str) -> tuple[int, set[tuple[str, str]]]:
    """Return how many commits *log* (in our format, ended by NUL) shows, and whose they are."""
    people: set[tuple[str, str]] = set()
    records = [record for record in log.split("\0") if record.strip()]
    for record in records:
        author_email, author, committer_email, committer, *others = record.split("\n")
        people |= {(author, author_email), (committer, committer_email), *_named(others)}
    return len(records), people


def _named(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        # Who writes two people into one line does not leave one of them out.
        for name, address in _ADDRESS.findall(line) or ([("", line)] if line.strip() else ()):
            yield name.strip(", "), address.strip()


def _is_merge(bench: Workbench, commit: str) -> bool:
    """Say whether the commit itself names several parents, whichever of them are here."""
    text = git(bench, "cat-file", "commit", commit) or ""
    head = text.partition("\n\n")[0].split("\n")
    return sum(line.startswith("parent ") for line in head) > 1


def _since(bench: Workbench, commit: str, before: Sequence[Released]) -> tuple[str, bool]:
    """Return the released commit from which the change is told, and whether the telling ends there.

    The nearest whose own change is known. When none is (they were released by a Sluiceway that
    recorded nothing), the oldest of all: everything since then is part of the change.
    """
    for each in [each for each in before if each.known][:_MOST]:
        if _is_ancestor(bench, each.commit, commit):
            return each.commit, False
    for each in list(reversed(before))[:_MOST]:
        if _is_ancestor(bench, each.commit, commit):
            return each.commit, True
    return "", True


def _is_ancestor(bench: Workbench, earlier: str, later: str) -> bool:
    return git(bench, "merge-base", "--is-ancestor", earlier, later) is not None


def _log(bench: Workbench, *span: str) -> str | None:
    return git(bench, "log", "-z", f"--format={_FORMAT}", *span, "--")
