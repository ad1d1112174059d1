"""What is missing never opens a gate: every field of every input, taken away one by one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.policy import Bundle, EngineError, PolicyEngine, decide
from sluiceway.policy.answered import Answered

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
GATES = ("promotion", "image", "rollback", "migration", "canary")
SEVERITIES = dict.fromkeys(("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"), 0)
Place = tuple[str | int, ...]


def fields(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every field of every object, and of every item of every list."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*place, key)
        if isinstance(inner, dict | list):
            yield from fields(inner, (*place, key))


def at(document: Any, place: Place) -> Any:
    for key in place:
        document = document[key]
    return document


def without(document: Any, place: Place) -> Any:
    changed = copy.deepcopy(document)
    del at(changed, place[:-1])[place[-1]]
    return changed


def replaced(document: Any, place: Place, value: Any) -> Any:
    changed = copy.deepcopy(document)
    at(changed, place[:-1])[place[-1]] = value
    return changed


# Taking away a whole item of these lists says less, not something wrong: they are only shown.
SHOWN = (
    "keys",
    "branches",
    "problems",
    "ecosystems",
    "environments",
    "fixed",
    "sources",
    "found_by",
    "vulnerabilities",
)
# What a fact says only for the reader, or what only warns; the harness of absence leaves it alone.
TOLD = {"table", "column", "type", "object", "concurrently"}
# What may honestly be unknown.
NULLABLE = {"newest", "source_since", "target_holds", "current", "advisories", "age_days"}
# Of a canary: what a side's numbers are when it had no requests, and the profile's own warm-up.
NULLABLE |= {"error_rate", "p99_ms", "warm_up_seconds"}
# A check without a number of stable's takes the limits literally, which refuses more.
NULLABLE |= {"stable"}


@pytest.mark.parametrize("gate", GATES)
def test_without_any_one_field_a_passing_input_is_refused(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], gate: str
) -> None:
    document = passing[gate]
    places = [
        place
        for place in fields(document)
        if not (isinstance(place[-1], int) and place[-2] in SHOWN)
        and not (place[0] == "facts" and place[-1] in TOLD)
    ]
    assert len(places) > 25
    opened = [
        place
        for place in places
        if decide(engine, staffed, gate, without(document, place), now=NOW).allow
    ]
    assert opened == []


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("value", [None, [], {}, -1, "", True, "x", 0.5])
def test_another_type_never_raises_and_is_refused_where_a_rule_reads_it(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], gate: str, value: Any
) -> None:
    document = passing[gate]
    for place in fields(document):
        before = at(document, place)
        decision = decide(engine, staffed, gate, replaced(document, place, value), now=NOW)
        if decision.allow:
            nullable = value is None and place[-1] in NULLABLE
            empty = value == [] and isinstance(before, list)
            number = type(value) in (int, float) and type(before) in (int, float)
            # As long as its profile says, or as it says itself: a time is a time, never a debt.
            number = number or (place[-1] == "warm_up_seconds" and value == 0.5)
            assert type(value) is type(before) or number or nullable or empty, place


# One input for each way of being refused: what is changed in the one that passes.
REFUSED: list[tuple[str, str, Place, Any]] = [
    ("promotion", "promotion.path", ("target",), "staging"),
    ("promotion", "promotion.path", ("environments",), ["dev"]),
    ("promotion", "promotion.role", ("actor", "name"), "anna"),
    ("promotion", "promotion.approval", ("approvals",), []),
    ("promotion", "promotion.approval", ("approvals", 0, "digest"), OTHER),
    ("promotion", "promotion.approval", ("approvals", 0, "expires"), "2026-11-24T12:00:00Z"),
    ("promotion", "promotion.approval", ("builder",), "rita"),
    ("promotion", "promotion.approval", ("policy_digest",), OTHER),
    ("promotion", "promotion.approval", ("approvals", 0, "policy_digest"), ""),
    ("promotion", "promotion.rejected", ("approvals", 0, "verdict"), "rejected"),
    ("promotion", "promotion.approval", ("change", "people", 0, "email"), "rita"),
    ("promotion", "promotion.committers-unknown", ("change", "known"), False),
    ("promotion", "promotion.committers-unknown", ("change", "people", 0, "email"), "who@x"),
    ("promotion", "identity.unproven", ("actor", "proven"), False),
    ("promotion", "promotion.source", ("source_holds",), OTHER),
    ("promotion", "promotion.canary", ("evidence", "canary", "facts", "verdict"), "fail"),
    (
        "promotion",
        "promotion.canary-limits",
        ("evidence", "canary", "facts", "limits", "error_rate_threshold"),
        100,
    ),
    ("promotion", "gate.smoke", ("evidence", "smoke", "status"), "failed"),
    ("promotion", "image.signature", ("evidence", "signature", "facts", "verified"), 0),
    ("promotion", "image.signature-subject", ("evidence", "signature", "subject"), OTHER),
    ("promotion", "image.provenance", ("evidence", "provenance", "status"), "failed"),
    ("promotion", "image.provenance", ("evidence", "provenance", "subject"), OTHER),
    ("promotion", "image.sbom", ("evidence", "sbom", "facts", "attested"), False),
    ("promotion", "image.scan-missing", ("evidence", "scan", "status"), "error"),
    ("promotion", "image.scan-unscanned", ("evidence", "scan", "status"), "no-data"),
    (
        "promotion",
        "image.scan-stale",
        ("evidence", "scan", "facts", "scanned_at"),
        "2026-11-20T00:00:00Z",
    ),
    (
        "promotion",
        "image.database-stale",
        ("evidence", "scan", "facts", "scanners", 0, "database", "newest"),
        "2006-11-20T00:00:00Z",
    ),
    (
        "promotion",
        "image.scan-inconsistent",
        ("evidence", "scan", "facts", "counts", "CRITICAL"),
        2,
    ),
    ("image", "image.signature", ("evidence", "signature", "facts", "verified"), 0),
    ("image", "image.sbom", ("evidence", "sbom", "status"), "error"),
    ("image", "image.scan-missing", ("evidence", "scan", "facts", "attested"), False),
    ("image", "image.scan-unscanned", ("evidence", "scan", "facts", "scanners"), []),
    ("rollback", "rollback.unknown", ("deployed_before",), False),
    ("rollback", "identity.unproven", ("actor", "proven"), False),
    ("rollback", "image.signature", ("evidence", "signature", "status"), "failed"),
    ("migration", "migration.drop-table", ("facts", 0, "new_object"), "no"),
    ("migration", "migration.drop-table", ("facts", 0, "new_object"), "maybe"),
    ("migration", "migration.drop-column", ("facts", 1, "temporary"), False),
    ("migration", "migration.not-null-without-default", ("facts", 2, "nullable"), False),
    ("migration", "migration.not-null-without-default", ("facts", 3, "default_at_end"), False),
    ("migration", "migration.not-null-without-default", ("facts", 4, "generated"), False),
    ("migration", "migration.not-null-without-default", ("facts", 5, "covered"), False),
    ("migration", "migration.truncate", ("facts", 6, "kind"), "truncate"),
    ("migration", "migration.unparsable", ("facts", 6, "kind"), "unparsable"),
    ("migration", "migration.unparsable", ("facts", 6, "kind"), "execute"),
    ("migration", "migration.incomplete", ("kinds", "drop_table"), [1]),
    ("canary", "canary.watching", ("watch", "step_seconds"), 290),
    ("canary", "canary.health", ("watch", "streams", "health", "streak"), 3),
    ("canary", "canary.unseen", ("watch", "streams", "sight", "streak"), 3),
    ("canary", "canary.sick", ("watch", "streams", "error_rate", "streak"), 3),
    ("canary", "canary.no-data", ("watch", "samples", "good"), 20),
    ("canary", "canary.unsettled", ("watch", "streams", "latency_p99", "over"), 20),
    ("canary", "canary.uncertified", ("watch", "sequential", "safe", "errors"), 2),
    ("canary", "canary.rule", ("parameters", "rule"), "hope"),
]


# One waiver for each way of not counting: what is changed in one that excuses missing smoke tests.
NOT_COUNTING: list[tuple[str, Any]] = [
    ("environment", "canary"),
    ("digest", OTHER),
    ("package", "pkg:npm/left-pad"),
    ("code", "gate.smoke/health"),
    ("code", "gate.contract"),
    ("service", "payments"),
    ("expires", "2026-11-24T12:00:00Z"),
    ("made_at", "2026-01-01T00:00:00Z"),
    ("made_at", "2026-11-25T00:00:00Z"),
    ("valid", False),
    ("signed", False),
    ("proven", False),
    ("owner", "anna"),
    ("owner", "tom"),
    ("key", "SHA256:tom"),
]
# What a waiver is compared with, besides its own fields.
COMPARED = {"service", "target", "image", "actor", "rehearsal", "now", "gate"}


def refused(passing: dict[str, Any], gate: str) -> Iterator[tuple[str, Any]]:
    """Yield a code and an input of *gate* that is refused by it."""
    for of, code, place, value in REFUSED:
        if of == gate:
            document = replaced(passing[gate], place, value)
            if place[0] == "facts":  # so that nothing but the fact itself refuses
                kinds: dict[str, list[int]] = {}
                for index, fact in enumerate(document["facts"]):
                    kinds.setdefault(fact["kind"], []).append(index)
                document = {**document, "kinds": kinds}
            yield code, document


def unexcused(passing: dict[str, Any], waiver: dict[str, Any]) -> Iterator[Any]:
    """Yield promotions without good smoke tests, each with a waiver that does not count."""
    failed = replaced(passing["promotion"], ("evidence", "smoke", "status"), "failed")
    for field, value in NOT_COUNTING:
        assert waiver[field] != value
        yield {**failed, "waivers": [{**waiver, field: value}]}


def absences(document: Any, place: Place) -> Iterator[Any]:
    """Yield *document* without the field, and with null in its place."""
    yield without(document, place)
    if at(document, place) is not None:
        yield replaced(document, place, None)


@pytest.mark.parametrize("gate", GATES)
def test_no_absence_opens_what_was_refused(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], gate: str
) -> None:
    opened: list[tuple[str, Place]] = []
    inputs = judged = 0
    everywhere: set[Place] = set()
    for code, document in refused(passing, gate):
        decision = decide(engine, staffed, gate, document, now=NOW)
        assert code in {finding.code for finding in decision.findings}
        inputs += 1
        for place in fields(document):
            everywhere.add(place)
            for less in absences(document, place):
                judged += 1
                if decide(engine, staffed, gate, less, now=NOW).allow:
                    opened.append((code, place))
    print(  # noqa: T201 - how much was tried is what one wants to know of this: -s shows it
        f"\n{gate}: {len(everywhere)} fields taken away and nulled in {inputs} refused inputs: "
        f"{judged} judged, {len(opened)} opened"
    )
    assert opened == []
    assert judged > 50 * inputs > 0


def test_no_absence_lets_a_waiver_count(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], waiver: dict[str, Any]
) -> None:
    failed = replaced(passing["promotion"], ("evidence", "smoke", "status"), "failed")
    counting = {**failed, "waivers": [waiver]}
    assert decide(engine, staffed, "promotion", counting, now=NOW).allow
    opened: list[tuple[Any, Place]] = []
    judged = 0
    for document in unexcused(passing, waiver):
        assert not decide(engine, staffed, "promotion", document, now=NOW).allow
        for place in fields(document):
            if place[0] in {"waivers", *COMPARED}:
                for less in absences(document, place):
                    judged += 1
                    if decide(engine, staffed, "promotion", less, now=NOW).allow:
                        opened.append((document["waivers"], place))
    print(f"\nwaivers: {judged} absences judged, {len(opened)} opened")  # noqa: T201 - as above
    assert opened == []


def keys(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the place of every key of data."""
    for key, inner in value.items():
        yield (*place, key)
        if isinstance(inner, dict):
            yield from keys(inner, (*place, key))


