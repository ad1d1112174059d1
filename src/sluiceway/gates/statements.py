"""Requests and approvals as small in-toto statements that a person signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Actor, canonical
from sluiceway.workbench import Workbench

__all__ = ["APPROVAL", "REQUEST", "signed", "statement", "verified"]

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


def verified(
    bench: Workbench, asked: Mapping[str, Any], digest: str, way: Mapping[str, str]
) -> Actor:
    """Return who signed a recorded request, verified again, when it asks for just this.

    What people sign otherwise (an approval of the same image) is good with the same key, so that
    it is a request, of this service, is looked at as well.

    Args:
        bench: What to work with.
        asked: ``{"request", "signature"}`` as recorded.
        digest: What the run is about.
        way: What the predicate has to say: ``{"source", "target", "run"}``.

    Raises:
        ActionFailed: When the signature is not good, or it asks for something else.
    """
    document, signature = asked["request"], str(asked["signature"])
    actor: Actor = bench.plugins.one(
        "sluiceway_verify_statement", statement=canonical(document), signature=signature
    )
    predicate = document.get("predicate") if isinstance(document, Mapping) else None
    wanted = statement(
        REQUEST,
        service=bench.config.service,
        digest=digest,
        predicate=dict(predicate) | dict(way) if isinstance(predicate, Mapping) else way,
    )
    if document != wanted:
        raise ActionFailed(
            f"the recorded request does not ask for {digest} to go this way in this run",
            means="The run's record was changed, so nothing is done by it.",
            remedy="Ask for the promotion again.",
            code="run.tampered",
        )
    return actor
