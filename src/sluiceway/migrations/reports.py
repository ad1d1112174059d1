"""A judgement of migrations for other programs: SARIF 2.1.0, and GitHub's workflow commands. Pure.

Sources: OASIS "Static Analysis Results Interchange Format 2.1.0"; GitHub, "SARIF support for code
scanning" and "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sluiceway import __version__
from sluiceway.migrations.judging import in_order
from sluiceway.model import Finding, Level, digest_of, rfc3339
from sluiceway.scans.annotations import limited, workflow_command
from sluiceway.scans.sarif import SCHEMA, plain
from sluiceway.scans.words import one_line

if TYPE_CHECKING:
    from sluiceway.migrations.judging import Judged

__all__ = ["sarif_log", "workflow_commands"]

_SARIF = {Level.DENY: "error", Level.WARN: "warning", Level.ADVICE: "note"}
_GITHUB = {Level.DENY: "error", Level.WARN: "warning", Level.ADVICE: "notice"}
_ALL = "`invoke migrations.check` lists all."


def sarif_log(judged: Judged) -> dict[str, Any]:
    """Return *judged* as a SARIF log of one run, as JSON data.

    A finding that somebody approved is there, suppressed, with the reason. What is about no file
    (the policies could not be asked) is a notification of a failed invocation.
    """
    everything = in_order([*judged.decision.findings, *judged.decision.advice])
    placed = [each for each in everything if each.at is not None]
    rules = list(dict.fromkeys(each.code for each in placed))
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "Sluiceway",
                "semanticVersion": __version__,
                "rules": [_rule(code, placed) for code in rules],
            }
        },
        "automationDetails": {"id": "sluiceway-migrations/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": judged.judged,
                "endTimeUtc": rfc3339(judged.decision.at),
                "toolExecutionNotifications": [
                    {
                        "level": _SARIF[each.level],
                        "message": {"text": plain(f"{each.code}: {each.message}")},
                    }
                    for each in everything
                    if each.at is None
                ],
            }
        ],
        "results": [_result(each, rules.index(each.code)) for each in placed],
        "properties": {
            "dialect": judged.read.dialect.value,
            "files": judged.read.files,
            "statements": judged.read.statements,
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def workflow_commands(judged: Judged) -> tuple[str, ...]:
    """Return one command a line, the blocking ones first; what is approved is only a notice."""
    lines: dict[str, list[str]] = {"error": [], "warning": [], "notice": []}
    for each in in_order([*judged.decision.findings, *judged.decision.advice]):
        level = "notice" if each.waived is not None else _GITHUB[each.level]
        approved = f" (approved: {each.waived.reason})" if each.waived is not None else ""
        said = f"{each.message}{approved} {_advice(each)}"
        at = each.at
        lines[level].append(
            workflow_command(level, each.code, said, file=at.file, line=at.line)
            if at is not None
            else workflow_command(level, each.code, said)
        )
    return tuple(
        line for level, found in lines.items() for line in limited(level, found, "Migrations", _ALL)
    )


def _rule(code: str, findings: Iterable[Finding]) -> dict[str, Any]:
    first = next(each for each in findings if each.code == code)
    name = one_line(code)
    return {
        "id": name,
        "shortDescription": {"text": plain(name.partition(".")[2].replace("-", " "))},
        "help": {"text": plain(_advice(first))},
        "defaultConfiguration": {"level": _SARIF[first.level]},
        "properties": {"tags": ["database", "migration"]},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    at = finding.at
    assert at is not None  # noqa: S101 - the caller's choice
    result: dict[str, Any] = {
        "ruleId": one_line(finding.code),
        "ruleIndex": index,
        "level": _SARIF[finding.level],
        "message": {"text": plain(f"{finding.message} {_advice(finding)}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(at.file, safe="/")},
                    "region": {"startLine": at.line, "snippet": {"text": one_line(at.statement)}},
                }
            }
        ],
        # The statement's own hash, so that an alert stays the same when lines before it move.
        "partialFingerprints": {
            "primaryLocationLineHash": digest_of(
                [finding.code, at.statement_hash, at.table, at.column]
            ).partition(":")[2][:16]
            + ":1"
        },
    }
    if finding.waived is not None:
        result["suppressions"] = [
            {"kind": "external", "justification": one_line(finding.waived.reason)}
        ]
    return result


def _advice(finding: Finding) -> str:
    """Return the sentence of the solution, without the SQL that follows it."""
    return finding.solution.partition("\n")[0]
