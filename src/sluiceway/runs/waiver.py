"""A person's exception to a finding, signed and written down; and taking it back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.config.settings import nearest
from sluiceway.errors import Refused, SluicewayError, UsageError
from sluiceway.gates import statements, waivers
from sluiceway.model import Waiver, check_digest, rfc3339
from sluiceway.runs.ids import new_run_id
from sluiceway.workbench import Workbench

if TYPE_CHECKING:
    from sluiceway import policy

__all__ = ["standing", "waive", "withdraw"]

_NOBODY = {"name": "", "method": "", "proven": False, "key": ""}


def waive(
    bench: Workbench, code: str, scope: Mapping[str, str], *, reason: str, length: timedelta
) -> dict[str, Any]:
    """Sign and record an exception to *code* that ends after *length*.

    Args:
        bench: The project.
        code: A finding's code, perhaps with a slash and what it is about.
        scope: ``{"environment", "digest", "package"}``; an empty text is every one.
        reason: Why, in a sentence.
        length: How long it holds from now.

    Returns:
        The waiver as gates see it.

    Raises:
        UsageError: For what cannot be right: ``waiver.code``, ``waiver.reason``, ``waiver.package``,
            ``environment.unknown``, ``image.unknown``.
        Refused: ``waiver.refused``, when the policies would not count it; nothing is recorded.
    """
    _check_code(bench, code)
    if not reason.strip():
        raise UsageError(
            "a waiver says why",
            remedy=f"invoke waive {code} --reason='...' --expires=7d",
            code="waiver.reason",
        )
    _check_package(scope["package"])
    if scope["environment"]:
        bench.config.environment(scope["environment"])
    if scope["digest"] and bench.image(check_digest(scope["digest"])) is None:
        raise UsageError(
            f"{bench.registry.repository} holds no {scope['digest']}",
            means="Only an image that is there can have an exception of its own.",
            remedy="Copy the digest whole from `invoke status`.",
            code="image.unknown",
        )
    now = datetime.now(UTC)
    run = new_run_id("waive")
    predicate = {
        "id": run,
        "code": code,
        **scope,
        "reason": reason.strip(),
        "made_at": rfc3339(now),
        "expires": rfc3339(now + length),
    }
    document = waivers.waiver_statement(bench.config.service, predicate)
    actor, signature = statements.signed(bench, document)
    described = waivers.described(bench.config.service, predicate, actor)
    objections = _weighed(bench, [described], now).objections.get(
        run, ["they say nothing about it"]
    )
    if objections:
        raise Refused(
            f"the policies would not count a waiver by {actor.name}: {' and '.join(objections)}",
            means="Nothing was recorded.",
            remedy="Ask somebody who may (docs/policies.md, Exceptions), or change what is named.",
            code="waiver.refused",
        )
    bench.ledger.append(
        waivers.KIND,
        key=f"{run}:waiver",
        run=run,
        service=bench.config.service,
        environment=scope["environment"],
        digest=scope["digest"],
        actor=actor.name,
        body={"statement": document, "signature": signature},
    )
    return described


def withdraw(bench: Workbench, name: str, *, reason: str) -> dict[str, Any]:
    """Sign and record that the waiver called *name* no longer counts.

    Anybody who is proven may: taking an exception away opens nothing.

    Raises:
        UsageError: ``waiver.unknown``.
        Refused: ``identity.unproven``.
    """
    entries = bench.ledger.entries(kinds=(waivers.KIND,), service=bench.config.service)
    known = [entry.run for entry in entries]
    if name not in known:
        guess = nearest(name, known)
        from_file = name in {each["id"] for each in waivers.recorded(bench)}
        raise UsageError(
            f"{name} stands in {bench.config.path.name}, so it cannot be withdrawn"
            if from_file
            else f"there is no waiver {name!r}",
            remedy=f"Take it out of {bench.config.path.name}."
            if from_file
            else (f"Did you mean {guess}? " if guess else "") + "`invoke waivers` lists them.",
            code="waiver.unknown",
        )
    predicate = {"waiver": name, "reason": reason.strip(), "made_at": rfc3339(datetime.now(UTC))}
    document = waivers.withdrawal_statement(bench.config.service, predicate)
    actor, signature = statements.signed(bench, document)
    if not actor.proven and not bench.config.rehearsal:
        raise Refused(
            f"{actor.name} is not proven ({actor.method} only claims it)",
            means="Nothing was recorded.",
            remedy="Set up an SSH key in the site's allowed_signers (see `invoke doctor`).",
            code="identity.unproven",
        )
    entry = next(each for each in entries if each.run == name)  # a copy must not save it
    written = bench.ledger.append(  # the first withdrawal is the one that counts
        waivers.WITHDRAWN,
        key=f"{name}:withdrawn",
        run=new_run_id("withdraw"),
        service=bench.config.service,
        environment=entry.environment,
        digest=entry.digest,
        actor=actor.name,
        body={"statement": document, "signature": signature},
    )
    said = written.body["statement"]["predicate"]["reason"]
    return {"waiver": name, "by": written.actor, "reason": said}


def standing(bench: Workbench, now: datetime) -> list[dict[str, Any]]:
    """Return every waiver of the service and how it stands at *now*.

    Each is the gate's record of it with ``state`` (``in-force``, ``expiring``, ``expired``,
    ``not-counting`` or ``unknown``), ``why`` (a sentence for the last three) and ``used``: the
    newest run whose decision rested on it, or ``""``.
    """
    found = waivers.recorded(bench)
    if not found:
        return []
    used = _used(bench)
    try:
        weighed = _weighed(bench, found, now)
    except SluicewayError as error:
        why = f"nobody can tell whether it counts: {error.what}"
        return [
            {**each, "state": "unknown", "why": why, "used": used.get(each["id"], "")}
            for each in found
        ]
    readable = {each.id: each for each in weighed.waivers}
    return [
        {
            **each,
            **_state(weighed, readable.get(each["id"]), each, now),
            "used": used.get(each["id"], ""),
        }
        for each in found
    ]


def _state(
    weighed: policy.Exceptions, waiver: Waiver | None, entry: Mapping[str, Any], now: datetime
) -> dict[str, str]:
    if waiver is None:
        return {"state": "not-counting", "why": f"does not count: {entry['problem']}"}
    why = weighed.why_not(waiver, now)
    if why:
        over = not weighed.objections.get(waiver.id, ["unsaid"])
        return {"state": "expired" if over else "not-counting", "why": why}
    return {"state": "expiring" if waiver.id in weighed.warnings else "in-force", "why": ""}


def _weighed(bench: Workbench, found: list[dict[str, Any]], now: datetime) -> policy.Exceptions:
    from sluiceway import policy

    document = {
        "gate": "",
        "now": rfc3339(now),
        "service": bench.config.service,
        "rehearsal": bench.config.rehearsal,
        "actor": _NOBODY,
        "waivers": found,
    }
    return policy.weigh_waivers(bench.engine, bench.bundle(), document)


def _used(bench: Workbench) -> dict[str, str]:
    used: dict[str, str] = {}
    for entry in bench.ledger.entries(kinds=("decision",), service=bench.config.service):
        for finding in entry.body["decision"]["findings"]:
            waived = finding.get("waived") or {}
            if waived.get("id"):
                used[waived["id"]] = entry.run
    return used


def _check_code(bench: Workbench, code: str) -> None:
    """Refuse a code that the policies never let anybody excuse, or that is misspelt."""
    bundle = bench.bundle()
    if isinstance(bundle, SluicewayError):
        raise bundle
    codes = bundle.data.get("lib", {}).get("waivable", ())
    reason = code.partition("/")[0]
    if isinstance(codes, list) and reason not in codes:
        line = re.compile(rf"#\s+code: {re.escape(reason)}\s*$", re.MULTILINE)
        real = any(line.search(text) for text in bundle.modules.values())
        guess = "" if real else nearest(reason, codes)  # what is spelt right is not misspelt
        raise UsageError(
            f"a finding {reason!r} cannot be waived",
            means=f"data.lib.waivable lists what can be: {', '.join(codes)}.",
            remedy=f"Did you mean {guess}?" if guess else "Mend what the finding says instead.",
            code="waiver.code",
        )


def _check_package(package: str) -> None:
    from packageurl import PackageURL

    try:
        if package:
            PackageURL.from_string(package)
    except ValueError as error:
        raise UsageError(
            f"--package is {package!r}, which is not a package URL: {error}",
            remedy="Copy it from the finding, for example --package=pkg:npm/left-pad@1.3.0, with or "
            "without the version.",
            code="waiver.package",
        ) from error
