"""Facts to a decision: the gate ``migration``.

What is dangerous stands in the policies. Here the input is put together, asked about in one query,
and what came back is brought into the order of the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sluiceway import policy
from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway.gates import waivers
from sluiceway.migrations.asked import asked_by, sent
from sluiceway.migrations.places import by_kind
from sluiceway.migrations.reading import Reading
from sluiceway.migrations.records import Asked, Dialect, SqlParser
from sluiceway.model import Actor, Decision, Finding, Level, rfc3339, to_json
from sluiceway.record import Record
from sluiceway.workbench import Workbench

__all__ = [
    "NOBODY",
    "Judged",
    "Read",
    "Rules",
    "approvals",
    "finding_json",
    "gate_input",
    "judge",
    "parser_for",
    "read_facts",
    "rules_of",
    "service_of",
    "two_parsers",
]

NOBODY = Actor(name="nobody", method="none", proven=False)
"""Who asks where nobody asks for anything to be promoted."""

_APPROVAL = re.compile(r"migration\.[a-z-]+/(sha256:[0-9a-f]{64})(/.*)?")
_TWO = 2
_UNJUDGED = ("policy.", "input.")


class Read(Record):
    """What the scripts of some files do, ready for the gate."""

    facts: tuple[Mapping[str, Any], ...]
    """As JSON; of the kinds that are harmless too, unless only others were asked for."""
    files: int
    statements: int
    dialect: Dialect
    layout: str
    skipped: tuple[Mapping[str, str], ...] = ()
    """``{"path", "why"}`` of what is not judged."""


class Judged(Record):
    """A decision about some migrations, with the input it was made from."""

    decision: Decision
    """Its findings in the order of the files."""
    document: Mapping[str, Any]
    """Empty when the decision was made before, about the same; then *read* has no facts either."""
    read: Read
    unused: tuple[str, ...] = ()
    """Codes of approvals in force that match no statement of these files."""
    bundle: str = ""
    """The artifact that the policies were pulled as; perhaps none."""

    @property
    def judged(self) -> bool:
        """The policies were asked and answered; otherwise the decision says why not."""
        return not any(each.code.startswith(_UNJUDGED) for each in self.decision.findings)


def parser_for(bench: Workbench, dialect: Dialect) -> SqlParser:
    """Return the grammar that reads *dialect* here.

    Raises:
        ActionFailed: ``migrations.no-parser``: none of the chosen ones does.
    """
    parser: SqlParser | None = bench.plugins_for("sql").maybe(
        "sluiceway_sql_parser", dialect=dialect
    )
    if parser is None:
        raise ActionFailed(
            f"none of the chosen grammars reads {dialect} here",
            means="Nothing was judged.",
            remedy="Install one: pip install 'sqlfluff[rs]' (every dialect) or postgast (PostgreSQL);"
            " `invoke plugins` says which are chosen as sql in [stages].",
            code="migrations.no-parser",
        )
    return parser


def two_parsers(bench: Workbench, dialect: Dialect) -> tuple[SqlParser, SqlParser]:
    """Return the first two grammars that read *dialect* here.

    Raises:
        ActionFailed: ``migrations.one-parser``: there are not two.
    """
    plugins = bench.plugins_for("sql")
    found = [each for _, each in plugins.each("sluiceway_sql_parser", dialect=dialect)]
    if len(found) < _TWO:
        raise ActionFailed(
            f"there are not two grammars here that read {dialect}",
            means="--strict compares two independent readings, so nothing was judged.",
            remedy="Leave out --strict; PostgreSQL is read by libpg-query and sqlfluff, other dialects"
            " by sqlfluff alone.",
            code="migrations.one-parser",
        )
    return found[0], found[1]


def read_facts(
    reading: Reading,
    parser: SqlParser,
    dialect: Dialect,
    *,
    together: bool = False,
    second: SqlParser | None = None,
    asked: Asked | None = None,
) -> Read:
    """Return what the scripts of *reading* do; *together* as for :func:`state.facts`.

    With a *second* grammar, each statement that the two read differently is one that cannot be judged.
    Of scripts that one grammar reads and that each stand alone, it may be only what is *asked* for.
    """
    from sluiceway.migrations import state  # not needed for files of which all is known
    from sluiceway.migrations.compare import as_facts, compare

    if together or second is not None:
        found = state.facts(reading.scripts, parser, dialect, together=together)
        facts = found.facts
        if second is not None:
            other = state.facts(reading.scripts, second, dialect, together=together).facts
            facts += as_facts(compare(facts, other, (parser.name, second.name)))
        stated, statements = [state.fact_json(fact) for fact in facts], found.statements
    else:
        stated, statements = state.facts_asked(reading.scripts, parser, dialect, asked)
    return Read(
        facts=tuple(stated),
        files=len(reading.scripts),
        statements=statements,
        dialect=dialect,
        layout=reading.layout,
        skipped=tuple({"path": each.path, "why": each.why} for each in reading.skipped),
    )


def gate_input(
    facts: Sequence[Mapping[str, Any]],
    read: Read,
    *,
    service: str,
    now: datetime,
    waivers: Sequence[Mapping[str, Any]] = (),
    actor: Actor = NOBODY,
    rehearsal: bool = False,
    advice: bool = False,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the gate's input, as ``schemas/migration/input.json`` has it.

    Args:
        facts: As JSON, those of :func:`~sluiceway.migrations.asked.sent`. Where those of each kind are is written down beside
            them, so that one that is lost later is noticed by the rules.
        read: Of which files, in which dialect.
        service: The service's name; empty where there is none, and so nobody who could approve.
        now: The moment of the decision.
        waivers: As policy input.
        actor: Who asks; a person's own approvals do not count for that person.
        rehearsal: The project only rehearses.
        advice: Rules that only advise are asked too.
        more: What stands beside all that: ``run``, ``image``, ``target``.
    """
    return {
        "gate": "migration",
        "now": rfc3339(now),
        "service": service,
        "dialect": read.dialect.value,
        "files": read.files,
        "statements": read.statements,
        "kinds": by_kind(facts),
        "facts": list(facts),
        "advice": advice,
        "waivers": list(waivers),
        "actor": to_json(actor),
        "rehearsal": rehearsal,
        **(more or {}),
    }


