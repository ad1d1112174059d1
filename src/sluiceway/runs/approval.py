"""A person's consent to one digest going one way, signed and written down."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sluiceway.errors import SluicewayError, UsageError
from sluiceway.gates import consent, statements, waiting
from sluiceway.model import Actor, Image, check_digest, rfc3339, to_json
from sluiceway.runs.ids import new_run_id
from sluiceway.workbench import Workbench

__all__ = ["approve"]

_ABBREVIATED = re.compile("(sha256:)?([0-9a-f]{6,63})")


def approve(
    bench: Workbench, digest: str, target: str, *, reason: str, hours: float
) -> dict[str, Any]:
    """Sign and record that *digest* may go into *target* within the next *hours*.

    The statement names the digest of the policies that are in force here, with all their data:
    where another set judges later, or this one was changed, it does not count.

    Returns:
        ``{"approver", "digest", "run", "source", "target", "reason", "made_at", "expires",
        "policy_digest", "repeats", "counts", "why_not"}``. *repeats* is the run of an approval of
        the same thing by the same person that still holds, or ``""``. *counts* is what the policies
        say of this approval now, ``None`` when they cannot be asked; the gate asks again later.
    """
    environment = bench.config.environment(target).name
    image = _image(bench, digest)
    source = bench.config.predecessor(environment)
    bundle = bench.bundle()
    if isinstance(bundle, SluicewayError):
        raise bundle
    now = datetime.now(UTC)
    predicate = {
        "source": source,
        "target": environment,
        "reason": reason,
        "made_at": rfc3339(now),
        "expires": rfc3339(now + timedelta(hours=hours)),
        "policy_digest": bundle.digest,
    }
    document = statements.statement(
        statements.APPROVAL, service=bench.config.service, digest=digest, predicate=predicate
    )
    actor, signature = statements.signed(bench, document)
    repeats = _repeats(bench, actor, digest, predicate, now)
    run = new_run_id("approve")
    bench.ledger.append(
        "approval",
        key=f"{run}:approval",
        run=run,
        service=bench.config.service,
        environment=environment,
        digest=digest,
        actor=actor.name,
        body={"statement": document, "signature": signature},
    )
    counts, why_not = _counts(bench, image, source, environment, actor, predicate)
    return {
        "approver": to_json(actor),
        "digest": digest,
        "run": run,
        **predicate,
        "repeats": repeats,
        "counts": counts,
        "why_not": why_not,
    }


def _image(bench: Workbench, digest: str) -> Image:
    abbreviated = _ABBREVIATED.fullmatch(digest)
    if abbreviated:
        raise UsageError(
            f"{digest!r} is the beginning of a digest, not a whole one",
            means="Consent is to exactly one image; what begins alike is not the same.",
            remedy=_whole(bench, abbreviated[2]),
            code="digest.malformed",
        )
    image = bench.image(check_digest(digest))
    if image is None:
        raise UsageError(
            f"{bench.registry.repository} holds no {digest}",
            means="Only an image that is there can be approved.",
            remedy="Copy the digest whole from `invoke status`.",
            code="image.unknown",
        )
    return image


def _whole(bench: Workbench, beginning: str) -> str:
    """Say which released digests begin so, so that a person can look and choose."""
    entries = bench.ledger.entries(kinds=("release",), service=bench.config.service)
    found = dict.fromkeys(
        entry.digest for entry in entries if entry.digest[7:].startswith(beginning)
    )
    if found:
        return f"If this is the one, name it whole: {' or '.join(found)}"
    return "Copy it whole from `invoke status` or `invoke approvals`."


def _repeats(
    bench: Workbench, actor: Actor, digest: str, predicate: dict[str, Any], now: datetime
) -> str:
    """Return the run of the actor's own approval of the same thing, when one still holds."""
    same = ("source", "target", "policy_digest")
    entries = bench.ledger.entries(kinds=("approval",), digest=digest, service=bench.config.service)
    runs = [
        entry.run
        for entry, earlier in zip(entries, consent.recorded(bench, digest, now), strict=True)
        if not earlier.problem
        and earlier.approver.name == actor.name
        and all(getattr(earlier, key) == predicate[key] for key in same)
    ]
    return runs[-1] if runs else ""


def _counts(
    bench: Workbench,
    image: Image,
    source: str,
    target: str,
    actor: Actor,
    predicate: dict[str, Any],
) -> tuple[bool | None, list[str]]:
    """Ask the policies about the approval just made; a person should hear now that it is in vain."""
    try:
        said = waiting.consent(bench, image, source, target, datetime.now(UTC))
    except SluicewayError as error:
        return None, [error.what]
    if not said["path"]:
        return False, [f"the policies know no way from {source} to {target}"]
    (mine,) = [
        each
        for each in said["approvals"]
        if each["approver"]["name"] == actor.name and each["made_at"] == predicate["made_at"]
    ][-1:]
    return mine["counts"], mine["why_not"]
