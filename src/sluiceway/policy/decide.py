"""The judgement of one gate: closed unless every part of it worked and nothing denied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Decision, Finding, Level, Waiver, digest_of
from sluiceway.policy.engine import Bundle, PolicyEngine
from sluiceway.policy.schema import schema_problems
from sluiceway.policy.waivers import apply_waivers, order

__all__ = ["decide"]

_GATE = re.compile(r"[a-z][a-z0-9_]*")
_LEVELS = (Level.DENY, Level.WARN)
_KEYS = {"msg": str, "code": str, "solution": str}
_OPTIONAL: Mapping[str, type] = {"about": str, "aliases": list, "waivable": bool}
_Judged = tuple[Finding, tuple[str, ...], bool]


def decide(
    engine: PolicyEngine | None,
    bundle: Bundle | SluicewayError,
    gate: str,
    document: Mapping[str, Any],
    *,
    now: datetime,
    waivers: Sequence[Waiver] = (),
) -> Decision:
    """Judge *document* by the rule ``data.<gate>.decision`` of *bundle*.

    Never raises for what a policy, an engine or an input does: each of these is a deny.

    Args:
        engine: The engine, or ``None`` when there is none here (``policy.engine-missing``).
        bundle: The policies, or the error that reading them ended with (its own code).
        gate: The gate's name, also its package.
        document: The gate's input, JSON data; checked against ``schemas/<gate>/input.json``
            (``input.schema``).
        now: The moment of the decision, for waivers. Rules see ``input.now``.
        waivers: Exceptions of the site. A waived finding stays in the decision.

    Codes of its own: ``policy.engine-missing``, ``policy.entrypoint`` (the rule is undefined),
    ``policy.malformed`` (its value has another shape), ``input.schema``, and every code of
    :class:`~sluiceway.policy.EngineError`.
    """
    findings: list[Finding] = []
    input_digest = ""
    try:
        input_digest = digest_of(document)
    except (TypeError, ValueError, RecursionError) as error:
        findings.append(_input_finding(f"The input is not JSON data: {error}."))
    if not findings:
        findings = [
            apply_waivers(finding, waivers, document, now=now, names=names, waivable=waivable)
            for finding, names, waivable in _findings(engine, bundle, gate, document)
        ]
    findings = sorted(dict.fromkeys(findings), key=order)
    return Decision(
        gate=gate,
        allow=not any(each.level is Level.DENY and each.waived is None for each in findings),
        findings=tuple(findings),
        policy_digest=bundle.digest if isinstance(bundle, Bundle) else "",
        input_digest=input_digest,
        engine="none" if engine is None else engine.name,
        at=now,
    )


def _findings(
    engine: PolicyEngine | None,
    bundle: Bundle | SluicewayError,
    gate: str,
    document: Mapping[str, Any],
) -> Iterator[_Judged]:
    """Yield findings, each with the names of what it is about and whether it may be waived."""
    if isinstance(bundle, SluicewayError):
        yield _of_error(bundle), (), False
        return
    if engine is None:
        yield _engine_missing(), (), False
        return
    problems = tuple(_input_problems(bundle, gate, document))
    if problems:
        yield from ((problem, (), False) for problem in problems)
        return
    try:
        value = engine.evaluate(bundle, f"{gate}.decision", document)
    except SluicewayError as error:
        yield _of_error(error), (), False
        return
    except Exception as error:  # noqa: BLE001 - whatever an engine does wrong, the gate refuses
        yield _of_defect(engine, error), (), False
        return
    if value is None:
        yield _no_entrypoint(gate, bundle), (), False
        return
    yield from _read(value, gate)


def _input_problems(bundle: Bundle, gate: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    schema = bundle.schemas.get(gate)
    if schema is None or not _GATE.fullmatch(gate):
        known = ", ".join(sorted(bundle.schemas)) or "none"
        yield _input_finding(
            f"There is no schema for the input of gate {gate!r} in {bundle.origin} "
            f"(there is: {known}).",
            solution=f"Add schemas/{gate}/input.json to the policies, or name a gate that exists.",
        )
        return
    try:
        problems = schema_problems(schema, document)
    except SluicewayError as error:
        yield _of_error(error)
        return
    yield from (_input_finding(f"The gate's input is wrong: {problem}.") for problem in problems)


def _read(value: Any, gate: str) -> Iterator[_Judged]:
    """Yield the findings of a decision document; whatever is not one is a deny of its own."""
    if not isinstance(value, Mapping) or set(value) != {level.value for level in _LEVELS}:
        shape = "an object with exactly the keys deny and warn"
        yield _malformed(gate, f"data.{gate}.decision is not {shape}"), (), False
        return
    for level in _LEVELS:
        entries = value[level.value]
        if not isinstance(entries, list):
            yield _malformed(gate, f"data.{gate}.decision.{level.value} is not a set"), (), False
            continue
        for entry in entries:
            problem = _entry_problem(entry)
            if problem:
                where = f"a finding in data.{gate}.decision.{level.value}"
                yield _malformed(gate, f"{where} {problem}"), (), False
                continue
            finding = Finding(
                code=entry["code"], level=level, message=entry["msg"], solution=entry["solution"]
            )
            names = (entry.get("about", ""), *entry.get("aliases", ()))
            yield finding, tuple(name for name in names if name), entry.get("waivable", True)


def _entry_problem(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return "is not an object"
    for key, kind in _KEYS.items():
        if not isinstance(entry.get(key), kind) or not entry[key].strip():
            return f"has no text as {key}"
    for key in entry:
        if key not in _KEYS and not isinstance(entry[key], _OPTIONAL.get(key, ())):
            return f"has {key!r}, which is not a key of a finding or is of another type"
    if not all(isinstance(name, str) for name in entry.get("aliases", ())):
        return "has 'aliases' that are not texts"
    return ""


def _deny(code: str, message: str, solution: str) -> Finding:
    return Finding(code=code, level=Level.DENY, message=message, solution=solution)


def _of_error(error: SluicewayError) -> Finding:
    message = "; ".join(error.what.splitlines()).rstrip(".") + "."
    return _deny(error.code, message, error.remedy or "Run `invoke doctor`.")


def _of_defect(engine: PolicyEngine, error: Exception) -> Finding:
    return _deny(
        "policy.crashed",
        f"The policy engine {engine.name} failed: {type(error).__name__}: {error}.",
        "Report it to the makers of the engine's plugin; --debug shows the trace.",
    )


def _engine_missing() -> Finding:
    return _deny(
        "policy.engine-missing",
        "None of the chosen policy engines is on this machine, so nothing can be judged.",
        "`invoke policy.engine` says why each chosen engine is not used. The embedded one is "
        "installed by: invoke policy.engine --install",
    )


def _no_entrypoint(gate: str, bundle: Bundle) -> Finding:
    return _deny(
        "policy.entrypoint",
        f"The policies in {bundle.origin} do not define data.{gate}.decision for this input.",
        f"Add the rule `decision` to package {gate}, and run `invoke policy.check`.",
    )


def _malformed(gate: str, what: str) -> Finding:
    return _deny(
        "policy.malformed",
        f"{what}.",
        f"Make data.{gate}.decision "
        '{"deny": {{"code", "msg", "solution"}, ...}, "warn": {...}}; run `invoke policy.check`.',
    )


def _input_finding(message: str, solution: str = "") -> Finding:
    return _deny(
        "input.schema",
        message,
        solution or "Repeat the step that makes this evidence; if it persists, report it.",
    )
