"""SARIF 2.1.0, with conftest's rules and results; the tool that it names is this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from sluiceway import __version__
from sluiceway.policy.foreign.formats.json_text import by_key
from sluiceway.policy.foreign.numbers import go_json
from sluiceway.policy.foreign.results import Checked, Finding, exit_status

__all__ = ["written"]

_SCHEMA = (
    "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/main/sarif-2.1/schema/"
    "sarif-schema-2.1.0.json"
)
_WORDS = {
    "deny": "Policy violation",
    "warn": "Policy warning",
    "allow": "Policy exception",
    "success": "Policy was satisfied successfully",
    "skip": "Policy check was skipped",
}
_ENDS = {
    "failures": "Policy violations found",
    "warnings": "Policy warnings found",
    "": "No policy violations found",
}


def written(results: Sequence[Checked]) -> str:
    """Return one run."""
    rules: dict[str, dict[str, Any]] = {}
    found: list[dict[str, Any]] = []
    for each in results:
        for kind, level, group in (
            ("deny", "error", each.failures),
            ("warn", "warning", each.warnings),
            ("allow", "note", each.exceptions),
        ):
            found += [_result(rules, each, kind, level, finding) for finding in group]
        if each.failures or each.warnings:
            continue
        kind = "success" if each.successes or each.exceptions else "skip"
        said = Finding(message=_WORDS[kind], metadata={"description": _WORDS[kind]})
        found.append(_result(rules, each, kind, "none", said))
    worst = next(
        (key for key in ("failures", "warnings") if any(getattr(each, key) for each in results)), ""
    )
    driver = {
        "name": "sluiceway",
        "rules": list(rules.values()),
        "version": __version__,
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [
            {
                "executionSuccessful": True,
                "exitCode": exit_status(results),
                "exitCodeDescription": _ENDS[worst],
            }
        ],
        "results": found,
    }
    return go_json({"version": "2.1.0", "$schema": _SCHEMA, "runs": [run]}, ordered=True)


def _result(
    rules: dict[str, dict[str, Any]], checked: Checked, kind: str, level: str, finding: Finding
) -> dict[str, Any]:
    rule = f"{checked.namespace}/{kind}"
    if rule not in rules:
        rules[rule] = {
            "id": rule,
            "shortDescription": {"text": _WORDS[kind]},
            **({"properties": by_key(dict(finding.metadata))} if finding.metadata else {}),
        }
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(checked.file)}}
    if finding.location is not None:
        line = _whole(finding.location.line)
        place["artifactLocation"] = {"uri": _uri(finding.location.file)}
        place["region"] = {"startLine": line, "endLine": line}
    return {
        "ruleId": rule,
        "ruleIndex": list(rules).index(rule),
        "level": level,
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": place}],
    }


def _uri(file: str) -> str:
    return quote(file, safe="$&+,/:;=@!()*~")


def _whole(line: str) -> int:
    return int(line) if line.removeprefix("-").isdecimal() else 0
