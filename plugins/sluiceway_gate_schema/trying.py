"""The dry run of a promotion: what is attested is tried, beside what serves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sluiceway import __version__
from sluiceway.errors import SluicewayError
from sluiceway.gates.migration import Known, released_in
from sluiceway.migrations.dryrun import (
    Call,
    Outcome,
    Report,
    ScratchServer,
    dry_run,
    judge,
    read_calls,
)
from sluiceway.migrations.reading import read
from sluiceway.migrations.records import Dialect, Script
from sluiceway.migrations.released import Released, difference, scripts, taken
from sluiceway.migrations.statements import spans
from sluiceway.model import Evidence, GateRequest, Level, Maker, Project, Status, digest_of
from sluiceway.record import Record
from sluiceway.workbench import Workbench

__all__ = ["Recorded", "evidence", "recorded", "tried"]

_VERSION = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,99}")
"""What a release may be called whose name becomes that of a file."""
_MOST = 20
"""Findings and names of files in the facts; their numbers are there as well."""


class Recorded(Record):
    """What a release says to its database."""

    calls: tuple[Call, ...]
    digest: str
    """Of the file."""


def evidence(project: Project, request: GateRequest, plan: Mapping[str, Any]) -> Evidence | None:
    """Try what *request* would bring to its target. Never raises for what is found there.

    Returns ``None`` where there is no database, or one of which no throw-away copy can be made.
    """
    with closing(Workbench.open(project.root, project.environ)) as bench:
        settings = bench.config.migrations
        if settings is None or settings.dialect is not Dialect.POSTGRES:
            return None
        try:
            return _of(bench, request, plan)
        except SluicewayError as error:
            return _piece(request, Status.ERROR, error.what)


def _of(bench: Workbench, request: GateRequest, plan: Mapping[str, Any]) -> Evidence:
    release = _known(bench, request.source, request.image.digest)
    digest = bench.held(request.target)
    held = _known(bench, request.target, digest) if digest else None
    for known in (release, held):
        if known is not None and known.released is None:
            return _piece(request, Status.ERROR, f"of {known.digest[:19]}, {known.problem}")
    if release.released is None:  # pragma: no cover - returned above
        raise AssertionError(release)
    root = bench.config.path.parent
    says = recorded(root / plan["statements"], held) if held is not None else None
    seed = [
        script for path in plan["seed"] for script in read(root / path, Dialect.POSTGRES).scripts
    ]
    server: ScratchServer | None = bench.plugins.maybe("sluiceway_scratch_database")
    if server is None:
        return _piece(request, Status.ERROR, "there is no database server to try migrations on")
    with server:
        return tried(request, server, release.released, held, says, seed=seed)


def _known(bench: Workbench, environment: str, digest: str) -> Known:
    image = bench.image(digest, environment)
    if image is None:
        return Known(digest=digest, released=None, problem="the registry no longer holds it")
    registry = bench.registry_at(image.repository)
    found = bench.plugins.one("sluiceway_attestations", image=image, registry=registry)
    return released_in(found, digest)


def recorded(folder: Path, held: Known) -> Recorded | None:
    """Return what the release that serves was recorded to say; ``None`` when nothing was.

    Raises:
        UsageError: The file is no such recording.
    """
    if not _VERSION.fullmatch(held.version):
        return None
    path = folder / f"{held.version}.jsonl"
    if not path.is_file():
        return None
    return Recorded(calls=read_calls(path), digest=digest_of(path.read_bytes()))


def tried(
    request: GateRequest,
    server: ScratchServer,
    release: Released,
    held: Known | None,
    says: Recorded | None,
    *,
    seed: Sequence[Script] = (),
) -> Evidence:
    """Return what came of trying.

    Args:
        request: What is promoted to where.
        server: Where databases can be made and thrown away.
        release: What the promoted digest migrates.
        held: What the target holds; ``None`` when nothing is there, and no code has to live with it.
        says: What the release that is held says to its database.
        seed: Rows that are there when the new migrations come.

    Raises:
        ActionFailed: The history cannot be replayed.
    """
    beyond = difference(release, held.released if held is not None else None)
    facts: dict[str, Any] = {
        "release": release.version,
        "serving": held.version if held is not None else "",
        "history": len(release.migrations) - len(beyond.new),
        "new": len(beyond.new),
        "files": list(beyond.new[:_MOST]),
        "statements": says.digest if says is not None else "",
        "recorded": 0,
        "counted": 0,
        "broken": 0,
        "checks": [],
    }
    for lost, what in ((beyond.changed, "was changed"), (beyond.missing, "is gone")):
        if lost:
            why = (
                f"{lost[0]} has run in {request.target} and {what}, so that nothing can be replayed"
            )
            return _piece(request, Status.ERROR, why, facts)
    if not beyond.new:
        why = f"nothing is new to the database of {request.target}"
        return _piece(request, Status.OK, why, facts)
    every = scripts(release)
    names = {each.name for each in every}
    report = judge(
        dry_run(
            server,
            taken(every, names - set(beyond.new)),
            taken(every, beyond.new),
            partial(spans, dialect=Dialect.POSTGRES),
            seed=seed,
            old=says.calls if says is not None else None,
        )
    )
    facts |= _facts(report)
    return _piece(request, *_verdict(report, request, held, facts), facts)


def _facts(report: Report) -> dict[str, Any]:
    document = report.document()
    denied = [each for each in report.findings if each.level is Level.DENY]
    return {
        **(document["old_release"] or {}),
        "server": f"{report.trial.server} {report.trial.version}",
        "checks": [
            {
                "name": each.code,
                "status": Status.FAILED.value,
                "detail": f"{each.file}:{each.line}: {each.message}" if each.file else each.message,
            }
            for each in denied[:_MOST]
        ],
    }


def _verdict(
    report: Report, request: GateRequest, held: Known | None, facts: Mapping[str, Any]
) -> tuple[Status, str]:
    new = f"{facts['new']} new migrations"
    if report.outcome is Outcome.BROKEN:
        first = facts["checks"][0]["detail"] if facts["checks"] else "they fail"
        return Status.FAILED, f"{new} were tried: {first}"
    if report.outcome is not Outcome.PASS:
        why = next((each.message for each in report.findings), "it could not be tried")
        return Status.ERROR, f"{new} were tried: {why}"
    if held is None:
        return Status.OK, f"{new} apply to an empty database; nothing serves {request.target} yet"
    serving, counted = held.version, facts["counted"]
    if not counted:
        why = f"no statement of {serving}, which serves {request.target}, was recorded"
        return Status.NO_DATA, f"{new} apply, and {why}"
    return Status.OK, f"{new} apply, and {counted} recorded statements of {serving} work with them"


def _piece(
    request: GateRequest, status: Status, summary: str, facts: Mapping[str, Any] | None = None
) -> Evidence:
    return Evidence(
        kind="schema",
        status=status,
        subject=request.image.digest,
        made_at=datetime.now(UTC),
        maker=Maker(plugin="gate-schema", tool="sluiceway", version=__version__),
        summary=summary,
        facts=facts if facts is not None else {"checks": []},
    )
