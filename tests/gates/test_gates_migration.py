"""What is known of a digest's migrations: one verified statement, or the reason for none."""

from dataclasses import replace

import pytest

from sluiceway.gates.migration import released_in
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.released import MIGRATIONS, Migration, Released, predicate
from sluiceway.model import Attestation, digest_of

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
BODY = b"SELECT 1;\n"
RELEASED = Released(
    version="1.0.0",
    dialect=Dialect.POSTGRES,
    layout="plain",
    migrations=(Migration(name="1.sql", path="1.sql", digest=digest_of(BODY), body=BODY),),
    uses=None,
)


def attested(document=None, **more):
    said = Attestation(
        predicate_type=MIGRATIONS,
        predicate=predicate(RELEASED) if document is None else document,
        subject=DIGEST,
        digest=OTHER,
        verified=True,
    )
    return replace(said, **more)


def test_one_verified_statement_is_believed():
    found = released_in([attested()], DIGEST)
    assert (found.released, found.problem, found.version) == (RELEASED, "", "1.0.0")


def test_the_same_said_twice_is_one_thing():
    assert released_in([attested(), attested()], DIGEST).released == RELEASED


@pytest.mark.parametrize(
    ("attestations", "problem"),
    [
        ([], "no migrations are attested to it"),
        ([attested(predicate_type="urn:other")], "no migrations are attested to it"),
        ([attested(verified=False, problem="nobody's key")], "not verified: nobody's key"),
        ([attested(subject=OTHER)], "not verified: it is about another"),
        ([attested({"dialect": "postgres"})], "not understood"),
        (
            [attested(), attested(predicate(RELEASED) | {"version": "2.0.0"})],
            "contradict each other",
        ),
    ],
)
def test_anything_else_is_nothing_with_its_reason(attestations, problem):
    found = released_in(attestations, DIGEST)
    assert found.released is None
    assert problem in found.problem
    assert found.version == DIGEST[:19]


def test_an_unverified_one_beside_a_good_one_changes_nothing():
    other = attested(predicate(RELEASED) | {"version": "9"}, verified=False, problem="x")
    assert released_in([attested(), other], DIGEST).released == RELEASED
