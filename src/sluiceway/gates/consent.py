"""Every approval of an image as policy input: those in the ledger, and those that plugins know of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.gates import statements
from sluiceway.model import (
    Actor,
    Approval,
    ApprovalRequest,
    Verdict,
    canonical,
    parse_time,
    rfc3339,
    to_json,
)
from sluiceway.workbench import Workbench

__all__ = ["as_input", "gathered", "recorded"]

_HOOK = "sluiceway_approvals"


def gathered(bench: Workbench, request: ApprovalRequest) -> list[dict[str, Any]]:
    """Return every approval of the request's image as policy input.

    A plugin that cannot say becomes an approval of verdict ``unknown``, which refuses: it might
    have been a rejection.
    """
    found = [as_input(each) for each in recorded(bench, request.image.digest, request.at)]
    for name in bench.plugins.serving(_HOOK):
        try:
            answer = bench.plugins.ask(name, _HOOK, request=request) or ()
        except SluicewayError as error:
            answer = (request.unread(name, "plugin", error.what),)
        found += [as_input(_unless_spent(bench, each)) for each in answer]
    return found


def recorded(bench: Workbench, digest: str, now: datetime) -> list[Approval]:
    """Return the signed approvals of *digest* in the ledger, each verified again now."""
    entries = bench.ledger.entries(kinds=("approval",), digest=digest, service=bench.config.service)
    return [_approval(bench, entry.body, now) for entry in entries]


def as_input(approval: Approval) -> dict[str, Any]:
    """Return *approval* as the gate's schema has it."""
    return {
        "approver": {**to_json(approval.approver)},
        "digest": approval.digest,
        "source": approval.source,
        "target": approval.target,
        "reason": approval.reason,
        "made_at": rfc3339(approval.made_at) if approval.made_at else "",
        "expires": rfc3339(approval.expires) if approval.expires else "",
        "policy_digest": approval.policy_digest,
        "verdict": approval.verdict.value,
        "valid": not approval.problem,
        "problem": approval.problem,
    }


def _approval(bench: Workbench, body: Mapping[str, Any], now: datetime) -> Approval:
    document = _object(body.get("statement"))
    predicate = _object(document.get("predicate"))
    name, digest = _subject(document)
    target = str(predicate.get("target", ""))
    problem, approver = "", Actor(name="", method="", proven=False)
    made_at = expires = None
    try:
        approver = bench.plugins.one(
            "sluiceway_verify_statement",
            statement=canonical(document),
            signature=str(body.get("signature", "")),
        )
        made_at = parse_time(str(predicate.get("made_at")))
        expires = parse_time(str(predicate.get("expires")))
        if document.get("predicateType") != statements.APPROVAL:
            problem = "it is not an approval"
        elif name != bench.config.service:
            problem = f"it is about the service {name!r}"
        elif expires <= now:
            problem = "it has expired"
        else:
            problem = _spent(bench, digest, target, made_at)
    except SluicewayError as error:
        problem = error.what
    except ValueError as error:
        problem = f"its times cannot be read: {error}"
    return Approval(
        approver=approver,
        verdict=Verdict.APPROVED,
        digest=digest,
        source=str(predicate.get("source", "")),
        target=target,
        made_at=made_at,
        expires=expires,
        policy_digest=str(predicate.get("policy_digest", "")),
        reason=str(predicate.get("reason", "")),
        problem=problem,
    )


def _subject(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return the service and the digest that a statement is about: exactly one of each, or none."""
    subjects = document.get("subject")
    (subject,) = subjects if isinstance(subjects, list) and len(subjects) == 1 else ({},)
    subject = _object(subject)
    digests = _object(subject.get("digest"))
    digest = f"sha256:{digests['sha256']}" if set(digests) == {"sha256"} else ""
    return str(subject.get("name", "")), digest


def _spent(bench: Workbench, digest: str, target: str, made: datetime) -> str:
    """Say why an approval made then is used up: the target has had the digest and lost it since.

    Consent is given once. Going back to an older digest, or trying a withdrawn one again, takes
    another.
    """
    here = False
    for entry in bench.ledger.entries(
        kinds=("deployed", "rolled-back"), service=bench.config.service, environment=target
    ):
        since = entry.at > made
        if since and entry.kind == "rolled-back" and entry.body.get("previous") == digest:
            return "the digest was rolled back after it was given"
        if since and here and entry.digest != digest:
            return f"it was used, and {target} has moved on since"
        here = entry.digest == digest
    return ""


def _unless_spent(bench: Workbench, approval: Approval) -> Approval:
    """Return an approval given elsewhere as it is, or saying that it is used up, as ours are."""
    if approval.problem or approval.made_at is None:
        return approval
    problem = _spent(bench, approval.digest, approval.target, approval.made_at)
    return replace(approval, problem=problem)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
