"""The migrations of the working copy, judged as they would be if they were promoted as they stand."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from sluiceway import policy
from sluiceway.errors import UsageError
from sluiceway.gates.migration import Asked, Known, migration_input
from sluiceway.migrations import released as releases
from sluiceway.migrations import uses
from sluiceway.migrations.judging import NOBODY, Judged, Read
from sluiceway.migrations.released import Difference
from sluiceway.model import Image, digest_of
from sluiceway.record import Record
from sluiceway.runs import migrating
from sluiceway.workbench import Workbench

__all__ = ["Since", "since"]

_HERE = "the working copy"
_RUN = "working-copy"
_NO_IMAGE = "application/vnd.sluiceway.working-copy"
"""There is none yet: the digest is that of the migrations."""


class Since(Record):
    """What the working copy would bring to an environment."""

    judged: Judged
    environment: str
    held: Known | None
    """What runs there; ``None`` when nothing does, and everything is new."""
    difference: Difference

    def to_json(self) -> dict[str, Any]:
        """Return what stands in the command's JSON as ``since``."""
        return {
            "environment": self.environment,
            "digest": self.held.digest if self.held is not None else "",
            "release": self.held.version if self.held is not None else "",
            "problem": self.held.problem if self.held is not None else "",
            "new": list(self.difference.new),
            "changed": list(self.difference.changed),
            "missing": list(self.difference.missing),
            "out_of_order": list(self.difference.out_of_order),
        }


def since(bench: Workbench, environment: str, *, now: datetime, advice: bool = False) -> Since:
    """Have what the service's migrations do beyond those that run in *environment* judged.

    The gate is asked as at a promotion, so that what it says there it says here: of a migration that has
    run and was changed since (``migration.changed``), of one that has run and is gone from the folder
    (``migration.missing``), of a release there that attests none (``migration.baseline``), and of who still
    reads what would go. Nothing is written down.

    Raises:
        UsageError: There is no such environment or no migration; ``migrations.none-declared``.
        ActionFailed: ``migrations.no-parser``.
    """
    settings = bench.config.migrations
    target = bench.config.environment(environment).name
    if settings is None:
        raise UsageError(
            f"{bench.config.service} declares no database",
            means="So no release of it says which migrations it has, and nothing is known to have run.",
            remedy=f"Add [migrations] to {bench.config.path.name} "
            "(docs/migrations-lifecycle.md), or leave out --since.",
            code="migrations.none-declared",
        )
    found = releases.collected(settings, _HERE)
    release = Known(digest=digest_of(releases.predicate(found)), released=found)
    holds = bench.held(target)
    held = migrating.known_of(bench, target, holds) if holds else None
    difference = releases.difference(found, held.released if held is not None else None)
    facts, statements = migrating.facts_of(bench, found, difference.new)
    if any(uses.contracting(fact) for fact in facts):
        facts = migrating.read_by(bench, facts, release, target, holds)
    folder = Path(os.path.relpath(settings.folder))
    facts = [{**fact, "file": _from_here(folder, fact["file"])} for fact in facts]
    document = migration_input(
        bench,
        Asked(
            image=Image(
                repository=bench.config.repository_of(target),
                digest=release.digest,
                media_type=_NO_IMAGE,
            ),
            source=bench.config.predecessor(target),
            target=target,
            actor=NOBODY,
            run=_RUN,
            now=now,
            release=release,
            held=held,
            difference=difference,
            facts=facts,
            statements=statements,
        ),
    ) | {"advice": advice}
    decision = policy.decide(bench.engine, bench.bundle(), "migration", document, now=now)
    read = Read(
        facts=tuple(facts),
        files=len(difference.new),
        statements=statements,
        dialect=found.dialect,
        layout=found.layout,
    )
    return Since(
        judged=Judged(decision=decision, document=document, read=read),
        environment=target,
        held=held,
        difference=difference,
    )


def _from_here(folder: Path, file: str) -> str:
    return (folder / file).as_posix() if folder.is_dir() else folder.as_posix()
