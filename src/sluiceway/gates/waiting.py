"""What waits for whose consent: asked of the rules that will judge it, before anybody promotes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sluiceway.config import BUILD
from sluiceway.errors import ConfigurationError, SluicewayError
from sluiceway.gates import consent as consents
from sluiceway.gates import decide
from sluiceway.model import Actor, Image
from sluiceway.workbench import Workbench

__all__ = ["consent", "listed", "waiting"]

_NOBODY = Actor(name="", method="", proven=False)
"""Who will promote is not known yet; they cannot be one of those who consent."""


def listed(bench: Workbench, now: datetime, digest: str = "") -> dict[str, Any]:
    """Return ``{"approvals", "waiting", "waiting_problem"}``, of one *digest* or of all.

    ``approvals`` are those in the ledger, each verified again now, with ``counts`` and ``why_not``
    as the policies say of the promotion that is open for it; where none is open ``counts`` is
    ``None``, or ``False`` when the policies have changed since. ``waiting`` is :func:`waiting`,
    and ``waiting_problem`` the diagnostics of why it could not be told.
    """
    entries = bench.ledger.entries(kinds=("approval",), service=bench.config.service)
    digests = [digest] if digest else sorted({entry.digest for entry in entries})
    found = [
        consents.as_input(each) for name in digests for each in consents.recorded(bench, name, now)
    ]
    open_ones: list[dict[str, Any]] = []
    problem = None
    try:
        open_ones = [each for each in waiting(bench, now) if digest in ("", each["digest"])]
    except SluicewayError as error:  # the approvals that are there are shown all the same
        problem = error.diagnostics()
    bundle = bench.bundle()
    policy = None if isinstance(bundle, SluicewayError) else bundle.digest
    judged = [each for way in open_ones for each in way["approvals"] if _is_about(each, way)]
    return {
        "approvals": [each | _said_of(each, judged, policy) for each in found],
        "waiting": open_ones,
        "waiting_problem": problem,
    }


def _is_about(approval: Mapping[str, Any], way: Mapping[str, Any]) -> bool:
    return all(approval[key] == way[key] for key in ("digest", "source", "target"))


def _said_of(
    approval: Mapping[str, Any], judged: list[dict[str, Any]], policy: str | None
) -> dict[str, Any]:
    for each in judged:
        if all(each[key] == value for key, value in approval.items()):
            return {"counts": each["counts"], "why_not": each["why_not"]}
    stale = approval["valid"] and approval["policy_digest"] != policy
    why = [approval["problem"]] if approval["problem"] else []
    if stale:
        unread = "nobody can tell whether it counts: the policies cannot be read"
        why += [unread if policy is None else "it was given under other policies"]
    return {"counts": False if why else None, "why_not": why}


def waiting(bench: Workbench, now: datetime) -> list[dict[str, Any]]:
    """Return each open promotion: what an environment holds and the next one does not.

    Each is ``{"source", "target", "digest"}`` with what :func:`consent` returns.
    """
    found = []
    for environment in bench.config.environments:
        source, target = bench.config.predecessor(environment.name), environment.name
        digest = bench.held(source)
        if digest and digest != bench.held(target):
            image = bench.image(digest, source)
            if image is not None:
                way = {"source": source, "target": target, "digest": digest}
                found.append({**way, **consent(bench, image, source, target, now)})
    return found


def consent(
    bench: Workbench, image: Image, source: str, target: str, now: datetime
) -> dict[str, Any]:
    """Return what the policies say of the consent to *image* going from *source* to *target*.

    Shape: ``{"path", "needed", "counted", "roles", "roles_lacking", "could", "may_promote",
    "problems", "ready", "approvals"}``. Each approval has ``counts`` and ``why_not`` besides what
    the gate's input says of it. *path* is ``False`` where the policies know no such way.

    Raises:
        SluicewayError: The policies cannot be read or evaluated.
    """
    bundle, engine = bench.bundle(), bench.engine
    if isinstance(bundle, SluicewayError):
        raise bundle
    if engine is None:
        raise ConfigurationError(
            "none of the chosen policy engines is on this machine",
            means="Who has to consent is for the policies to say.",
            remedy="`invoke policy.engine` says why. The embedded one is installed by: "
            "invoke policy.engine --install",
            code="policy.engine-missing",
        )
    asked = decide.Promotion(
        image=image,
        source=source,
        target=target,
        source_holds=bench.held(source) if source != BUILD else image.digest,
        source_since=None,  # how long it has stood there is no matter of consent
        target_holds=bench.held(target),
        actor=_NOBODY,
        evidence={},
        run="",
        now=now,
    )
    document = decide.promotion_input(bench, bundle, asked)
    said = engine.evaluate(bundle, "promotion.consent", document)
    return _shown(said if isinstance(said, Mapping) else {}, document["approvals"])


def _shown(said: Mapping[str, Any], approvals: list[dict[str, Any]]) -> dict[str, Any]:
    reasons = {each["index"]: each["problems"] for each in said.get("objections", ())}
    counted = list(said.get("counted", ()))
    lacking, problems = list(said.get("roles_lacking", ())), list(said.get("problems", ()))
    needed = said.get("needed")
    enough = isinstance(needed, int | float) and len(counted) >= needed
    return {
        "path": bool(said),
        "needed": needed,
        "counted": counted,
        "roles": list(said.get("roles", ())),
        "roles_lacking": lacking,
        "could": list(said.get("could", ())),
        "may_promote": list(said.get("may_promote", ())),
        "problems": problems,
        "ready": bool(said) and enough and not lacking and not problems,
        "approvals": [
            {**approval, "counts": bool(said) and not reasons.get(index), "why_not": why}
            for index, approval in enumerate(approvals)
            for why in [list(reasons.get(index, ()))]
        ],
    }
