"""How each environment stands with its migrations, and what waits for which readers. Changes nothing."""

from __future__ import annotations

from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.gates.migration import Known
from sluiceway.migrations.released import difference
from sluiceway.migrations.uses import contracting, named
from sluiceway.runs import migrating
from sluiceway.workbench import Workbench

__all__ = ["standing"]


def standing(bench: Workbench) -> list[dict[str, Any]]:
    """Return one row for each environment, in the order of the path.

    Each is ``{"environment", "digest", "release", "problem", "migrations", "last", "uses", "new",
    "waiting"}``: *migrations* is how many the digest there carries and *last* the last one's name,
    *new* are those that the digest of the environment before it would bring, and *waiting* what of
    these takes something away that is still used: ``{"what", "migration", "readers", "problem"}``.
    """
    rows = []
    for environment in bench.config.environments:
        before = bench.config.predecessor(environment.name)
        rows.append(_row(bench, before, environment.name))
    return rows


def _row(bench: Workbench, before: str, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "environment": name,
        "digest": "",
        "release": "",
        "problem": "",
        "migrations": None,
        "last": "",
        "uses": None,
        "new": [],
        "waiting": [],
    }
    try:
        held = _held(bench, name)
        row |= _said(held) if held is not None else {}
        coming = _held(bench, before)
        if coming is not None and coming.released is not None:
            base = held.released if held is not None else None
            new = difference(coming.released, base).new
            row |= {"new": list(new), "waiting": _waiting(bench, coming, new, name, row["digest"])}
    except SluicewayError as error:
        row["problem"] = error.what
    return row


def _held(bench: Workbench, environment: str) -> Known | None:
    digest = bench.held(environment)
    return migrating.known_of(bench, environment, digest) if digest else None


def _said(held: Known) -> dict[str, Any]:
    said: dict[str, Any] = {"digest": held.digest, "release": held.version, "problem": held.problem}
    if held.released is not None:
        names = [each.name for each in held.released.migrations]
        said |= {
            "migrations": len(names),
            "last": names[-1] if names else "",
            "uses": held.released.uses is not None,
        }
    return said


def _waiting(
    bench: Workbench, coming: Known, new: tuple[str, ...], target: str, holds: str
) -> list[dict[str, Any]]:
    facts, _ = migrating.facts_of(bench, coming.released, new)
    if not any(contracting(fact) for fact in facts):
        return []
    found = []
    for fact in migrating.read_by(bench, facts, coming, target, holds):
        reader = fact.get("last_reader")
        if reader is None or (reader["known"] and not reader["serving"]):
            continue
        found.append(
            {
                "what": named(fact),
                "migration": str(fact.get("migration", "")),
                "readers": reader["serving"],
                "problem": reader["problem"],
            }
        )
    return found
