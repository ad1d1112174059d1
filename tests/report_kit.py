"""What a canary's run leaves, made by the real analysis from made-up traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sluiceway.analysis import Watch, advance, evidence, rules
from sluiceway.ledger import Entry
from sluiceway.model import CanaryLimits, Observation, Side, rfc3339, to_json
from sluiceway.runs.recorded import Recorded, Step
from sluiceway.runs.report import document

RUN = "promote-20261126T080000-abcdef"
START = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
LIMITS = CanaryLimits()
MISSION = replace(LIMITS, rule="mission")
NEEDED: Mapping[str, float] = {"worse": 100.0, "beyond": 20.0, "safe": 20.0}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def look(number: int, errors: int, *, stable: bool = True) -> Observation:
    """The *number*-th look, ten seconds after the one before; *errors* of the canary so far."""
    return Observation(
        route="production",
        at=at(10.0 * number),
        monotonic=10.0 * number,
        stable=Side(
            digest=OLD,
            requests=475 * number,
            errors=2 * number,
            latency_ms={"120": 475 * number},
        )
        if stable
        else None,
        canary=Side(
            digest=NEW, requests=25 * number, errors=errors, latency_ms={"130": 25 * number}
        ),
        canary_alive=True,
        canary_restarts=0,
        health_ok=True,
        health_detail="200 in 4 ms",
        weight=5.0,
    )


def values(errors: Iterable[int], *, stable: bool = True) -> list[dict[str, Any]]:
    """What the steps of a watch returned; *errors* are the canary's between two looks."""
    watch, found, total = Watch(), [], 0
    for number, more in enumerate(errors):
        total += more
        watch = advance(watch, look(number, total, stable=stable), LIMITS)
        call = rules.decide(
            {
                "parameters": to_json(MISSION),
                "step": {"index": 0, "count": 1, "weight": 5.0},
                "watch": evidence(watch, MISSION),
            }
        )
        ended = call.outcome != "running"
        found.append(
            {
                "watch": watch.to_json(),
                "outcome": call.outcome,
                "code": min(call.codes),
                "status": "failed" if ended else "inconclusive",
                "reason": f"Roll back after {watch.seconds:.0f} s: the error rate was over 5 % at "
                f"{watch.errors.streak} checks in a row."
                if ended
                else "",
                "started_at": rfc3339(START),
                "at": rfc3339(at(10.0 * number)),
                "weight": 5.0,
                "number": number,
                "needed": dict(NEEDED),
            }
        )
    return found


def compared(
    value: Mapping[str, Any],
    worse: float,
    safe: float,
    verdict: str,
    needed: Mapping[str, float] | None = NEEDED,
) -> dict[str, Any]:
    """*value* with evidence and a decision, as the gate ``canary`` gives them."""
    parts = {"errors": worse, "latency": 1.0, "health": 1.0, "together": worse}
    return {
        **value,
        "evidence": {
            "sequential": {
                "worse": parts,
                "beyond": {**parts, "together": worse / 4},
                "safe": {"errors": safe, "latency": safe, "together": safe},
                "leading": "errors",
            }
        },
        "needed": needed,
        "decision": {"verdict": verdict, "findings": [{"code": "canary.worse"}]},
        "step": {"index": value["number"] // 2, "count": 3, "weight": 5.0},
    }


def recorded(looks: Iterable[Mapping[str, Any]], **more: Any) -> Recorded:
    """A promotion into the canary with *looks*, taken back at the end."""
    image = {"repository": "host/app", "digest": NEW, "media_type": "m"}
    steps = [Step(name="look-up", value={"image": image}, error=None, started=at(-2), ended=at(-1))]
    for value in looks:
        name = f"canary.tick.{value['number']}" if value["number"] else "canary.begin"
        end = at(10.0 * value["number"])
        started = max(end - timedelta(seconds=10), START)
        steps.append(Step(name=name, value=dict(value), error=None, started=started, ended=end))
    last = steps[-1].value
    fields: dict[str, Any] = {
        "run": RUN,
        "workflow": "promote",
        "request": {
            "run": RUN,
            "workflow": "promote",
            "service": "shop",
            "source": "staging",
            "target": "canary",
            "limits": to_json(LIMITS),
        },
        "started": at(-2),
        "ended": at(60),
        "outcome": {
            "outcome": "rolled-back",
            "exit_code": 4,
            "image": image,
            "previous": OLD,
            "serves": OLD,
            "actor": {"name": "lena", "method": "ssh", "proven": True, "key": "SHA256:x"},
            "canary": {
                "verdict": last.get("outcome"),
                "code": last.get("code"),
                "reason": last.get("reason"),
                "watch": last.get("watch"),
                "limits": to_json(LIMITS),
                "rollback_seconds": 0.04,
            },
        },
        "problem": "",
        "steps": tuple(steps),
    }
    return Recorded(**{**fields, **more})


def entry(kind: str, seconds: float, body: Mapping[str, Any], **more: Any) -> Entry:
    fields: dict[str, Any] = {
        "seq": 7,
        "key": f"{RUN}:{kind}",
        "at": at(seconds),
        "kind": kind,
        "run": RUN,
        "service": "shop",
        "environment": "canary",
        "digest": NEW,
        "actor": "lena",
        "body": body,
        "previous": OLD,
        "hash": NEW,
        "signature": "signed-by-this-ledger",
    }
    return Entry(**{**fields, **more})


ENDED = entry(
    "run",
    60,
    {"workflow": "promote", "outcome": "rolled-back", "exit_code": 4, "error": None},
)


def reported(
    kept: Recorded | None, entries: Iterable[Entry] = (ENDED,), **more: Any
) -> dict[str, Any]:
    return document(RUN, kept, tuple(entries), (), now=at(100), service="shop", **more)