def asking(policies: Bundle, gates: Iterable[str]) -> Bundle:
    """Return *policies* with a package that asks for ``input.documents`` of each gate.

    ``input.instead`` stands in place of ``data.<input.at>``, two names; that spares compiling the
    policies again for each key. An empty ``input.at`` leaves the data as they are.
    """
    source = "package absence\n"
    for at in ("", *(".".join(place) for place in keys(policies.data) if len(place) == 2)):
        instead = f" with data.{at} as input.instead" if at else ""
        for gate in gates:
            source += (
                f'\n{gate}[index] := decision if {{\n\tinput.at == "{at}"\n'
                f"\tsome place, document in input.documents.{gate}\n"
                '\tindex := sprintf("%d", [place])\n'
                f"\tdecision := data.{gate}.decision with input as document{instead}\n}}\n"
            )
    return replace(policies, modules={**policies.modules, "absence.rego": source})


def less(
    policies: Bundle, place: tuple[str, ...], data: dict[str, Any]
) -> tuple[Bundle, dict[str, Any]]:
    """Return the policies with *data*, which differ at *place*, and what to ask them with."""
    inner = data.get(place[0])
    if len(place) > 1 and inner is not None and place[1] in inner:
        return policies, {"at": ".".join(place[:2]), "instead": inner[place[1]]}
    return replace(policies, data=data), {"at": ""}


