"""DSSE: the envelope in which statements are signed.

Source: secure-systems-lab/dsse ``protocol.md`` 1.0 and ``envelope.md`` 1.0.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from sluiceway.record import Record

__all__ = [
    "IN_TOTO",
    "Envelope",
    "MalformedError",
    "decoded",
    "envelope",
    "pae",
    "read_envelope",
    "strict_json",
]

IN_TOTO = "application/vnd.in-toto+json"
"""Payload type of an in-toto statement."""


class MalformedError(ValueError):
    """Signed material is not in the form that its specification asks for; says where."""


class Envelope(Record):
    """An envelope as read; nothing in it is verified yet."""

    payload: bytes
    payload_type: str
    signatures: tuple[bytes, ...]

    @property
    def signed_bytes(self) -> bytes:
        """The bytes that each signature is over."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding: what is signed instead of the bare payload.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope(payload: bytes, payload_type: str, signatures: Sequence[bytes]) -> dict[str, Any]:
    """Return the JSON object of an envelope, in the key order that cosign writes."""
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": base64.b64encode(item).decode()} for item in signatures],
    }


def read_envelope(data: Any) -> Envelope:
    """Read an envelope's JSON object.

    Raises:
        MalformedError: When it has another shape, or no signature at all.
    """
    if not isinstance(data, dict):
        raise MalformedError("the DSSE envelope is not an object")
    payload_type, signatures = data.get("payloadType"), data.get("signatures")
    if not isinstance(payload_type, str) or not isinstance(signatures, list) or not signatures:
        raise MalformedError("the DSSE envelope has no payloadType or no signatures")
    if not all(isinstance(item, dict) for item in signatures):
        raise MalformedError("a signature of the DSSE envelope is not an object")
    return Envelope(
        payload=decoded(data.get("payload"), "the DSSE payload"),
        payload_type=payload_type,
        signatures=tuple(decoded(item.get("sig"), "a DSSE signature") for item in signatures),
    )


def decoded(text: Any, what: str) -> bytes:
    """Decode base64 with the standard alphabet and padding; nothing else is let through."""
    if not isinstance(text, str):
        raise MalformedError(f"{what} is missing")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"{what} is not base64") from error


def strict_json(body: bytes, what: str) -> Any:
    """Parse JSON in which no object has a key twice: parsers differ on which of the two counts.

    Nor may it hold ``NaN`` or an infinity, which only some parsers take for JSON.
    """
    try:
        return json.loads(
            body, object_pairs_hook=_without_duplicates, parse_constant=_no_such_number
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{what} is not proper JSON: {error}") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedError("one object has a key twice")
    return result


def _no_such_number(text: str) -> None:
    raise MalformedError(f"{text} is no number of JSON")