class Rules(Record):
    """What files are judged by."""

    bundle: policy.Bundle | SluicewayError
    """The policies, or why there are none."""
    approvals: Sequence[Mapping[str, Any]]
    """As policy input."""
    advice: bool

    @property
    def asked(self) -> Asked | None:
        """The facts that the rules ask for; all, where an approval may name the statement of any."""
        return None if self.approvals else asked_by(self.bundle, advice=self.advice)


def rules_of(bench: Workbench, *, now: datetime, advice: bool = False) -> Rules:
    """Return the policies, and the approvals of the project that *bench* is in."""
    return Rules(bundle=bench.bundle(), approvals=approvals(bench, now), advice=advice)


def judge(
    bench: Workbench,
    read: Read,
    *,
    now: datetime,
    advice: bool = False,
    rules: Rules | None = None,
) -> Judged:
    """Have *read* judged by *rules*; left out, they are :func:`rules_of` the bench.

    Never raises for what policies, engine or input do: each is a finding that denies, and
    :attr:`Judged.judged` tells it from a refusal.
    """
    if rules is None:
        rules = rules_of(bench, now=now, advice=advice)
    bundle, known, advice = rules.bundle, rules.approvals, rules.advice
    document = gate_input(
        sent(read.facts, bundle, advice=advice),
        read,
        service=service_of(bench),
        now=now,
        waivers=known,
        rehearsal=bench.config.rehearsal,
        advice=advice,
    )
    decision = policy.decide(bench.engine, bundle, "migration", document, now=now)
    return Judged(
        decision=decision,
        document=document,
        read=read,
        unused=_unused(known, read.facts, now),
        bundle=bundle.artifact if isinstance(bundle, policy.Bundle) else "",
    )


def service_of(bench: Workbench) -> str:
    """Return whose migrations are judged; empty outside of any project."""
    return bench.config.service if bench.config.path.is_file() else ""


def approvals(bench: Workbench, now: datetime) -> list[dict[str, Any]]:
    """Return every approval of a statement of this service as policy input.

    Outside of any project there is none, and nothing is opened to look.
    """
    if not service_of(bench):
        return []
    found = waivers.applicable(bench, environment="", digest="", now=now)
    return [each for each in found if each["code"].startswith("migration.")]


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as the command's JSON has it: with its place in one row."""
    at = finding.at
    return {
        "code": finding.code,
        "level": finding.level.value,
        "file": at.file if at else "",
        "line": at.line if at else 0,
        "table": at.table if at else "",
        "column": at.column if at else "",
        "statement": at.statement if at else "",
        "statement_hash": at.statement_hash if at else "",
        "message": finding.message,
        "solution": finding.solution,
        "waived": to_json(finding.waived),
    }


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return *findings* as one reads the files; those about no file first."""
    return sorted(
        findings,
        key=lambda each: (
            (each.at.file, each.at.line) if each.at else ("", 0),
            each.level is not Level.DENY,
            each.code,
            each.message,
        ),
    )


def _unused(
    known: Sequence[Mapping[str, Any]], facts: Iterable[Mapping[str, Any]], now: datetime
) -> tuple[str, ...]:
    if not known:
        return ()
    hashes = {fact["statement_hash"] for fact in facts}
    ends = rfc3339(now)
    found = []
    for each in known:
        approval = _APPROVAL.fullmatch(each["code"])
        lasting = each["valid"] and each["expires"] > ends
        if lasting and approval is not None and approval[1] not in hashes:
            found.append(each["code"])
    return tuple(dict.fromkeys(found))
