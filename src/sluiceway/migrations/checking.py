"""A check of files at somebody's desk: what was found about the same files before is not found out again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.migrations import judging, kept
from sluiceway.migrations.judging import Judged, Read
from sluiceway.migrations.kept import Kept
from sluiceway.migrations.reading import Gathered, gathered, understood
from sluiceway.migrations.records import Asked, Dialect, SqlParser
from sluiceway.workbench import Workbench

__all__ = ["check", "from_here", "parsers_for"]


def check(
    bench: Workbench,
    paths: Sequence[Path],
    dialect: Dialect,
    *,
    now: datetime,
    layout: str = "auto",
    strict: bool = False,
    advice: bool = False,
    cache: Path | None = None,
) -> Judged:
    """Have every migration at and below *paths* judged, each standing alone.

    Args:
        bench: The project, or defaults.
        paths: Files and folders.
        dialect: Whose SQL it is.
        now: The moment of the decision.
        layout: Whose tool's folder it is.
        strict: Two grammars read every statement.
        advice: Rules that only advise are asked too.
        cache: The folder of earlier answers (:mod:`.kept`); ``None`` to ask nothing but the files.

    Raises:
        UsageError: There is no migration there.
        ActionFailed: No grammar reads the dialect here.
    """
    parsers = parsers_for(bench, dialect, strict=strict)
    files = gathered(paths)
    rules = judging.rules_of(bench, now=now, advice=advice)
    asked = rules.asked
    known = kept.grammar(parsers) if cache is not None else None
    if cache is None or known is None:
        read = judging.read_facts(
            understood(files, dialect, layout=layout, prefix=from_here(paths)),
            parsers[0],
            dialect,
            second=parsers[1] if strict else None,
            asked=asked,
        )
        return judging.judge(bench, read, now=now, rules=rules)
    names = [dialect.value, layout, strict]
    place = [str(Path.cwd()), *(str(path) for path in paths)]
    before = Kept.open(cache, place, *names)
    whole = kept.key_of(files.digest, *place, *names, *known)
    judged = _remembered(bench, before, whole, dialect, rules, now=now)
    if judged is not None:
        return judged
    read = _again(before, whole, dialect, asked) or _anew(
        before, whole, files, paths, dialect, layout, parsers, known, asked
    )
    judged = judging.judge(bench, read, now=now, rules=rules)
    if judged.judged and not judged.document["waivers"]:
        key = _decision_key(bench, whole, judged.decision.policy_digest, advice=advice)
        before.keep(judged.decision, key)
    before.save()
    return judged


def _remembered(
    bench: Workbench,
    before: Kept,
    whole: str,
    dialect: Dialect,
    rules: judging.Rules,
    *,
    now: datetime,
) -> Judged | None:
    """Return what was decided about exactly these files, if nothing else has a part in it."""
    if before.whole != whole or rules.approvals or isinstance(rules.bundle, SluicewayError):
        return None
    key = _decision_key(bench, whole, rules.bundle.digest, advice=rules.advice)
    decision, read = before.decided(key, now), _said(before, dialect, ())
    if decision is None or read is None:
        return None
    return Judged(decision=decision, document={}, read=read)


def _decision_key(bench: Workbench, whole: str, policies: str, *, advice: bool) -> str:
    """Return the name of a decision; empty for one that may be another tomorrow.

    The policies that come with Sluiceway look at the moment only where there are approvals; a site's own
    may look at it anywhere.
    """
    engine, config = bench.engine, bench.config
    if engine is None or config.policy_path is not None or config.policy_bundle:
        return ""
    try:
        version = engine.version
    except SluicewayError:  # it cannot be asked now; to judge says so, as a finding
        return ""
    code = [kept.code_digest(room) for room in ("sluiceway.policy", "sluiceway.model")]
    about = (
        config.service,
        judging.service_of(bench),
        config.rehearsal,
        advice,
        engine.name,
        version,
    )
    return kept.key_of(whole, policies, *about, *code) if all(code) else ""


def parsers_for(bench: Workbench, dialect: Dialect, *, strict: bool) -> tuple[SqlParser, ...]:
    """Return the grammar that reads *dialect* here, or the two that are compared.

    Raises:
        ActionFailed: ``migrations.no-parser``, ``migrations.one-parser``.
    """
    if strict:
        return judging.two_parsers(bench, dialect)
    return (judging.parser_for(bench, dialect),)


def _again(before: Kept, whole: str, dialect: Dialect, asked: Asked | None) -> Read | None:
    """Return what was read of exactly these files, if that is known."""
    facts = before.all_facts() if before.whole == whole and before.holds(asked) else None
    return _said(before, dialect, facts) if facts is not None else None


def _said(before: Kept, dialect: Dialect, facts: Sequence[dict[str, Any]]) -> Read | None:
    said = before.read
    try:
        return Read(
            facts=tuple(facts),
            files=int(said["files"]),
            statements=int(said["statements"]),
            dialect=dialect,
            layout=str(said["layout"]),
            skipped=tuple({"path": str(e["path"]), "why": str(e["why"])} for e in said["skipped"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _anew(
    before: Kept,
    whole: str,
    files: Gathered,
    paths: Sequence[Path],
    dialect: Dialect,
    layout: str,
    parsers: Sequence[SqlParser],
    known: Sequence[str],
    asked: Asked | None,
) -> Read:
    """Read the files, and parse what was not parsed as it stands."""
    from sluiceway.migrations import state  # not needed for files of which all is known

    reading = understood(files, dialect, layout=layout, prefix=from_here(paths))
    found: dict[str, tuple[list[dict[str, Any]], int]] = {}
    if len(parsers) > 1:
        read = judging.read_facts(reading, parsers[0], dialect, second=parsers[1])
        # What two grammars disagree about is found out over all files together.
        asked = None
        found[whole] = [dict(fact) for fact in read.facts], read.statements
    else:
        # What more was asked for before goes on being asked for.
        reuse = before.holds(asked)
        asked = before.asked if reuse else asked
        more = kept.key_of(*known, dialect.value)
        for script in reading.scripts:
            key = kept.script_key(script, more)
            facts = before.facts(key) if reuse else None
            if facts is None:
                facts = state.facts_asked((script,), parsers[0], dialect, asked)
            found[key] = facts
        read = Read(
            facts=tuple(fact for facts, _ in found.values() for fact in facts),
            files=len(reading.scripts),
            statements=sum(number for _, number in found.values()),
            dialect=dialect,
            layout=reading.layout,
            skipped=tuple({"path": each.path, "why": each.why} for each in reading.skipped),
        )
    said = {
        "files": read.files,
        "statements": read.statements,
        "layout": read.layout,
        "skipped": [dict(each) for each in read.skipped],
    }
    before.hold(whole, found, said, asked)
    return read


def from_here(paths: Sequence[Path]) -> str:
    """Return what stands before the path of each file, as one names it from the current folder."""
    if len(paths) > 1 or not paths[0].is_dir():
        return ""
    return (paths[0] / "_").as_posix()[:-1]
