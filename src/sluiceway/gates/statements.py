"""Requests and approvals as small in-toto statements that a person signs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway.model import Actor, canonical, parse_time, rfc3339
from sluiceway.workbench import Workbench

__all__ = ["APPROVAL", "REQUEST", "approvals", "signed", "statement", "verified"]

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


def verified(bench: Workbench, asked: Mapping[str, Any], image: Mapping[str, Any]) -> Actor:
    """Return who signed a recorded request, verified again, when it is about *image*.

    Raises:
        ActionFailed: When the signature is not good, or it is about another digest.
    """
    actor: Actor = bench.plugins.one(
        "sluiceway_verify_statement",
        statement=canonical(asked["request"]),
        signature=asked["signature"],
    )
    (subject,) = asked["request"]["subject"]
    if f"sha256:{subject['digest']['sha256']}" != image["digest"]:
        raise ActionFailed(
            f"the recorded request is about another digest than {image['digest']}",
            means="The run's record was changed, so nothing is done by it.",
            remedy="Ask for the promotion again.",
            code="run.tampered",
        )
    return actor


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
        elif _spent(bench, document, predicate):
            problem = "the digest was rolled back after it was given"
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


def _spent(bench: Workbench, document: Mapping[str, Any], predicate: Mapping[str, Any]) -> bool:
    """Say whether the approved digest was taken back from the target since the approval."""
    digest = f"sha256:{document['subject'][0]['digest']['sha256']}"
    made = parse_time(str(predicate.get("made_at")))
    rollbacks = bench.ledger.entries(
        kinds=("rolled-back",),
        service=bench.config.service,
        environment=str(predicate.get("target", "")),
    )
    return any(entry.body.get("previous") == digest and entry.at > made for entry in rollbacks)
