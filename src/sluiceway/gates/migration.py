"""What a release migrates, as its verified statement says, and the input of the gate ``migration``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sluiceway.gates import waivers
from sluiceway.migrations.released import MIGRATIONS, Difference, Released, from_predicate
from sluiceway.model import Actor, Attestation, Image, to_json
from sluiceway.record import Record
from sluiceway.workbench import Workbench

__all__ = ["Asked", "Known", "migration_input", "released_in", "released_with"]


class Known(Record):
    """What is known of the migrations of one digest."""

    digest: str
    released: Released | None
    problem: str = ""
    """Why nothing is known; empty when it is."""

    @property
    def version(self) -> str:
        """What to call the release."""
        version = self.released.version if self.released is not None else ""
        return version or self.digest[:19]


class Asked(Record):
    """What is asked of the gate ``migration`` at a promotion."""

    image: Image
    source: str
    target: str
    actor: Actor
    run: str
    now: datetime
    release: Known
    held: Known | None
    """What the target holds; ``None`` when it holds nothing."""
    difference: Difference
    facts: Sequence[Mapping[str, Any]]
    """Of the new migrations, as JSON, with their readers."""
    statements: int


def released_in(attestations: Iterable[Attestation], digest: str) -> Known:
    """Read the statement about *digest*. Pure.

    It has to verify, to be about exactly this digest, and to be the only thing that is said: two
    that differ are no answer, because nobody signs in which order they were made.
    """
    found = [item for item in attestations if item.predicate_type == MIGRATIONS]
    if not found:
        return Known(digest=digest, released=None, problem="no migrations are attested to it")
    good = [item for item in found if item.verified and item.subject == digest]
    if not good:
        problem = next((item.problem for item in found if item.problem), "it is about another")
        return Known(
            digest=digest,
            released=None,
            problem=f"the statement of its migrations is not verified: {problem}",
        )
    try:
        said = [from_predicate(item.predicate) for item in good]
    except ValueError as error:
        return Known(digest=digest, released=None, problem=f"of its migrations {error}")
    if any(each != said[0] for each in said):
        return Known(
            digest=digest,
            released=None,
            problem="the statements of its migrations contradict each other",
        )
    return Known(digest=digest, released=said[0])


def released_with(bench: Workbench, image: Image) -> Known:
    """Return what is attested about *image*, where it is."""
    registry = bench.registry_at(image.repository)
    attestations: Sequence[Attestation] = bench.plugins.one(
        "sluiceway_attestations", image=image, registry=registry
    )
    return released_in(attestations, image.digest)


def migration_input(bench: Workbench, asked: Asked) -> dict[str, Any]:
    """Return the input of the gate, as ``schemas/migration/input.json`` has it."""
    from sluiceway.migrations.judging import Read, gate_input

    release, held = asked.release, asked.held
    # A release of which nothing is known speaks what the service says that it does.
    declared = release.released if release.released is not None else bench.config.migrations
    if declared is None:
        msg = "only asked of a service that has a database"
        raise AssertionError(msg)
    read = Read(
        facts=tuple(asked.facts),
        files=len(asked.difference.new),
        statements=asked.statements,
        dialect=declared.dialect,
        layout=declared.layout,
    )
    more = {
        "run": asked.run,
        "image": to_json(asked.image),
        "source": asked.source,
        "target": asked.target,
        "release": {
            "known": release.released is not None,
            "problem": release.problem,
            "version": release.version,
            "uses": release.released.uses.to_json()
            if release.released is not None and release.released.uses is not None
            else None,
            "new": list(asked.difference.new),
            "changed": list(asked.difference.changed),
            "missing": list(asked.difference.missing),
            "out_of_order": list(asked.difference.out_of_order),
            "held": {
                "digest": held.digest,
                "version": held.version,
                "known": held.released is not None,
                "problem": held.problem,
            }
            if held is not None
            else None,
        },
    }
    return gate_input(
        read.facts,
        read,
        service=bench.config.service,
        now=asked.now,
        waivers=waivers.applicable(
            bench, environment=asked.target, digest=asked.image.digest, now=asked.now
        ),
        actor=asked.actor,
        rehearsal=bench.config.rehearsal,
        more=more,
    )
