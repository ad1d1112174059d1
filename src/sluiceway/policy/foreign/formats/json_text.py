"""JSON, with conftest's keys, order and tabs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sluiceway.policy.foreign.numbers import Literal, quoted
from sluiceway.policy.foreign.results import Checked, Finding

__all__ = ["by_key", "document", "finding_document", "indented", "written"]


def written(results: Sequence[Checked]) -> str:
    """Return a list of results; ``null`` when nothing was judged."""
    return indented([document(each) for each in results] or None, "\t") + "\n"


def document(result: Checked) -> dict[str, Any]:
    """Return one result as JSON data; empty lists are left out."""
    made: dict[str, Any] = {
        "filename": "" if result.file == "-" else result.file,
        "namespace": result.namespace,
        "successes": result.successes,
    }
    for key in ("skipped", "warnings", "failures", "exceptions"):
        found = getattr(result, key)
        if found:
            made[key] = [finding_document(each) for each in found]
    return made


def finding_document(finding: Finding) -> dict[str, Any]:
    """Return one finding as JSON data."""
    made: dict[str, Any] = {"msg": finding.message}
    if finding.location is not None:
        made["loc"] = {}
        if finding.location.file:
            made["loc"]["file"] = finding.location.file
        if finding.location.line:
            made["loc"]["line"] = Literal(finding.location.line)
    if finding.metadata:
        made["metadata"] = by_key(dict(finding.metadata))
    return made


def indented(value: Any, step: str, depth: int = 0) -> str:
    """Return *value* as ``json.Indent`` lays it out; ``step`` indents one level."""
    inner, outer = "\n" + step * (depth + 1), "\n" + step * depth
    if isinstance(value, dict) and value:
        parts = (f"{quoted(key)}: {indented(each, step, depth + 1)}" for key, each in value.items())
        return "{" + inner + f",{inner}".join(parts) + outer + "}"
    if isinstance(value, list) and value:
        parts = (indented(each, step, depth + 1) for each in value)
        return "[" + inner + f",{inner}".join(parts) + outer + "]"
    if isinstance(value, str):
        return quoted(value)
    return value.text if isinstance(value, Literal) else json.dumps(value)


def by_key(value: Any) -> Any:
    """Return JSON data with the keys of every object sorted."""
    if isinstance(value, dict):
        return {key: by_key(value[key]) for key in sorted(value)}
    return [by_key(each) for each in value] if isinstance(value, list) else value
