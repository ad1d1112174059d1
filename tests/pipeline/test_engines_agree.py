"""The same decision from every engine, byte for byte: real inputs, and thousands of wrong ones."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sluiceway import policy
from sluiceway.model import canonical, rfc3339, to_json
from sluiceway.policy import Bundle, EngineError, PolicyEngine, bundled_policies, load_bundle

from ..plugins.policy_engines_kit import (  # noqa: TID252 - tests are in no package
    make_cli,
    make_embedded,
    make_server,
    serving,
)

pytestmark = [pytest.mark.real_tool("opa"), pytest.mark.slow]

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GATES = ("promotion", "image", "rollback")
PROCESSES = 30
"""Decisions by the program: each is a process that compiles the policies again."""
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 0.1, 2**53 + 1, 2**63, -(10**30), 1e308, 5e-324, 1.0, "", " ", "x",
    "\0", "é\u0301\u202e\U0001f680", '"},{"code":"', "2026-11-24T12:00:00Z", "2026-02-30T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z", [], [[]], [None], {}, {"": {}}, {"a": {"b": [1]}},
)  # fmt: skip

Place = tuple[str | int, ...]
Case = tuple[str, str, dict[str, Any]]


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every field of every object, and of every item of every list."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*place, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*place, key))


def at(document: Any, place: Place) -> Any:
    for key in place:
        document = document[key]
    return document


def changed(document: Any, place: Place, *value: Any) -> Any:
    """Return a copy with the value at *place* replaced, or taken away when none is given."""
    copied = copy.deepcopy(document)
    owner = at(copied, place[:-1])
    if value:
        owner[place[-1]] = value[0]
    else:
        del owner[place[-1]]
    return copied


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def large(passing: dict[str, Any]) -> Iterator[Case]:
    """Many approvals, vulnerabilities and words; deep facts; big numbers."""
    document = passing["promotion"]
    (approval,) = document["approvals"]
    people = ["rita", "tess", "tom", "robot", "anna", "nobody", ""]
    hours = [approval["expires"], "2026-11-24T12:00:00Z", "2020-01-01T00:00:00Z", "soon", ""]
    many = [
        {**approval, "approver": {**approval["approver"], "name": name}, "expires": expires}
        for name in people
        for expires in hours
    ]
    yield "promotion", "many approvals", {**document, "approvals": many * 8}
    scan = document["evidence"]["scan"]
    (found,) = scan["facts"]["vulnerabilities"]
    severe = [
        {**found, "id": f"GHSA-{number}", "severity": severity, "summary": 'ü\u2028"' * 9}
        for number in range(60)
        for severity in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN", "", "high")
    ]
    for gate in ("promotion", "image"):
        place = ("evidence", "scan", "facts", "vulnerabilities")
        yield gate, "many vulnerabilities", changed(passing[gate], place, severe)
        for depth in (50, 500):
            deep = changed(passing[gate], ("evidence", "scan", "facts", "deep"), nested(depth))
            yield gate, f"{depth} levels", deep


def alone(passing: dict[str, Any]) -> Iterator[Case]:
    """Each field taken away, and replaced by each of two strange values in turn."""
    turn = 0
    for gate in GATES:
        yield gate, "passing", passing[gate]
        yield gate, "empty", {}
        for place in places(passing[gate]):
            yield gate, f"without {place}", changed(passing[gate], place)
            for _ in range(2):
                turn += 1
                value = STRANGE[turn % len(STRANGE)]
                yield gate, f"{place} = {value!r}", changed(passing[gate], place, value)


def together(passing: dict[str, Any], number: int) -> Iterator[Case]:
    """Several changes at once, the same ones in every run."""
    chance = random.Random(20261124)
    for count in range(number):
        gate = GATES[count % len(GATES)]
        document = passing[gate]
        for _ in range(chance.randint(2, 5)):
            place = chance.choice(list(places(document)))
            value = chance.choice([(), (chance.choice(STRANGE),), (chance.choice(STRANGE),)])
            document = changed(document, place, *value)
            if not document:
                break
        yield gate, f"random {count}", document


def verdict(engine: PolicyEngine, policies: Bundle, case: Case) -> bytes:
    """Return what *engine* says, past the check of the schema, in canonical JSON."""
    gate, _, document = case
    try:
        value = engine.evaluate(policies, f"{gate}.decision", document)
    except EngineError as error:
        return canonical({"code": error.code, "what": error.what})
    return canonical({"value": value})


def decision(engine: PolicyEngine, policies: Bundle, case: Case) -> bytes:
    """Return the gate's whole decision by *engine*, but for the engine's name."""
    gate, _, document = case
    made = policy.decide(engine, policies, gate, document, now=NOW)
    return canonical({**to_json(made), "engine": ""})


@pytest.fixture(scope="module")
def engine() -> Iterator[PolicyEngine]:
    engine = make_embedded()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def passing(engine: PolicyEngine) -> dict[str, Any]:
    tests = load_bundle([bundled_policies()], tests=True)
    waiver = engine.evaluate(tests, "lib_test.waiver", {})
    waivers = [
        {**waiver, "id": code, "code": code, "expires": rfc3339(NOW + timedelta(days=days))}
        for code, days in (("image.vulnerability/GHSA-3", 9), ("gate.smoke", -1))
    ]
    return {
        gate: {**engine.evaluate(tests, f"lib_test.{gate}", {}), "waivers": waivers}
        for gate in GATES
    }


@pytest.fixture(scope="module")
def staffed(engine: PolicyEngine) -> Bundle:
    tests = load_bundle([bundled_policies()], tests=True)
    policies = load_bundle([bundled_policies()])
    people = engine.evaluate(tests, "lib_test.people", {})
    data = {**policies.data, "promotion": {**policies.data["promotion"], "people": people}}
    return Bundle(
        modules=policies.modules,
        data=data,
        schemas=policies.schemas,
        digest=policies.digest,
        origin=policies.origin,
    )


def test_three_engines_agree_on_what_was_made_up(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], tmp_path: Path, capsys: Any
) -> None:
    cases = [*alone(passing), *large(passing), *together(passing, 300)]
    chosen = random.Random(3).sample(cases, PROCESSES - 10)
    chosen += [case for case in cases if case[1] == "passing" or case in list(large(passing))][:10]
    different: list[str] = []
    values = refusals = 0
    cli = make_cli(tmp_path)
    with serving(tmp_path, staffed, "--log-level", "error") as url:
        server = make_server(tmp_path, url, reread_seconds=3600.0)
        for case in cases:
            said = verdict(engine, staffed, case)
            values, refusals = values + (b'"value"' in said), refusals + (b'"what"' in said)
            others = [server, cli] if case in chosen else [server]
            different += [
                f"{other.name}: {case[:2]}: {answer.decode()[:400]} and not {said.decode()[:400]}"
                for other in others
                if (answer := verdict(other, staffed, case)) != said
            ]
            if decision(server, staffed, case) != decision(engine, staffed, case):
                different.append(f"decision: {case[:2]}")
        server.close()
    cli.close()
    with capsys.disabled():
        print(  # noqa: T201 - how much was compared is what one wants to know
            f"\n{len(cases)} inputs by embedded and server, {len(chosen)} of them by the program: "
            f"{values} values, {refusals} refusals, {len(different)} differences"
        )
    assert different == []
    assert len(cases) > 1000
    assert min(values, refusals) > 10


def test_three_engines_agree_on_what_happened(shop: Any, tmp_path: Path, capsys: Any) -> None:
    """Inputs as the pipeline makes them: a release, promotions with and without consent, a way back."""
    asked: list[tuple[Bundle, str, dict[str, Any], dict[str, Any]]] = []
    real = policy.decide

    def recording(engine: Any, bundle: Any, gate: str, document: Any, **more: Any) -> Any:
        asked.append((bundle, gate, copy.deepcopy(dict(document)), more))
        return real(engine, bundle, gate, document, **more)

    shop.monkeypatch.setattr(policy, "decide", recording)
    shop.ship("dev", "staging")
    shop.run("ci", "promote", "--to=staging")
    shop.run("dana", "promote", "--to=production")
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    unsigned = shop.run("ci", "build")[1]["image"]["digest"]
    shop.run("dana", "rollback", "--env=dev", f"--to-digest={unsigned}")
    shop.ship("dev")
    shop.run("dana", "rollback", "--env=dev", "--reason=numbers differ")
    assert {gate for _, gate, _, _ in asked} == {"promotion", "rollback"}
    (bundle, *others) = {bundle.digest: bundle for bundle, _, _, _ in asked}.values()
    assert not others
    embedded, cli = make_embedded(), make_cli(tmp_path)
    found: dict[str, list[bytes]] = {}
    with serving(tmp_path, bundle) as url:
        server = make_server(tmp_path, url)
        for each in (embedded, server, cli):
            for _, gate, document, more in asked:
                made = real(each, bundle, gate, document, **more)
                assert made.engine == each.name
                found.setdefault(each.name, []).append(canonical({**to_json(made), "engine": ""}))
            each.close()
    allowed = [b'"allow":true' in each for each in found["embedded"]]
    with capsys.disabled():
        print(f"\n{len(asked)} real inputs by three engines: {sum(allowed)} allowed")  # noqa: T201 - as above
    assert found["server"] == found["embedded"] == found["cli"]
    assert any(allowed)
    assert not all(allowed)
