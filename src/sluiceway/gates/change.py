"""Who made what a promotion would bring: read from the releases in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluiceway.workbench import Workbench

__all__ = ["change", "joined", "revisions", "unknown"]


def change(bench: Workbench, digest: str, held: str) -> dict[str, Any]:
    """Return who made what *digest* has beyond *held*, the digest that the target holds now.

    Shape: ``{"known", "problem", "revision", "since", "commits", "people": [{"name", "email"}]}``.
    """
    entries = bench.ledger.entries(kinds=("release",), service=bench.config.service)
    return joined([{"digest": entry.digest, **entry.body} for entry in entries], digest, held)


def revisions(bench: Workbench, digest: str) -> tuple[str, ...]:
    """Return the commits of which *digest* was released, oldest first, without doubles."""
    entries = bench.ledger.entries(kinds=("release",), digest=digest, service=bench.config.service)
    found = (str(entry.body.get("revision", "")) for entry in entries)
    return tuple(dict.fromkeys(each for each in found if each and not each.endswith("-dirty")))


def unknown(revision: str, problem: str) -> dict[str, Any]:
    """Return the change of which nobody recorded who made it."""
    return {
        "known": False,
        "problem": problem,
        "revision": revision,
        "since": "",
        "commits": 0,
        "people": [],
    }


def joined(releases: Sequence[Mapping[str, Any]], digest: str, held: str) -> dict[str, Any]:
    """Join the changes of the releases from *digest* back to *held*. Pure.

    Each release recorded who made the commits since the released commit before it, so they form a
    chain. What was released and never promoted is part of what is promoted now. Where *held* is not
    on the chain it is followed to its end: rather somebody too many than one too few.

    Args:
        releases: ``{"digest", "revision", "change"}``, oldest first.
        digest: What is promoted.
        held: What the target holds now; empty for nothing.
    """
    mine = [each for each in releases if each["digest"] == digest]
    found = _known(mine)
    if found is None:
        said = next((_change(each).get("problem") for each in reversed(mine)), "")
        revision = str(mine[-1].get("revision", "")) if mine else ""
        return unknown(revision, str(said or "its release recorded nothing about it"))
    here = {str(each.get("revision", "")) for each in releases if each["digest"] == held}
    here -= {str(found.get("revision", ""))}
    people: set[tuple[str, str]] = set()
    commits, seen, step = 0, set[str](), found
    while True:
        part = _change(step)
        people |= {(str(each["name"]), str(each["email"])) for each in part["people"]}
        commits += part["commits"]
        since = str(part["since"])
        if not since or part.get("first") or since in here or since in seen:
            break
        seen.add(since)
        before = _known(each for each in releases if each.get("revision") == since)
        if before is None:
            return unknown(
                str(found["revision"]), f"the release of {since[:12]} recorded nothing about it"
            )
        step = before
    return {
        "known": True,
        "problem": "",
        "revision": str(found["revision"]),
        "since": since,
        "commits": commits,
        "people": [{"name": name, "email": email} for name, email in sorted(people)],
    }


def _known(releases: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((each for each in releases if _change(each).get("known") is True), None)


def _change(release: Mapping[str, Any]) -> Mapping[str, Any]:
    recorded = release.get("change")
    return recorded if isinstance(recorded, Mapping) else {}
