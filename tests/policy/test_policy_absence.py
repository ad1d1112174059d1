"""What is missing never opens a gate: every field of every input, taken away one by one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.policy import Bundle, PolicyEngine, decide

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
GATES = ("promotion", "image", "rollback")
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
    "problems",
    "ecosystems",
    "environments",
    "fixed",
    "sources",
    "found_by",
    "vulnerabilities",
)
# What may honestly be unknown.
NULLABLE = {"newest", "target_holds", "current", "advisories", "age_days"}


@pytest.mark.parametrize("gate", GATES)
def test_without_any_one_field_a_passing_input_is_refused(
    engine: PolicyEngine, staffed: Bundle, passing: dict[str, Any], gate: str
) -> None:
    document = passing[gate]
    places = [
        place
        for place in fields(document)
        if not (isinstance(place[-1], int) and place[-2] in SHOWN)
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
    ("promotion", "gate.smoke", ("evidence", "smoke", "status"), "failed"),
    ("promotion", "image.signature", ("evidence", "signature", "facts", "verified"), 0),
    ("promotion", "image.signature-subject", ("evidence", "signature", "subject"), OTHER),
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
    ("rollback", "rollback.unknown", ("deployed_before",), False),
    ("rollback", "identity.unproven", ("actor", "proven"), False),
    ("rollback", "image.signature", ("evidence", "signature", "status"), "failed"),
]


@pytest.mark.parametrize(("gate", "code", "place", "value"), REFUSED)
def test_no_absence_opens_what_was_refused(
    engine: PolicyEngine,
    staffed: Bundle,
    passing: dict[str, Any],
    gate: str,
    code: str,
    place: Place,
    value: Any,
) -> None:
    document = replaced(passing[gate], place, value)
    decision = decide(engine, staffed, gate, document, now=NOW)
    assert code in {finding.code for finding in decision.findings}
    opened = [
        gone
        for gone in fields(document)
        if decide(engine, staffed, gate, without(document, gone), now=NOW).allow
    ]
    assert opened == []


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