class Failed:
    """An engine that fails as the real one did."""

    name = "embedded"
    version = ""

    def __init__(self, error: EngineError) -> None:
        self._error = error

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        raise self._error

    def close(self) -> None:
        """Nothing is held."""


def together(
    engine: PolicyEngine, policies: Bundle, asked: dict[str, Any], cases: dict[str, list[Any]]
) -> dict[str, list[PolicyEngine]]:
    """Return for each input of each gate an engine that knows what the real one does with it.

    Where one of them makes the evaluation fail, each is asked by itself.
    """
    try:
        found = engine.evaluate(policies, "absence", {**asked, "documents": cases})
    except EngineError as error:
        if "rego_compile_error" in error.what:
            return {gate: [Failed(error)] * len(inputs) for gate, inputs in cases.items()}
        if sum(map(len, cases.values())) == 1:
            return {gate: [Failed(error)] for gate in cases}
        return {
            gate: [together(engine, policies, asked, {gate: [case]})[gate][0] for case in inputs]
            for gate, inputs in cases.items()
        }
    return {
        gate: [Answered(engine.name, found[gate].get(str(index))) for index in range(len(inputs))]
        for gate, inputs in cases.items()
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_absence_in_the_data_opens_what_was_refused(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], waiver: dict[str, Any]
) -> None:
    """Each key of each data.json; a gate that lost its settings asks for more, not for less."""
    broad = {**waiver, "code": "image.vulnerability", "digest": "", "environment": ""}
    facts = ("evidence", "scan", "facts")
    severe = replaced(passing["promotion"], (*facts, "vulnerabilities", 0, "severity"), "HIGH")
    severe = replaced(severe, (*facts, "counts"), {**SEVERITIES, "HIGH": 1})
    documents = {
        "promotion": [
            *(document for _, document in refused(passing, "promotion")),
            *unexcused(passing, waiver),
            severe,
            {**severe, "waivers": [broad]},
        ],
        "rollback": [document for _, document in refused(passing, "rollback")],
        "migration": [document for _, document in refused(passing, "migration")],
        "canary": [document for _, document in refused(passing, "canary")],
    }
    places = list(keys(staffed.data))
    policies = asking(staffed, documents)
    opened: list[Place] = []
    judged = 0
    for place in places:
        # What one gate alone reads is asked of it alone.
        alone = {
            "canary": ["canary"],
            "migration": ["migration"],
            "image": ["promotion", "rollback"],
        }
        cases = {gate: documents[gate] for gate in alone.get(place[0], documents)}
        for data in absences(staffed.data, place):
            bundle, asked = less(policies, place, data)
            answers = together(engine, bundle, asked, cases)
            for gate, inputs in cases.items():
                for answer, case in zip(answers[gate], inputs, strict=True):
                    judged += 1
                    if decide(answer, bundle, gate, case, now=NOW).allow:
                        opened.append(place)
    print(  # noqa: T201 - as above
        f"\ndata: {len(places)} keys taken away and nulled: {judged} judged, {len(opened)} opened"
    )
    assert opened == []
    assert len(places) > 40


