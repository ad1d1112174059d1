"""From provenance statements to evidence: only what is verified, and never a contradiction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.gates.provenance import BUILD_TYPE, PROVENANCE, origin, provenance_evidence
from sluiceway.model import Attestation, Status

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def stated(
    *,
    builder: str = "urn:b",
    commit: str = "c0ffee",
    uri: str = "git+https://example.com/shop",
    branches: Any = ("refs/heads/main",),
    kind: str = BUILD_TYPE,
    dirty: bool = False,
) -> dict[str, Any]:
    source: dict[str, Any] = {"name": "source", "digest": {"gitCommit": commit}, "uri": uri}
    if dirty:
        source["annotations"] = {"workTree": "changed"}
    return {
        "buildDefinition": {
            "buildType": kind,
            "internalParameters": {"reproducible": "yes", "branches": branches},
            "resolvedDependencies": [source],
        },
        "runDetails": {
            "builder": {"id": builder},
            "metadata": {"invocationId": "r1", "finishedOn": "2026-11-24T12:00:00Z"},
        },
    }


def attested(predicate: Any, **more: Any) -> Attestation:
    fields: dict[str, Any] = {"subject": DIGEST, "digest": OTHER, "verified": True} | more
    return Attestation(predicate_type=PROVENANCE, predicate=predicate, **fields)


def test_a_statement_is_read() -> None:
    (evidence,) = provenance_evidence([attested(stated())], DIGEST)
    assert (evidence.kind, evidence.status, evidence.subject) == ("provenance", Status.OK, DIGEST)
    assert evidence.made_at == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert dict(evidence.facts) == {
        "attested": True,
        "attestations": [OTHER],
        "statements": 1,
        "builder": "urn:b",
        "repository": "https://example.com/shop",
        "revision": "c0ffee",
        "branches": ["refs/heads/main"],
    }


def test_without_a_statement_there_is_no_evidence() -> None:
    assert provenance_evidence([], DIGEST) == []
    other = Attestation(
        predicate_type="https://spdx.dev/Document",
        predicate={},
        subject=DIGEST,
        digest=OTHER,
        verified=True,
    )
    assert provenance_evidence([other], DIGEST) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"verified": False, "problem": "nobody's key"}, "nobody's key"),
        ({"verified": False}, "it is not verified"),
        ({"subject": OTHER}, f"it is about {OTHER}"),
    ],
)
def test_what_is_not_verified_or_about_another_is_not_believed(
    more: dict[str, Any], said: str
) -> None:
    (evidence,) = provenance_evidence([attested(stated(), **more)], DIGEST)
    assert evidence.status is Status.FAILED
    assert evidence.facts["attested"] is False
    assert said in evidence.summary
    (beside,) = provenance_evidence([attested(stated(), **more), attested(stated())], DIGEST)
    assert (beside.status, beside.facts["statements"]) == (Status.OK, 1)


@pytest.mark.parametrize(
    "other", [{"builder": "urn:c"}, {"commit": "beef"}, {"uri": "git+https://example.com/fork"}]
)
def test_statements_that_contradict_each_other_fail(other: dict[str, Any]) -> None:
    (evidence,) = provenance_evidence([attested(stated()), attested(stated(**other))], DIGEST)
    assert evidence.status is Status.FAILED
    assert "contradict" in evidence.summary


def test_branches_are_those_of_every_statement_about_the_build() -> None:
    later = stated(branches=["refs/heads/main", "refs/remotes/origin/main"])
    first = stated(branches=["refs/heads/feature"])
    (evidence,) = provenance_evidence([attested(first), attested(later)], DIGEST)
    assert evidence.status is Status.OK
    assert evidence.facts["branches"] == [
        "refs/heads/feature",
        "refs/heads/main",
        "refs/remotes/origin/main",
    ]


@pytest.mark.parametrize(
    "predicate",
    [
        stated(kind="https://actions.github.io/buildtypes/workflow/v1"),
        stated(dirty=True),
        stated(commit=""),
        stated(branches="refs/heads/main"),
        stated(branches=[7, "", None]),
    ],
)
def test_a_branch_is_never_said_where_nobody_looked(predicate: dict[str, Any]) -> None:
    assert origin(predicate).branches == ()


def test_a_changed_work_tree_is_no_commit() -> None:
    assert origin(stated(dirty=True)).revision == "c0ffee-dirty"


@pytest.mark.parametrize(
    "predicate",
    [
        {},
        {"buildDefinition": [], "runDetails": "x"},
        {"buildDefinition": {"resolvedDependencies": {"uri": "x"}}},
        {"buildDefinition": {"resolvedDependencies": ["x", {"digest": []}]}},
        {"runDetails": {"builder": {"id": 7}, "metadata": {"finishedOn": "soon"}}},
    ],
)
def test_a_signed_statement_of_any_shape_is_read_and_names_nobody(predicate: Any) -> None:
    (evidence,) = provenance_evidence([attested(predicate)], DIGEST)
    assert (evidence.status, evidence.summary) == (Status.FAILED, "it names no builder")
    assert evidence.made_at.year == 1970
