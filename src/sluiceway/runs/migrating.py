"""Migrations in the life of a release: attested with it, judged where it goes, asked for on the way back.

Nothing here runs a migration: that is the deployment's own business. What is known is which ones a
digest carries, which of them are new to an environment, and from when on they may have run there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from sluiceway import events
from sluiceway.config import Migrations
from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway.gates import decide
from sluiceway.gates.migration import Asked, Known, migration_input, released_with
from sluiceway.ledger import Entry
from sluiceway.migrations import released as releases
from sluiceway.migrations import uses
from sluiceway.migrations.readers import Reader, Stay, with_readers
from sluiceway.migrations.released import MIGRATIONS, Difference, Released
from sluiceway.model import Actor, Environment, Image, Manifest, Strategy
from sluiceway.runs import history
from sluiceway.runs.context import RunContext
from sluiceway.runs.deciding import holds, keep_decision, verified_again
from sluiceway.runs.release import attest as attest_about
from sluiceway.workbench import Workbench

__all__ = [
    "NOTED",
    "allowed",
    "attest",
    "facts_of",
    "judge",
    "known_of",
    "note",
    "noted",
    "read_by",
    "since",
    "still",
]

NOTED = "migrations"
"""The ledger's kind: from here on these may have run in the environment."""
_REMEMBERED = 12
"""Releases that are looked at to say which one read something last."""
_NOTHING = Difference(new=(), changed=(), missing=(), out_of_order=())


# --- at a release ---------------------------------------------------------------------------------


def attest(
    bench: Workbench, image: Image, manifest: Manifest, built: Mapping[str, Any]
) -> dict[str, Any]:
    """Attest the migrations of the source and what it declares to use; once for one digest.

    Raises:
        ActionFailed: ``migrations.contradiction``: this digest was released with others before.
        UsageError: As :func:`~sluiceway.migrations.released.collected`.
    """
    settings = _settings(bench)
    found = releases.collected(settings, str(built["parameters"]["version"]))
    before = released_with(bench, image)
    if before.released is not None and before.released != found:
        raise ActionFailed(
            f"{image.digest} was released with other migrations or uses before",
            means="One image that stands for two states of the database cannot be judged. The image "
            "did not change, so its source is the same but for the migrations.",
            remedy="Copy the migrations into the image, or raise its version, so that it is another.",
            code="migrations.contradiction",
        )
    if before.released is None:
        attest_about(bench, image, manifest, MIGRATIONS, releases.predicate(found))
    return {
        "migrations": len(found.migrations),
        "layout": found.layout,
        "uses": found.uses is not None,
    }


# --- at a promotion -------------------------------------------------------------------------------


def allowed(judged: Mapping[str, Any] | None) -> bool:
    """Say whether the migrations may go; those of a service without a database may."""
    return judged is None or judged["decision"]["allow"] is True


def judge(
    bench: Workbench,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    attempt: int = 0,
) -> dict[str, Any]:
    """Have the gate ``migration`` decide about what is new since what the target holds.

    Returns ``{"decision", "known", "new", "facts"}``.
    """
    image, target, now = Image(**found["image"]), str(request["target"]), datetime.now(UTC)
    release = released_with(bench, image)
    held = _held(bench, target, found["target_holds"], release)
    base = held.released if held is not None else None
    difference = (
        releases.difference(release.released, base) if release.released is not None else _NOTHING
    )
    facts, statements = facts_of(bench, release.released, difference.new)
    if any(uses.contracting(fact) for fact in facts):
        facts = read_by(bench, facts, release, target, found["target_holds"])
    document = migration_input(
        bench,
        Asked(
            image=image,
            source=str(request["source"]),
            target=target,
            actor=Actor(**asked["actor"]),
            run=str(request["run"]),
            now=now,
            release=release,
            held=held,
            difference=difference,
            facts=facts,
            statements=statements,
        ),
    )
    judged = decide.migration(bench, document, now)
    decision = keep_decision(
        bench, request, image.digest, asked, judged, attempt=attempt, of="migration-decision"
    )
    return {
        "decision": decision,
        "known": release.released is not None,
        "new": list(difference.new),
        "facts": facts,
    }


