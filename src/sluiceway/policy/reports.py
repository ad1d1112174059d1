"""Explanations as plain JSON data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.model import to_json
from sluiceway.policy.explaining import Explained, Explanation, Flip
from sluiceway.policy.facts import MISSING
from sluiceway.policy.seen import shown_path

__all__ = ["explanation_document"]


def explanation_document(explanation: Explanation, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an explanation of the decision about *document*; missing values are left out."""
    image = document.get("image")
    return {
        "decision": to_json(explanation.decision),
        "image": image if isinstance(image, Mapping) else None,
        "source": document.get("source"),
        "target": document.get("target", document.get("environment")),
        "changed": False,
        "run": document.get("run"),
        "recorded": None,
        "findings": [_finding(each) for each in explanation.findings],
        "together": None if explanation.whole is None else _flip(explanation.whole),
        "needed": [
            {"path": shown_path(each.place), "codes": list(each.codes), "schema": each.schema}
            for each in explanation.needed
        ],
        "evaluated": explanation.evaluated,
    }


def _finding(each: Explained) -> dict[str, Any]:
    rule = each.document
    metadata: Mapping[str, Any] = rule.metadata if rule is not None else {}
    return {
        **to_json(each.finding),
        "title": metadata.get("title", ""),
        "description": metadata.get("description", ""),
        "rule": None
        if rule is None
        else {"package": rule.package, "name": rule.rule, "file": rule.file, "row": rule.row},
        "waivable": each.waivable,
        "facts": [
            {"path": shown_path(fact.place), **_known("value", fact.value), "decides": fact.decides}
            for fact in each.facts
        ],
        "flips": [_flip(flip) for flip in each.flips],
    }


def _flip(flip: Flip) -> dict[str, Any]:
    return {
        "changes": [
            {
                "path": shown_path(change.place),
                **_known("before", change.before),
                **_known("after", change.after),
            }
            for change in flip.changes
        ],
        "allow": flip.allow,
        "left": list(flip.left),
    }


def _known(key: str, value: Any) -> dict[str, Any]:
    return {} if value is MISSING else {key: value}
