"""Everything that a run left, as one document of plain JSON data: what a report is made from.

It is read from two places: the durable run (its steps, each look of a canary) and the ledger
(decisions with their evidence, approvals, deployments, verdicts). What is in neither is said to be
missing; nothing is guessed, asked or changed. Inputs of gates, signatures and statements stay where
they are: the document has digests of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from sluiceway import __version__
from sluiceway.analysis.looks import counters_of, looks_of, side_of
from sluiceway.errors import UsageError
from sluiceway.ledger import Entry
from sluiceway.model import rfc3339
from sluiceway.runs.recorded import Recorded, Step, recorded, runs_of
from sluiceway.workbench import Workbench

__all__ = ["document", "find", "newest", "report"]

_WATCHED = ("canary", "soak")
"""What is watched: kinds of entries of the ledger, and keys of an outcome."""
_FEW = 3


def report(bench: Workbench, run: str, now: datetime | None = None) -> dict[str, Any]:
    """Return the report document of *run* (see :func:`document`).

    Raises:
        UsageError: There is no such run, or it is another service's (``run.unknown``).
        ActionFailed: The ledger or the runs cannot be read or were changed by somebody.
    """
    service = bench.config.service
    entries = bench.ledger.entries(service=service, run=run)
    kept = recorded(bench.project.state, run)
    if kept is not None and kept.request.get("service", service) != service:
        kept = None
    if kept is None and not entries:
        raise _unknown(run, find(bench))
    approvals = bench.ledger.entries(kinds=("approval",), service=service)
    lease = bench.ledger.lease(str(kept.request.get("lease", ""))) if kept is not None else None
    carried = lease.holder if lease is not None and lease.run == run else ""
    return document(
        run,
        kept,
        entries,
        approvals,
        now=now or datetime.now(UTC),
        service=service,
        carried=carried,
    )


def find(bench: Workbench) -> tuple[str, ...]:
    """Return the ids of every run that is known of here, the newest first."""
    durable = runs_of(bench.project.state, bench.config.service)
    entries = bench.ledger.entries(service=bench.config.service, newest_first=True)
    return tuple(dict.fromkeys([*durable, *(entry.run for entry in entries if entry.run)]))


def newest(bench: Workbench) -> str:
    """Return the id of the service's newest run.

    Raises:
        UsageError: Nothing was ever run (``run.unknown``).
    """
    found = find(bench)
    if not found:
        raise UsageError(
            f"{bench.config.service} has no run yet, so there is nothing to report",
            remedy="Run `invoke release` first.",
            code="run.unknown",
        )
    return found[0]


def _unknown(run: str, known: Sequence[str]) -> UsageError:
    near = get_close_matches(run, known, n=_FEW, cutoff=0.4) or [
        name for name in known if run in name
    ]
    if near:
        remedy = f"Did you mean {', or '.join(near[:_FEW])}?"
    elif known:
        remedy = f"The newest one is {known[0]}; `invoke history` names the others."
    else:
        remedy = "Nothing was ever run here: `invoke release` is the first thing to do."
    return UsageError(f"there is no run {run!r}", remedy=remedy, code="run.unknown")


def document(
    run: str,
    kept: Recorded | None,
    entries: Sequence[Entry],
    approvals: Iterable[Entry],
    *,
    now: datetime,
    service: str,
    carried: str = "",
) -> dict[str, Any]:
    """Return what a report is made from, as plain JSON data. Pure.

    ::

        run, service, workflow, source, target
        state      ended, under-way (somebody carries it), or left-behind
        carried_by who carries it, when it is under way
        started_at, ended_at, seconds     RFC 3339; null where not known
        outcome    done, refused, rolled-back, ...; "" when it has not ended
        reason     one sentence: why it ended so, or where it stands
        image      {repository, digest, media_type}, or null
        previous   the digest that the target held before
        serves     the digest that serves after a rollback
        actor      {name, method, proven, key}, or null
        error      {code, what, means, remedy}, or null
        sla        how quickly a rollback came: {kind, since, served_at, seconds, limit_seconds,
                   kept}, or null
        missing    sentences: what should be here and is not
        steps      [{name, started_at, seconds, error}]
        decisions  [{at, environment, actor, decision, evidence, waivers, approvals}]
        approvals  [{at, by, source, target, expires, reason, run}] of this digest into this target
        effects    [{at, kind, environment, digest, previous, url, slots, reason}]
        watch      of a canary: {environment, slot, limits, needed, looks, totals, verdict, code, outcome,
                   reason, rollback_seconds}, or null; looks as sluiceway.analysis.looks has them,
                   needed is the last look's; slot is the one that was soaked, empty for a canary
        ledger     [{seq, at, kind, environment, digest, actor, hash}]
        made_at, made_by

    Args:
        run: Its id.
        kept: What the durable run recorded, if there is one.
        entries: The ledger's entries of the run.
        approvals: The service's approvals, whatever run they are of.
        now: When the report is made.
        service: Whose run it is.
        carried: Who holds the run's lease now.
    """
    request = dict(kept.request) if kept else {}
    outcome = dict(kept.outcome or {}) if kept else {}
    ending = next((entry for entry in entries if entry.kind == "run"), None)
    image = outcome.get("image") or _image(kept, entries)
    started, ended = _times(kept, entries, ending)
    target = str(request.get("target") or next((each.environment for each in entries), ""))
    watched, lost = _watch(kept, entries, outcome)
    state = _state(kept, ending, carried)
    result = outcome.get("outcome") or (ending.body.get("outcome") if ending else "") or ""
    error = outcome.get("error") or (ending.body.get("error") if ending else None)
    decisions = _decisions(entries)
    return {
        "run": run,
        "service": service,
        "workflow": str(request.get("workflow") or (ending.body["workflow"] if ending else "")),
        "source": str(request.get("source") or ""),
        "target": target,
        "state": state,
        "carried_by": carried if state == "under-way" else "",
        "started_at": _stamp(started),
        "ended_at": _stamp(ended),
        "seconds": round((ended - started).total_seconds(), 3) if started and ended else None,
        "outcome": str(result),
        "reason": _reason(run, state, str(result), error, watched, decisions, request),
        "image": image,
        "previous": str(outcome.get("previous") or ""),
        "serves": str(outcome.get("serves") or ""),
        "actor": outcome.get("actor") or next((each["actor"] for each in decisions), None),
        "error": error,
        "sla": _sla(outcome, entries),
        "missing": _missing(kept, entries, state, watched, lost),
        "steps": [_step(step) for step in kept.steps] if kept else [],
        "decisions": decisions,
        "approvals": _approvals(approvals, image, target),
        "effects": _effects(entries),
        "watch": watched,
        "ledger": [_line(entry) for entry in entries],
        "made_at": rfc3339(now),
        "made_by": f"sluiceway {__version__}",
    }


# --- how it went ----------------------------------------------------------------------------------


def _state(kept: Recorded | None, ending: Entry | None, carried: str) -> str:
    if ending is not None or kept is None or kept.ended is not None:
        return "ended"
    return "under-way" if carried else "left-behind"


def _times(
    kept: Recorded | None, entries: Sequence[Entry], ending: Entry | None
) -> tuple[datetime | None, datetime | None]:
    stamps = [entry.at for entry in entries]
    if kept is None:
        return (stamps[0], stamps[-1]) if stamps else (None, None)
    begun = [step.started for step in kept.steps if step.started]
    over = [step.ended for step in kept.steps if step.ended]
    started = min([*begun, *([kept.started] if not begun and kept.started else [])], default=None)
    if kept.ended is None and ending is None:
        return started, None
    return started, max([*over, *([kept.ended] if not over and kept.ended else [])], default=None)


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _image(kept: Recorded | None, entries: Sequence[Entry]) -> dict[str, Any] | None:
    for step in kept.steps if kept else ():
        if isinstance(step.value, Mapping) and isinstance(step.value.get("image"), Mapping):
            return dict(step.value["image"])
    digest = next((entry.digest for entry in entries if entry.digest), "")
    return {"repository": "", "digest": digest, "media_type": ""} if digest else None


def _reason(
    run: str,
    state: str,
    outcome: str,
    error: Mapping[str, Any] | None,
    watched: Mapping[str, Any] | None,
    decisions: Sequence[Mapping[str, Any]],
    request: Mapping[str, Any],
) -> str:
    waiting = {
        "under-way": "It is under way; this is what it has left so far.",
        "left-behind": f"It was cut off and nobody carries it; `invoke resume --run={run}` ends it "
        "properly.",
    }
    if state in waiting:
        return waiting[state]
    gates = dict.fromkeys(str(each["decision"].get("gate", "")) for each in decisions)
    said = (
        watched["reason"] if watched is not None else "",
        _denied(decisions) if outcome == "refused" else "",
        error.get("what") if error else "",
        request.get("reason"),
        f"Every gate that was asked allowed it: {', '.join(gates)}."
        if outcome == "done" and gates
        else "",
    )
    return next((str(words) for words in said if words), "")


def _sla(outcome: Mapping[str, Any], entries: Sequence[Entry]) -> dict[str, Any] | None:
    written = (each.body.get("sla") for each in reversed(entries) if each.kind == "rolled-back")
    watched = ((outcome.get(kind) or {}).get("sla") for kind in _WATCHED)
    told = (outcome.get("sla"), *watched, *written)
    return next((dict(each) for each in told if isinstance(each, Mapping)), None)


def _denied(decisions: Sequence[Mapping[str, Any]]) -> str:
    """Return the first reason of a refusal, and how many more there are."""
    denied = [
        str(finding.get("message", ""))
        for each in decisions
        for finding in each["decision"].get("findings") or ()
        if finding.get("level") == "deny" and not finding.get("waived")
    ]
    more = f" (and {len(denied) - 1} more)" if len(denied) > 1 else ""
    return denied[0] + more if denied else ""


def _missing(
    kept: Recorded | None,
    entries: Sequence[Entry],
    state: str,
    watched: Mapping[str, Any] | None,
    lost: int,
) -> list[str]:
    said: list[str] = []
    if kept is None:
        said.append(
            "No durable run of this name is in runs.db: its steps and the looks of a canary are not "
            "shown. (Approvals and waivers have none; otherwise the file was moved away.)"
        )
    elif not kept.steps:
        said.append("No step of it was finished.")
    if kept is not None and kept.problem:
        said.append(f"It has no outcome: {kept.problem}.")
    if state == "left-behind":
        said.append("How it ended, because it has not: everything after the last step below.")
    if kept is not None and state == "ended" and not any(each.kind == "run" for each in entries):
        said.append("The ledger has no entry of its end.")
    if lost:
        said.append(f"{lost} of the canary's looks cannot be read: another version wrote them.")
    if watched is not None and watched["looks"] and not watched["slot"]:
        if all(look["evidence"] is None for look in watched["looks"]):
            said.append("Evidence: the version that wrote these looks compared no sides.")
        elif watched["needed"] is None:
            said.append(
                "How much evidence decides: the version that wrote these looks did not keep it, so no "
                "line is drawn for it."
            )
        if all(look["stable"] is None for look in watched["looks"]):
            said.append("The stable side: nobody saw it, so the canary stands alone.")
    elif watched is not None and not watched["looks"]:
        said.append("The looks of the canary: none was kept.")
    if watched is not None and watched["looks"] and not watched["limits"]:
        said.append("The limits that it was judged by: they were not kept, so none is drawn.")
    return said


# --- parts ----------------------------------------------------------------------------------------


def _step(step: Step) -> dict[str, Any]:
    known = step.started is not None and step.ended is not None
    error = None
    if step.error is not None:
        error = {key: str(step.error.get(key, "")) for key in ("code", "what", "means", "remedy")}
    return {
        "name": step.name,
        "started_at": _stamp(step.started),
        "seconds": round((step.ended - step.started).total_seconds(), 3)
        if known and step.ended and step.started
        else None,
        "error": error,
    }


_WAIVER = (
    *("id", "code", "environment", "package", "digest"),
    *("owner", "expires", "reason", "problem"),
)


def _decisions(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for entry in entries:
        decision = entry.body.get("decision")
        if not isinstance(decision, Mapping) or any(each["decision"] == decision for each in found):
            continue  # what a watch came to repeats the decision that it rests on
        given = entry.body.get("input")
        given = given if isinstance(given, Mapping) else {}
        found.append(
            {
                "at": rfc3339(entry.at),
                "environment": entry.environment,
                "actor": entry.body.get("actor") or given.get("actor"),
                "decision": dict(decision),
                "evidence": _evidence(given.get("evidence")),
                "waivers": [
                    {key: str(each.get(key, "")) for key in _WAIVER}
                    for each in given.get("waivers") or ()
                    if isinstance(each, Mapping)
                ],
                "rehearsal": bool(given.get("rehearsal")),
            }
        )
    return found


def _evidence(given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, Mapping):
        return []
    found = []
    for name, item in given.items():
        if not isinstance(item, Mapping):
            found.append({"kind": str(name), "status": "missing", "summary": "", "made_at": ""})
            continue
        maker = item.get("maker") or {}
        found.append(
            {
                "kind": str(item.get("kind") or name),
                "status": str(item.get("status", "")),
                "summary": str(item.get("summary", "")),
                "made_at": str(item.get("made_at", "")),
                "maker": f"{maker.get('tool', '')} {maker.get('version', '')}".strip(),
            }
        )
    return found


def _approvals(
    entries: Iterable[Entry], image: Mapping[str, Any] | None, target: str
) -> list[dict[str, Any]]:
    digest = (image or {}).get("digest", "")
    found = []
    for entry in entries:
        said = (entry.body.get("statement") or {}).get("predicate") or {}
        if not digest or entry.digest != digest or entry.environment != target:
            continue
        found.append(
            {
                "at": rfc3339(entry.at),
                "by": entry.actor,
                **{
                    key: str(said.get(key, "")) for key in ("source", "target", "expires", "reason")
                },
                "run": entry.run,
            }
        )
    return found


def _effects(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        if entry.kind not in {"deployed", "rolled-back", "release", "switched"}:
            continue
        body = entry.body
        deployment = body.get("deployment") or {}
        traffic = body.get("traffic") or deployment.get("traffic") or {}
        found.append(
            {
                "at": rfc3339(entry.at),
                "kind": entry.kind,
                "environment": entry.environment,
                "digest": entry.digest,
                "previous": str(body.get("previous") or ""),
                "url": str(traffic.get("url") or ""),
                "slots": [
                    {key: slot.get(key) for key in ("name", "digest", "weight")}
                    for slot in traffic.get("slots") or ()
                ],
                "reason": str(body.get("reason") or ""),
                "version": str(body.get("version") or ""),
            }
        )
    return found


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": rfc3339(entry.at),
        "kind": entry.kind,
        "environment": entry.environment,
        "digest": entry.digest,
        "actor": entry.actor,
        "hash": entry.hash,
    }


# --- the watch ------------------------------------------------------------------------------------


def _watch(
    kept: Recorded | None, entries: Sequence[Entry], outcome: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, int]:
    """Return the watch and how many of its looks could not be read."""
    steps = [
        step
        for step in (kept.steps if kept else ())
        if isinstance(step.value, Mapping) and {"watch", "started_at", "at"} <= step.value.keys()
    ]
    written = next((each for each in reversed(entries) if each.kind in _WATCHED), None)
    named = next((outcome[kind] for kind in _WATCHED if outcome.get(kind)), None)
    told: Mapping[str, Any] = named or (written.body if written else {})
    if not steps and not told:
        return None, 0
    request = kept.request if kept else {}
    limits = dict(told.get("limits") or request.get("limits") or {})
    looks, lost = looks_of([step.value for step in steps], limits)
    last = steps[-1].value if steps else {}
    back = next((each for each in reversed(entries) if each.kind == "rolled-back"), None)
    rolled: Mapping[str, Any] = back.body if back else {}
    seconds = told.get("rollback_seconds", rolled.get("rollback_seconds"))
    if seconds is None:
        taken = (
            next((s for s in kept.steps if s.name == "canary.take-back"), None) if kept else None
        )
        seconds = taken.value.get("seconds") if taken and isinstance(taken.value, dict) else None
    return {
        "environment": str(request.get("target") or (written.environment if written else "")),
        "slot": _slot(told, steps),
        "limits": limits,
        "needed": looks[-1]["needed"] if looks else None,
        "looks": looks,
        "totals": _totals(told.get("watch") or last.get("watch") or {}),
        "outcome": str(told.get("verdict") or last.get("outcome") or ""),
        "code": str(told.get("code") or last.get("code") or ""),
        "reason": str(told.get("reason") or last.get("reason") or ""),
        "rollback_seconds": seconds,
    }, lost


def _slot(told: Mapping[str, Any], steps: Sequence[Step]) -> str:
    """Return the slot of a soak, as far as it is known; empty for a canary."""
    soaked = any(step.name.startswith("blue-green.") for step in steps)
    return str(told.get("slot") or ("slot" if soaked else ""))


def _totals(watch: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side in ("canary", "stable"):
        tally: Any = watch.get(side)
        try:
            found[side] = {
                "digest": str(tally["digest"]),
                **side_of(counters_of(tally["last"]).since(counters_of(tally["first"]))),
            }
        except (KeyError, TypeError, ValueError):
            found[side] = None
    return found