def still(
    context: RunContext,
    request: Mapping[str, Any],
    found: Mapping[str, Any],
    asked: Mapping[str, Any],
    judged: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """Return *judged*, or what the gate says now when its decision is old or somebody else's."""
    if judged is None or holds(context, judged["decision"]):
        return None if judged is None else dict(judged)
    again = verified_again(context.bench, request, found, asked)
    return judge(context.bench, request, found, again, attempt=context.lease.token)


def note(
    bench: Workbench,
    request: Mapping[str, Any],
    image: Image,
    actor: str,
    judged: Mapping[str, Any],
) -> dict[str, Any]:
    """Write down, before the deployment, what may have run in the target from here on.

    It is not taken back when the deployment fails or a canary is: nobody undoes a migration by that.
    """
    if judged["known"] and not judged["new"]:
        return {"seq": None}
    new = list(judged["new"])
    entry = bench.ledger.append(
        NOTED,
        key=f"{request['run']}:{NOTED}",
        run=request["run"],
        service=bench.config.service,
        environment=request["target"],
        digest=image.digest,
        actor=actor,
        body={
            "summary": f"{len(new)} new: {', '.join(new)}" if judged["known"] else "unknown ones",
            "known": judged["known"],
            "new": new,
            "facts": list(judged["facts"]),
        },
    )
    return {"seq": entry.seq}


def _held(bench: Workbench, target: str, digest: str, release: Known) -> Known | None:
    if not digest:
        return None
    if digest == release.digest:
        return release
    return known_of(bench, target, digest)


def known_of(bench: Workbench, environment: str, digest: str) -> Known:
    """Return what is attested about *digest*, in the repository of *environment*."""
    image = bench.image(digest, environment)
    if image is None:
        return Known(digest=digest, released=None, problem="the registry no longer holds it")
    return released_with(bench, image)


def facts_of(
    bench: Workbench, released: Released | None, names: Iterable[str]
) -> tuple[list[dict[str, Any]], int]:
    """Return the facts of the migrations called *names* as JSON, and how many statements they have.

    Raises:
        ActionFailed: ``migrations.no-parser``.
    """
    from sluiceway.migrations import state

    wanted = tuple(names)
    if released is None or not wanted:
        return [], 0
    parser = bench.plugins.maybe("sluiceway_sql_parser", dialect=released.dialect)
    if parser is None:
        raise ActionFailed(
            f"no plugin here reads the SQL of {released.dialect}",
            means="What nobody can read is not judged, and does not go anywhere.",
            remedy="Run `invoke plugins` for the reason, or choose another in [stages] sql.",
            code="migrations.no-parser",
        )
    scripts = releases.taken(releases.scripts(released), wanted)
    found = state.facts(scripts, parser, released.dialect, together=True)
    return [state.fact_json(fact) for fact in found.facts], found.statements


# --- who still reads it ---------------------------------------------------------------------------


def read_by(
    bench: Workbench,
    facts: Sequence[Mapping[str, Any]],
    release: Known,
    target: str,
    target_holds: str,
) -> list[dict[str, Any]]:
    """Return *facts* with the last readers of what each contracting one takes away.

    Args:
        bench: What to work with.
        facts: Of the new migrations, as JSON.
        release: What would be promoted.
        target: Where to.
        target_holds: The digest that is there now; perhaps none.
    """
    known: dict[str, Known] = {release.digest: release}
    watched = _watched(bench, target)
    serving = [replace(_reader(target, release), coming=True)]
    for environment in watched:
        for digest in _serving(bench, environment.name, target, target_holds):
            if digest not in known:
                known[digest] = known_of(bench, environment.name, digest)
            reader = _reader(environment.name, known[digest])
            if replace(reader, coming=True) != serving[0] and reader not in serving:
                serving.append(reader)
    unknown = (
        ""
        if any(reader.digest != release.digest for reader in serving)
        else f"no other release is known to have served {target}"
    )
    past: list[Stay] = []
    for environment_left, digest, left_at in _left(bench, watched):
        if digest not in known:
            known[digest] = known_of(bench, environment_left, digest)
        past.append(Stay(reader=_reader(environment_left, known[digest]), left_at=left_at))
    return with_readers(facts, serving, past, unknown=unknown)


def _watched(bench: Workbench, target: str) -> list[Environment]:
    """Return the target, what comes after it on the path, and what shares a database with it."""
    every = list(bench.config.environments)
    here = bench.config.environment(target)
    index = every.index(here)
    return [each for each in every if every.index(each) >= index or each.route == here.route]


def _serving(bench: Workbench, environment: str, target: str, target_holds: str) -> list[str]:
    """Return what may serve there: what the tag names, and what the ledger says."""
    tagged = target_holds if environment == target else bench.held(environment)
    entry = history.current(bench.ledger, bench.config.service, environment)
    return list(dict.fromkeys(each for each in (tagged, entry.digest if entry else "") if each))


def _reader(environment: str, known: Known) -> Reader:
    said = known.released.uses if known.released is not None else None
    problem = known.problem or ("" if said is not None else "that declares no uses")
    return Reader(
        environment=environment,
        digest=known.digest,
        release=known.version,
        uses=said,
        problem=problem,
    )


def _left(bench: Workbench, watched: Sequence[Environment]) -> list[tuple[str, str, datetime]]:
    """Return what left the last of *watched* that has a history, newest first.

    Of each its environment, its digest, and when.
    """
    for environment in reversed(watched):
        entries = bench.ledger.entries(
            kinds=history.SERVING, service=bench.config.service, environment=environment.name
        )
        found = [
            (environment.name, before.digest, after.at)
            for before, after in pairwise(entries)
            if before.digest and after.digest != before.digest
        ]
        if entries:
            return found[::-1][:_REMEMBERED]
    return []


# --- on the way back ------------------------------------------------------------------------------


def since(bench: Workbench, image: Image, target: str, current: str) -> dict[str, Any] | None:
    """Return what *image* uses and the target's database no longer has.

    Shape: ``{"known", "problem", "since": [name], "broken": [Breakage]}``; ``None`` for a service
    without a database, and for a canary, on the way back from which the stable release serves. Never
    raises for what cannot be found out: the way back must stay open, so that is said and no more.
    """
    environment = bench.config.environment(target)
    if bench.config.migrations is None or environment.strategy is Strategy.CANARY:
        return None
    try:
        return _since(bench, image, target, current)
    except SluicewayError as error:
        events.emit("migrations.unknown", reason=error.what)
        return {"known": False, "problem": error.what, "since": [], "broken": []}


def _since(bench: Workbench, image: Image, target: str, current: str) -> dict[str, Any]:
    back = released_with(bench, image)
    mine = {each.name for each in back.released.migrations} if back.released is not None else set()
    entries = noted(bench, target)
    facts = [
        fact
        for entry in entries
        for fact in entry.body.get("facts", ())
        if fact.get("migration") not in mine
    ]
    covered = {name for entry in entries for name in entry.body.get("new", ())}
    unread = [entry for entry in entries if not entry.body.get("known")]
    problems = [
        back.problem,
        f"what {unread[-1].digest[:19]} migrated is not known" if unread else "",
    ]
    names = [name for name in dict.fromkeys(covered) if name not in mine]
    if current and current != image.digest and back.released is not None:
        now = known_of(bench, target, current)
        if now.released is not None:
            further = [
                each.name
                for each in now.released.migrations
                if each.name not in mine and each.name not in covered
            ]
            elsewhere, _ = facts_of(bench, now.released, further)
            facts, names = [*elsewhere, *facts], [*further, *names]
        elif not covered:
            problems.append(f"of {current[:19]}, which serves, {now.problem}")
    said = back.released.uses if back.released is not None else None
    if said is None and any(uses.contracting(fact) for fact in facts):
        problems.append("it does not declare what it reads and writes")
    problem = next((each for each in problems if each), "")
    return {
        "known": not problem,
        "problem": problem,
        "since": sorted(names),
        "broken": [each.to_json() for each in uses.broken(said, facts)] if said else [],
    }


def noted(bench: Workbench, target: str) -> tuple[Entry, ...]:
    """Return the entries of what may have run in the target's database, oldest first."""
    found = [
        entry
        for name in _on_route(bench, target)
        for entry in bench.ledger.entries(
            kinds=(NOTED,), service=bench.config.service, environment=name
        )
    ]
    return tuple(sorted(found, key=lambda entry: entry.seq))


def _on_route(bench: Workbench, target: str) -> tuple[str, ...]:
    """Return the environments that share *target*'s route, and so its database."""
    route = bench.config.environment(target).route
    return tuple(each.name for each in bench.config.environments if each.route == route)


def _settings(bench: Workbench) -> Migrations:
    settings = bench.config.migrations
    if settings is None:
        msg = "only asked of a service that has a database"
        raise AssertionError(msg)
    return settings