@pytest.mark.parametrize("kind", ["contract", "migrations"])
def test_only_whole_evidence_that_nobody_asks_for_may_be_absent(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], kind: str
) -> None:
    document = copy.deepcopy(passing["promotion"])
    document["evidence"][kind] = {**document["evidence"]["smoke"], "kind": kind, "status": "failed"}
    refused = decide(engine, staffed, "promotion", document, now=NOW)
    assert not refused.allow
    opened = [
        gone
        for gone in fields(document)
        if decide(engine, staffed, "promotion", without(document, gone), now=NOW).allow
    ]
    assert opened == [("evidence", kind)]


REJECTION = {"verdict": "rejected", "reason": "Not before Monday."}


@pytest.mark.parametrize(
    ("more", "code", "at_most"),
    [
        (REJECTION, "promotion.rejected", [("approvals", 1)]),
        ({"verdict": "unknown", "valid": False}, "promotion.review-unread", [("approvals", 1)]),
    ],
)
def test_a_rejection_is_unheard_only_where_the_whole_of_it_is_absent(
    engine: PolicyEngine,
    staffed: Bundle,
    passing: dict[str, Any],
    more: dict[str, Any],
    code: str,
    at_most: list[Place],
) -> None:
    document = copy.deepcopy(passing["promotion"])
    document["approvals"].append({**document["approvals"][0], **more})
    refused = decide(engine, staffed, "promotion", document, now=NOW)
    assert {finding.code for finding in refused.findings} == {code}
    opened = [
        gone
        for gone in fields(document)
        if decide(engine, staffed, "promotion", without(document, gone), now=NOW).allow
    ]
    assert opened == at_most


def test_of_several_who_made_a_change_only_a_whole_one_may_be_absent(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any]
) -> None:
    document = copy.deepcopy(passing["promotion"])
    document["change"]["people"].append({"name": "Rita", "email": "rita"})
    assert not decide(engine, staffed, "promotion", document, now=NOW).allow
    opened = [
        gone
        for gone in fields(document)
        if decide(engine, staffed, "promotion", without(document, gone), now=NOW).allow
    ]
    assert opened == [("change", "people", 1)]


def test_an_input_from_before_consent_was_bound_is_read_and_refused(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any]
) -> None:
    document = copy.deepcopy(passing["promotion"])
    for key in ("policy_digest", "change"):
        del document[key]
    for key in ("policy_digest", "verdict"):
        del document["approvals"][0][key]
    decision = decide(engine, staffed, "promotion", document, now=NOW)
    assert {finding.code for finding in decision.findings} == {
        "promotion.approval",
        "promotion.committers-unknown",
        "promotion.review-unread",
    }
