"""Waivers as statements that a person signs, and what a gate is told about them.

Whether one counts is for the policies (``data.waiver``). Here it is only found out what is true of
it: who signed it, for which service, until when, and whether somebody took it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.errors import SluicewayError
from sluiceway.gates.statements import statement
from sluiceway.model import Actor, Waiver, canonical, digest_of, parse_time, rfc3339
from sluiceway.workbench import Workbench

if TYPE_CHECKING:
    from sluiceway.ledger import Entry

__all__ = [
    "KIND",
    "WAIVER",
    "WITHDRAWAL",
    "WITHDRAWN",
    "applicable",
    "described",
    "recorded",
    "waiver_statement",
    "withdrawal_statement",
]

WAIVER = "urn:sluiceway:predicate:waiver:v1"
WITHDRAWAL = "urn:sluiceway:predicate:waiver-withdrawal:v1"
KIND = "waiver"
WITHDRAWN = "waiver-withdrawn"
"""The ledger's kinds of the two."""

_REMEMBERED = timedelta(days=90)
"""How long after its end a gate is still told of one, so that a refusal can say since when."""
_SCOPE = ("code", "environment", "digest", "package")


def waiver_statement(service: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statement of a waiver.

    Its subject is the image that it is for. One that is for every image is about its own scope:
    a statement has to be about something that has a digest.

    Args:
        service: The service's name.
        predicate: ``{"id", "code", "environment", "digest", "package", "reason", "made_at",
            "expires"}``, all texts; an empty one of the scope's means every one.
    """
    return statement(WAIVER, service=service, digest=_subject(predicate), predicate=predicate)


def withdrawal_statement(service: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statement that takes a waiver back: ``{"waiver", "reason", "made_at"}``."""
    digest = digest_of({"waiver": predicate["waiver"]})
    return statement(WITHDRAWAL, service=service, digest=digest, predicate=predicate)


def applicable(
    bench: Workbench, *, environment: str, digest: str, now: datetime
) -> list[dict[str, Any]]:
    """Return as policy input what may be about *digest* going into *environment*."""
    return [
        each
        for each in recorded(bench)
        if each["environment"] in ("", environment)
        and each["digest"] in ("", digest)
        and not _long_over(each, now)
    ]


def recorded(bench: Workbench) -> list[dict[str, Any]]:
    """Return every waiver of this service as policy input, each verified again now.

    Those of ``sluiceway.toml`` come first; then the ledger's, oldest first.
    """
    service = bench.config.service
    taken_back: dict[str, Entry] = {}
    for entry in bench.ledger.entries(kinds=(WITHDRAWN,), service=service):
        # Whoever signed it was proven when it was written down. It holds even if that person's key
        # is gone by now: losing a key must not bring a waiver back.
        taken_back.setdefault(str(_predicate(entry).get("waiver", "")), entry)
    found = [_of_file(service, waiver) for waiver in bench.config.waivers]
    signed = bench.ledger.entries(kinds=(KIND,), service=service)
    return found + [_of_ledger(bench, entry, taken_back.get(entry.run)) for entry in signed]


def described(service: str, waiver: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """Return a good waiver of *actor* as policy input."""
    return {
        "id": str(waiver["id"]),
        "service": service,
        **{name: str(waiver[name]) for name in _SCOPE},
        "reason": str(waiver["reason"]),
        "owner": actor.name,
        "method": actor.method,
        "proven": actor.proven,
        "key": actor.key,
        "signed": True,
        "made_at": rfc3339(parse_time(str(waiver["made_at"]))),
        "expires": rfc3339(parse_time(str(waiver["expires"]))),
        "valid": True,
        "problem": "",
    }


def _of_file(service: str, waiver: Waiver) -> dict[str, Any]:
    scope = {name: getattr(waiver, name) for name in _SCOPE}
    said = {"reason": waiver.reason, "owner": waiver.owner, "expires": rfc3339(waiver.expires)}
    return {
        "id": "file-" + digest_of({**scope, **said}).partition(":")[2][:12],
        "service": service,
        **scope,
        **said,
        "method": "",
        "proven": False,
        "key": "",
        "signed": False,
        "made_at": "",
        "valid": True,
        "problem": "",
    }


def _of_ledger(bench: Workbench, entry: Entry, taken_back: Entry | None) -> dict[str, Any]:
    document = entry.body.get("statement", {})
    predicate = _predicate(entry)
    problem = ""
    signer = Actor(name=entry.actor, method="", proven=False)
    try:
        signer = bench.plugins.one(
            "sluiceway_verify_statement",
            statement=canonical(document),
            signature=str(entry.body.get("signature", "")),
        )
        described(bench.config.service, predicate, signer)
        problem = _problem(bench.config.service, entry, document, taken_back)
    except SluicewayError as error:
        problem = error.what
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"its statement cannot be read: {type(error).__name__}: {error}"
    if not problem:
        return described(bench.config.service, predicate, signer)
    return {
        "id": entry.run,
        "service": bench.config.service,
        **{name: _text(predicate, name) for name in _SCOPE},
        "reason": _text(predicate, "reason"),
        "owner": signer.name,
        "method": signer.method,
        "proven": signer.proven,
        "key": signer.key,
        "signed": True,
        "made_at": _text(predicate, "made_at"),
        "expires": _text(predicate, "expires"),
        "valid": False,
        "problem": problem,
    }


def _problem(  # noqa: PLR0911 - one for each thing that may be wrong
    service: str, entry: Entry, document: Mapping[str, Any], taken_back: Entry | None
) -> str:
    """Say what is wrong with a statement whose signature is good and whose fields are there."""
    predicate = document["predicate"]
    (subject,) = document["subject"]
    if document.get("predicateType") != WAIVER:
        return "it is not a waiver"
    if subject.get("name") != service:
        return f"it is about the service {subject.get('name')!r}"
    if f"sha256:{subject['digest']['sha256']}" != _subject(predicate):
        return "it is about something else than it says"
    if predicate["id"] != entry.run:
        return f"it was signed as {predicate['id']}"
    if not (predicate["code"] and predicate["reason"]):
        return "it names no code or no reason"
    if taken_back is not None:
        reason = _text(_predicate(taken_back), "reason")
        return f"{taken_back.actor} withdrew it at {rfc3339(taken_back.at)}" + (
            f": {reason}" if reason else ""
        )
    return ""


def _subject(predicate: Mapping[str, Any]) -> str:
    return str(predicate["digest"]) or digest_of({name: predicate[name] for name in _SCOPE})


def _predicate(entry: Entry) -> Mapping[str, Any]:
    document = entry.body.get("statement", {})
    predicate = document.get("predicate") if isinstance(document, Mapping) else None
    return predicate if isinstance(predicate, Mapping) else {}


def _text(predicate: Mapping[str, Any], name: str) -> str:
    value = predicate.get(name, "")
    return value if isinstance(value, str) else ""


def _long_over(waiver: Mapping[str, Any], now: datetime) -> bool:
    try:
        return parse_time(waiver["expires"]) + _REMEMBERED <= now
    except ValueError:
        return False
