"""What lies beside an image in the registry, read with suspicion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import Registry
from sluiceway.oci.beside import unusable
from sluiceway.record import Record, field
from sluiceway.signing.dsse import IN_TOTO, Envelope, MalformedError, read_envelope, strict_json
from sluiceway.signing.public_key import PublicKey

__all__ = [
    "MOST",
    "SIGNATURE",
    "Check",
    "Found",
    "TooManyError",
    "by_keys",
    "check_signed",
    "content",
    "judge_envelope",
]

SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
"""Predicate type by which a statement is an image *signature* and not some other attestation."""

MOST = 1000
"""Signatures or referrers that are read of one image; cosign's own limit."""

_STATEMENTS = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
_MOST_SIGNATURES = 16

Check = Callable[[Envelope], str]
"""Says who made an envelope's signature: a trusted key's fingerprint, a trusted identity. Raises
:class:`MalformedError` with the reason when it was nobody who is trusted."""


class TooManyError(MalformedError):
    """There is more beside the image than is read; nothing of it is then believed."""


class Found(Record):
    """One signature or attestation, and what became of checking it."""

    where: str
    """For messages: ``signature 2 of sha256-....sig``."""
    digest: str
    """Digest of the stored envelope or manifest."""
    predicate_type: str
    subject: str = ""
    """The digest that it speaks of; empty when it speaks of none."""
    predicate: Mapping[str, Any] = field(default_factory=dict)
    signer: str = ""
    """Who made its signature: the fingerprint of a trusted key, or a trusted identity."""
    problem: str = ""
    """Why it does not count; empty when it does."""


def content(registry: Registry, digest: str, limit: int) -> bytes:
    """Return a blob, or raise :class:`MalformedError` when it is missing, changed or too large."""
    try:
        return registry.blob(digest, limit=limit)
    except ActionFailed as error:
        if unusable(error):
            raise MalformedError(error.what) from error
        raise


def by_keys(keys: Sequence[PublicKey]) -> Check:
    """Return the check that one of *keys* made the envelope's signature."""

    def check(envelope: Envelope) -> str:
        return check_signed(envelope.signed_bytes, envelope.signatures, keys).fingerprint

    return check


def check_signed(
    message: bytes, signatures: Sequence[bytes], keys: Sequence[PublicKey]
) -> PublicKey:
    """Return the trusted key that one of *signatures* over *message* verifies with."""
    if len(signatures) > _MOST_SIGNATURES:
        raise MalformedError(f"it has {len(signatures)} signatures, more than are looked at")
    for key in keys:
        if any(key.verifies(signature, message) for signature in signatures):
            return key
    raise MalformedError("no trusted key made its signature, or it was changed after signing")


def judge_envelope(data: Any, image_digest: str, check: Check, *, where: str, digest: str) -> Found:
    """Verify a DSSE envelope with an in-toto statement about *image_digest*.

    Whatever can be read is in the result, also when a check fails; only with an empty
    :attr:`Found.problem` is any of it to be believed.
    """
    try:
        envelope = read_envelope(data)
        statement = _statement(envelope)
    except MalformedError as error:
        return Found(where=where, digest=digest, predicate_type="", problem=str(error))
    subjects = _subjects(statement)
    signer, problem = "", ""
    try:
        signer = check(envelope)
    except MalformedError as error:
        problem = str(error)
    if not problem and image_digest not in subjects:
        problem = f"it is about {subjects[0] if subjects else 'nothing'}, not {image_digest}"
    subject = image_digest if image_digest in subjects else next(iter(subjects), "")
    return Found(
        where=where,
        digest=digest,
        predicate_type=statement["predicateType"],
        subject=subject,
        predicate=statement.get("predicate") or {},
        signer=signer,
        problem=problem,
    )


def _statement(envelope: Envelope) -> dict[str, Any]:
    if envelope.payload_type != IN_TOTO:
        raise MalformedError(f"its payload is of type {envelope.payload_type!r}, no statement")
    statement = strict_json(envelope.payload, "its statement")
    if not isinstance(statement, dict) or str(statement.get("_type")) not in _STATEMENTS:
        raise MalformedError("it holds no in-toto statement v1 or v0.1")
    kind, predicate = statement.get("predicateType"), statement.get("predicate")
    if not isinstance(kind, str) or not kind:
        raise MalformedError("its statement has no predicateType")
    if predicate is not None and not isinstance(predicate, dict):
        raise MalformedError("its predicate is not an object")
    return statement


def _subjects(statement: Mapping[str, Any]) -> tuple[str, ...]:
    subjects = statement.get("subject")
    return tuple(
        f"sha256:{item['digest']['sha256']}"
        for item in (subjects if isinstance(subjects, list) else ())
        if isinstance(item, dict)
        and isinstance(item.get("digest"), dict)
        and isinstance(item["digest"].get("sha256"), str)
    )
