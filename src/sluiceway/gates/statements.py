"""Requests and approvals as small in-toto statements that a person signs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Actor, canonical, parse_time, rfc3339
from sluiceway.workbench import Workbench

__all__ = ["APPROVAL", "REQUEST", "approvals", "signed", "statement"]

_TYPE = "https://in-toto.io/Statement/v1"
REQUEST = "urn:sluiceway:predicate:request:v1"
APPROVAL = "urn:sluiceway:predicate:approval:v1"


def statement(
    kind: str, *, service: str, digest: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an in-toto statement v1 of predicate type *kind* about *digest*."""
    algorithm, _, value = digest.partition(":")
    return {
        "_type": _TYPE,
        "subject": [{"name": service, "digest": {algorithm: value}}],
        "predicateType": kind,
        "predicate": dict(predicate),
    }


def signed(bench: Workbench, document: Mapping[str, Any]) -> tuple[Actor, str]:
    """Sign *document* as the acting person and verify it as anybody else would.

    Returns:
        The actor as proven by the verification, and the armoured signature.
    """
    body = canonical(document)
    _, signature = bench.plugins.one("sluiceway_sign_statement", statement=body)
    actor: Actor = bench.plugins.one(
        "sluiceway_verify_statement", statement=body, signature=signature
    )
    return actor, signature


def approvals(bench: Workbench, digest: str, now: datetime) -> list[dict[str, Any]]:
    """Return the recorded approvals of *digest* as policy input, each verified again now."""
    return [
        _approval(bench, entry.body, now)
        for entry in bench.ledger.entries(
            kinds=("approval",), digest=digest, service=bench.config.service
        )
    ]


def _approval(bench: Workbench, body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    document = body.get("statement", {})
    predicate = document.get("predicate", {})
    subject = (document.get("subject") or [{}])[0]
    problem = ""
    approver = Actor(name="", method="", proven=False)
    try:
        approver = bench.plugins.one(
            "sluiceway_verify_statement",
            statement=canonical(document),
            signature=str(body.get("signature", "")),
        )
        if document.get("predicateType") != APPROVAL:
            problem = "it is not an approval"
        elif subject.get("name") != bench.config.service:
            problem = f"it is about the service {subject.get('name')!r}"
        elif parse_time(str(predicate.get("expires"))) <= now:
            problem = "it has expired"
    except SluicewayError as error:
        problem = error.what
    except ValueError as error:
        problem = f"its expiry cannot be read: {error}"
    return {
        "approver": {
            "name": approver.name,
            "method": approver.method,
            "proven": approver.proven,
            "key": approver.key,
        },
        "digest": f"sha256:{subject.get('digest', {}).get('sha256', '')}",
        "source": str(predicate.get("source", "")),
        "target": str(predicate.get("target", "")),
        "reason": str(predicate.get("reason", "")),
        "made_at": str(predicate.get("made_at", rfc3339(now))),
        "expires": str(predicate.get("expires", "")),
        "valid": not problem,
        "problem": problem,
    }
