"""The judgement of one gate: closed unless every part of it worked and nothing denied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Decision, Finding, Level, Place, digest_of
from sluiceway.policy.archive import written
from sluiceway.policy.engine import Bundle, EngineError, PolicyEngine
from sluiceway.policy.schema import schema_problems
from sluiceway.policy.waivers import About, Exceptions, apply_waivers, listed, order

__all__ = ["decide", "weigh_waivers"]

_GATE = re.compile(r"[a-z][a-z0-9_]*")
_LEVELS = tuple((level, level.value) for level in Level)
_ASKED = frozenset({Level.DENY.value, Level.WARN.value})
_ALSO = _ASKED | {Level.ADVICE.value, "waivers", "verdict", "outcome"}
_KEYS = ("msg", "code", "solution")
_OPTIONAL: Mapping[str, type] = {
    "about": str,
    "aliases": list,
    "at": dict,
    "packages": list,
    "waivable": bool,
}
_NAMING = frozenset({"about", "aliases", "packages"})
_PLACE = {
    "file": str,
    "line": int,
    "statement": str,
    "statement_hash": str,
    "table": str,
    "column": str,
}
_placed = itemgetter(*_PLACE)
_PLACED, _LINE = tuple(_PLACE.values()), tuple(_PLACE).index("line")
_LISTS = ("aliases", "packages")
_TEXT = frozenset({str})
_Form = tuple[tuple[Any, ...], tuple[type, ...]]
"""The keys of an entry and the types of their values."""
_NEVER, _WAIVABLE = About(waivable=False), About()
_LARGEST = 8 << 20
"""Bytes of an input as canonical JSON. A scan of ten thousand findings has half of it; what is larger
is not looked into, so that refusing it takes no longer than writing it down."""
_VERDICTS = ("continue", "extend", "hold", "promote", "rollback")
_OUTCOMES = ("error", "fail", "inconclusive", "no-data", "pass", "running")
_PROMOTE = "promote"
_Judged = tuple[Finding, Mapping[str, Any]]
"""A finding, and the entry that it was made from: what it is about is asked when there are waivers."""
_OURS: Mapping[str, Any] = {"waivable": False}
"""What stands for the entry of a finding that no rule has made."""


def decide(
    engine: PolicyEngine | None,
    bundle: Bundle | SluicewayError,
    gate: str,
    document: Mapping[str, Any],
    *,
    now: datetime,
) -> Decision:
    """Judge *document* by the rule ``data.<gate>.decision`` of *bundle*.

    Never raises for what a policy, an engine or an input does: each of these is a deny.

    Args:
        engine: The engine, or ``None`` when there is none here (``policy.engine-missing``).
        bundle: The policies, or the error that reading them ended with (its own code).
        gate: The gate's name, also its package.
        document: The gate's input, JSON data; checked against ``schemas/<gate>/input.json``
            (``input.schema``). Its ``waivers`` are the exceptions of the site: one that the
            rules do not object to excuses the findings that it is about, and a waived finding stays
            in the decision.
        now: The moment of the decision, for waivers. Rules see ``input.now``.

    Codes of its own: ``policy.engine-missing``, ``policy.entrypoint`` (the rule is undefined),
    ``policy.malformed`` (its value has another shape), ``input.schema``, ``input.size`` (more than
    8 MB), and every code of
    :class:`~sluiceway.policy.EngineError`.
    """
    findings: list[Finding] = []
    advice: list[Finding] = []
    said: dict[str, str] = {}
    input_digest = ""
    try:
        document, body = written(document)
        input_digest = digest_of(body)
        if len(body) > _LARGEST:
            findings.append(_too_large(len(body)))
    except (TypeError, ValueError, RecursionError) as error:
        findings.append(_input_finding(f"The input is not JSON data: {error}."))
    if not findings:
        findings, advice, said = _excused(engine, bundle, gate, document, now)
    allow = not any(each.level is Level.DENY and each.waived is None for each in findings)
    if said and allow != (said["verdict"] == _PROMOTE):
        findings.append(_malformed(gate, _contradiction(gate, said["verdict"], allow=allow)))
        allow, said = False, {}
    findings = sorted(dict.fromkeys(findings), key=order)
    return Decision(
        gate=gate,
        allow=allow,
        findings=tuple(findings),
        policy_digest=bundle.digest if isinstance(bundle, Bundle) else "",
        input_digest=input_digest,
        engine="none" if engine is None else engine.name,
        at=now,
        advice=tuple(sorted(dict.fromkeys(advice), key=order)),
        **said,
    )


def weigh_waivers(
    engine: PolicyEngine | None, bundle: Bundle | SluicewayError, document: Mapping[str, Any]
) -> Exceptions:
    """Ask the policies (``data.waiver.judged``) which waivers count, outside of any decision.

    Args:
        engine: The engine, or ``None`` when there is none here.
        bundle: The policies, or the error that reading them ended with.
        document: ``now``, ``service``, ``rehearsal``, ``actor``, ``gate`` and ``waivers`` as a
            gate's input has them; an actor without a name asks for nothing.

    Raises:
        SluicewayError: When they cannot be asked, or answer in another form.
    """
    if isinstance(bundle, SluicewayError):
        raise bundle
    if engine is None:
        missing = _engine_missing()
        raise EngineError(missing.message, remedy=missing.solution, code=missing.code)
    value = engine.evaluate(bundle, "waiver.judged", document)
    try:
        return _exceptions({} if value is None else {"waivers": value}, document)
    except ValueError as error:
        raise EngineError(
            f"data.waiver.judged {error}",
            means="Nobody can tell which waivers count, so none does.",
            remedy="Run `invoke policy.check`.",
            code="policy.malformed",
        ) from error


def _excused(
    engine: PolicyEngine | None,
    bundle: Bundle | SluicewayError,
    gate: str,
    document: Mapping[str, Any],
    now: datetime,
) -> tuple[list[Finding], list[Finding], dict[str, str]]:
    """Return the findings with their waivers and what is said of those that the decision needs.

    The second list is advice; the third is the verdict of a canary with its outcome, or nothing.
    """
    value, problems = _asked(engine, bundle, gate, document)
    judged: list[_Judged] = [(problem, _OURS) for problem in problems]
    exceptions = Exceptions()
    said: dict[str, str] = {}
    if not problems:
        judged = list(_read(value, gate))
        try:
            said = _verdict(value)
        except ValueError as error:
            judged.append((_malformed(gate, f"data.{gate}.decision {error}"), _OURS))
        try:
            exceptions = _exceptions(value, document)
        except ValueError as error:
            judged.append((_malformed(gate, f"data.{gate}.decision.waivers {error}"), _OURS))
    advice = [finding for finding, _ in judged if finding.level is Level.ADVICE]
    judged = [each for each in judged if each[0].level is not Level.ADVICE]
    if exceptions.waivers:
        findings = [
            apply_waivers(finding, _about(entry), exceptions, document, now=now)
            for finding, entry in judged
        ]
    else:
        findings = [finding for finding, _ in judged]
    needed = {each.waived.id for each in findings if each.waived is not None}
    findings += [exceptions.warnings[id_] for id_ in needed & exceptions.warnings.keys()]
    return findings, advice, said


def _asked(
    engine: PolicyEngine | None,
    bundle: Bundle | SluicewayError,
    gate: str,
    document: Mapping[str, Any],
) -> tuple[Any, tuple[Finding, ...]]:
    """Return what the rules say, or why they could not be asked."""
    if isinstance(bundle, SluicewayError):
        return None, (_of_error(bundle),)
    if engine is None:
        return None, (_engine_missing(),)
    problems = tuple(_input_problems(bundle, gate, document))
    if problems:
        return None, problems
    try:
        value = engine.evaluate(bundle, f"{gate}.decision", document)
    except SluicewayError as error:
        return None, (_of_error(error),)
    except Exception as error:  # noqa: BLE001 - whatever an engine does wrong, the gate refuses
        return None, (_of_defect(engine, error),)
    return value, (() if value is not None else (_no_entrypoint(gate, bundle),))


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
    if not problems:
        try:
            listed(document)
        except ValueError as error:
            yield _input_finding(f"The gate's input is wrong: {error}.")


def _read(value: Any, gate: str) -> Iterator[_Judged]:
    """Yield the findings of a decision document; whatever is not one is a deny of its own."""
    if not isinstance(value, Mapping) or not value.keys() >= _ASKED or not value.keys() <= _ALSO:
        shape = "an object with the keys deny and warn, and perhaps advice, waivers, verdict and outcome"
        yield _malformed(gate, f"data.{gate}.decision is not {shape}"), _OURS
        return
    for level, name in _LEVELS:
        yield from _entries(value.get(name, []), level, gate, f"decision.{name}")


def _verdict(value: Any) -> dict[str, str]:
    """Return ``verdict`` and ``outcome`` of a decision document that has them.

    Raises:
        ValueError: When one of them is not one that there is, or is there without the other.
    """
    if not isinstance(value, Mapping) or not {"verdict", "outcome"} & set(value):
        return {}
    for name, known in (("verdict", _VERDICTS), ("outcome", _OUTCOMES)):
        if value.get(name) not in known:
            msg = f"has as {name} {value.get(name)!r}, which is none of {', '.join(known)}"
            raise ValueError(msg)
    if (value["outcome"] == "pass") > (value["verdict"] == _PROMOTE):
        msg = f"has the outcome pass with the verdict {value['verdict']}"
        raise ValueError(msg)
    return {"verdict": value["verdict"], "outcome": value["outcome"]}


def _contradiction(gate: str, verdict: str, *, allow: bool) -> str:
    if allow:
        return f"data.{gate}.decision denies nothing, with the verdict {verdict}"
    return f"data.{gate}.decision denies, with the verdict {verdict}"


def _entries(entries: Any, level: Level, gate: str, where: str) -> Iterator[_Judged]:
    if not isinstance(entries, list):
        yield _malformed(gate, f"data.{gate}.{where} is not a set"), _OURS
        return
    known: set[_Form] = set()
    for entry in entries:
        problem = _entry_problem(entry, known)
        if problem:
            yield _malformed(gate, f"a finding in data.{gate}.{where} {problem}"), _OURS
            continue
        at = entry.get("at")
        yield (
            Finding(
                code=entry["code"],
                level=level,
                message=entry["msg"],
                solution=entry["solution"],
                at=None if at is None else Place(**at),
                about=entry.get("about", ""),
            ),
            entry,
        )


def _about(entry: Mapping[str, Any]) -> About:
    """Return what an entry is about. Most are about nothing, and share the answer."""
    waivable = entry.get("waivable", True)
    if _NAMING.isdisjoint(entry):
        return _WAIVABLE if waivable else _NEVER
    names = (entry.get("about", ""), *entry.get("aliases", ()))
    return About(
        names=tuple(name for name in names if name),
        packages=tuple(entry.get("packages", ())),
        waivable=waivable,
    )


def _exceptions(value: Any, document: Mapping[str, Any]) -> Exceptions:
    """Return the waivers of the input with what the rules say about them.

    Raises:
        ValueError: When that has another shape than it must.
    """
    waivers = listed(document)
    if not isinstance(value, Mapping) or "waivers" not in value:
        return Exceptions(waivers=waivers)
    said = value["waivers"]
    if not isinstance(said, Mapping) or set(said) != {"objections", "warn"}:
        msg = "is not an object with exactly the keys objections and warn"
        raise ValueError(msg)
    objections, warnings = said["objections"], said["warn"]
    if not isinstance(objections, Mapping) or not all(map(_texts, objections.values())):
        msg = "has objections that are not sets of texts by the id of a waiver"
        raise ValueError(msg)
    if not isinstance(warnings, list) or any(map(_entry_problem, warnings)):
        msg = "has a warn that is not a set of findings"
        raise ValueError(msg)
    return Exceptions(
        waivers=waivers,
        objections=objections,
        warnings={
            entry.get("about", ""): Finding(
                code=entry["code"],
                level=Level.WARN,
                message=entry["msg"],
                solution=entry["solution"],
            )
            for entry in warnings
        },
    )


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _entry_problem(entry: Any, known: set[_Form] | None = None) -> str:
    """Say what keeps *entry* from being a finding; nothing when it is one.

    Args:
        entry: What a policy says.
        known: Forms of entries that were found to be right. Thousands of entries have a few.
    """
    if entry.__class__ is not dict and not isinstance(entry, Mapping):
        return "is not an object"
    form = (tuple(entry), tuple(map(type, entry.values())))
    if known is None or form not in known:
        problem = _form_problem(entry)
        if problem:
            return problem
        if known is not None:
            known.add(form)
    for key in _KEYS:
        if not entry[key].strip():
            return _no_text(key)
    for key in _LISTS:
        # Types are compared: of what JSON has, that is as isinstance.
        if key in entry and not _TEXT.issuperset(map(type, entry[key])):
            return f"has {key!r} that are not texts"
    if "at" in entry and not _is_place(entry["at"]):
        return f"has an 'at' that is not a place ({', '.join(_PLACE)})"
    return ""


def _form_problem(entry: Mapping[str, Any]) -> str:
    """Say what is wrong with the keys of *entry* and the types of its values."""
    for key in _KEYS:
        if not isinstance(entry.get(key), str):
            return _no_text(key)
    for key, each in entry.items():
        if key not in _KEYS and not isinstance(each, _OPTIONAL.get(key, ())):
            return f"has {key!r}, which is not a key of a finding or is of another type"
    return ""


def _no_text(key: str) -> str:
    return f"has no text as {key}"


def _is_place(place: Mapping[str, Any]) -> bool:
    """Say whether *place* is a file, a line from 1, a statement with its hash and two names."""
    try:
        values = _placed(place)
    except KeyError:
        return False
    # Types are compared here too: True is no line.
    right = len(place) == len(_PLACE) and tuple(map(type, values)) == _PLACED
    return right and values[_LINE] > 0


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


def _too_large(size: int) -> Finding:
    return _deny(
        "input.size",
        f"The gate's input has {size / (1 << 20):.1f} MB, and at the most {_LARGEST >> 20} MB are "
        "judged.",
        "Look in it (`invoke history --json`) for what is so large: a scan's findings, approvals, "
        "waivers, what a plugin says.",
    )


def _input_finding(message: str, solution: str = "") -> Finding:
    return _deny(
        "input.schema",
        message,
        solution or "Repeat the step that makes this evidence; if it persists, report it.",
    )
