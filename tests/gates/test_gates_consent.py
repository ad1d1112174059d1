"""Who consents, asked of the real gate: real policies, ledger and SSH keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.consent_kit import (
    COMMIT,
    EARLIER,
    NEW,
    OLD,
    OTHER,
    PEOPLE,
    Service,
    made_by,
    public_key,
)

from sluiceway.gates import statements
from sluiceway.model import rfc3339
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedEngine]:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)
    yield engine
    engine.close()


@pytest.fixture
def service(tmp_path: Path, engine: EmbeddedEngine) -> Service:
    return Service.create(tmp_path / "w", engine)


def in_hours(hours: float) -> str:
    return rfc3339(datetime.now(UTC) + timedelta(hours=hours))


def why(service: Service, person: str = "lena", **more: Any) -> str:
    """The refusal's words, which is by nothing but consent."""
    found = service.refused(person, **more)
    assert set(found) == {"promotion.approval"}
    return found["promotion.approval"]


def test_somebody_elses_approval_lets_it_pass_and_none_does_not(service: Service) -> None:
    assert why(service).endswith("and 0 count.")
    service.approves("ravi")
    assert service.refused() == {}


def test_nobody_approves_their_own_request(service: Service) -> None:
    service.approves("lena")
    assert "lena: the person asks for it" in why(service)


def test_nobody_approves_what_they_built(tmp_path: Path, engine: EmbeddedEngine) -> None:
    service = Service.create(tmp_path / "w", engine, builder="ravi")
    service.approves("ravi")
    assert "ravi: the person built it" in why(service)
    service.release(NEW, actor="ci")  # releasing it once more does not make it another's
    assert "ravi: the person built it" in why(service)


def test_a_builder_who_only_claims_a_name_may_be_anybody(
    tmp_path: Path, engine: EmbeddedEngine
) -> None:
    service = Service.create(tmp_path / "w", engine, builder="somebody", proven=False)
    service.approves("ravi")
    assert set(service.refused()) == {"promotion.builder-unknown"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"digest": OTHER}, "it is for another image or path"),
        ({"target": "staging"}, "it is for another image or path"),
        ({"source": "staging"}, "it is for another image or path"),
        ({"service": "billing"}, "it is about the service 'billing'"),
        ({"kind": statements.REQUEST}, "it is not an approval"),
        ({"expires": "2026-01-01T00:00:00Z"}, "it has expired"),
        ({"expires": "soon"}, "its times cannot be read"),
        ({"made_at": in_hours(1), "expires": in_hours(2)}, "it is not in force at this time"),
        ({"made_at": in_hours(-24 * 31)}, "it is not in force at this time"),
        ({"policy_digest": OTHER}, "it was given under other policies"),
        ({"policy_digest": ""}, "it was given under other policies"),
    ],
)
def test_an_approval_of_something_else_does_not_count(
    service: Service, more: dict[str, Any], said: str
) -> None:
    service.approves("ravi", **more)
    assert said in why(service)


def test_any_change_of_the_policies_asks_everybody_again(service: Service) -> None:
    service.approves("ravi")
    service.people(PEOPLE | {"nora": ["developer"]})
    assert "ravi: it was given under other policies" in why(service)
    service.approves("ravi")
    assert service.refused() == {}


def test_a_role_that_was_taken_away_does_not_count(service: Service) -> None:
    service.approves("ravi")
    service.people(PEOPLE | {"ravi": ["developer"]})
    assert "the person lacks the role" in why(service)
    service.approves("ravi")  # under the new policies, and still without the role
    assert "ravi: the person lacks the role" in why(service)


def test_a_key_that_was_taken_away_does_not_count(service: Service) -> None:
    service.approves("ravi")
    path = service.root / "allowed_signers"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("ravi ")]
    path.write_text("\n".join(kept) + "\n")
    assert "is nobody's in" in why(service)


def test_one_person_with_two_keys_counts_once(service: Service) -> None:
    service.people(row={"approvals": 2})
    service.add_key("ravi", file="ravi-2")
    service.approves("ravi")
    service.approves("ravi-2")
    assert why(service).endswith("and 1 count.")
    service.approves("tess")
    assert service.refused() == {}


def test_one_key_under_two_names_is_nobodys(service: Service) -> None:
    service.approves("ravi")
    service.list_key("tess", public_key(service, "ravi"))
    assert "gives the key" in why(service)


def test_a_copy_of_an_approval_is_not_another_one(service: Service) -> None:
    service.people(row={"approvals": 2})
    body = service.approves("ravi")
    service.record(body)
    assert why(service).endswith("and 1 count.")


def test_a_copy_does_not_outlive_what_it_is_of(service: Service) -> None:
    body = service.approves("ravi", expires=in_hours(-0.1))
    service.record(body)
    assert "it has expired" in why(service)


def test_a_copy_does_not_bring_a_withdrawn_digest_back(service: Service) -> None:
    body = service.approves("ravi")
    service.serves(NEW)
    service.serves(OLD, "rolled-back", previous=NEW)
    service.record(body)
    assert "the digest was rolled back after it was given" in why(service)
    service.approves("ravi")
    assert service.refused() == {}


def test_an_approval_is_used_up_when_its_target_has_moved_on(service: Service) -> None:
    body = service.approves("ravi")
    service.serves(NEW)
    assert service.refused(held=NEW) == {}  # once more, where it is already
    service.serves(OTHER)
    service.record(body)
    assert "it was used, and production has moved on since" in why(service, held=OTHER)


def test_the_signature_of_another_statement_is_no_signature(service: Service) -> None:
    mine = service.approves("ravi", target="staging")
    service.record({"statement": service.statement(), "signature": mine["signature"]})
    assert "is not over this statement" in why(service)


def test_a_changed_statement_is_not_the_signed_one(service: Service) -> None:
    body = service.approves("ravi", expires=in_hours(-1))
    changed = {**body["statement"], "predicate": {**body["statement"]["predicate"]}}
    changed["predicate"]["expires"] = in_hours(1)
    service.record({**body, "statement": changed})
    assert "is not over this statement" in why(service)


@pytest.mark.real_tool("ssh-keygen")
def test_a_signature_of_openssh_counts_and_one_for_another_purpose_does_not(
    service: Service,
) -> None:
    import subprocess

    from sluiceway.model import canonical

    document = service.statement()
    key = service.root / "keys" / "ravi"

    def signed(namespace: str) -> dict[str, Any]:
        made = subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", namespace],
            input=canonical(document),
            capture_output=True,
            check=True,
        )
        return {"statement": document, "signature": made.stdout.decode()}

    service.record(signed("git"))
    assert "was made for 'git', not for 'sluiceway'" in why(service)
    service.record(signed("sluiceway"))
    assert service.refused() == {}


def test_a_key_that_nobody_has_signs_for_nobody(service: Service) -> None:
    service.add_key("stranger")
    path = service.root / "allowed_signers"
    listed = path.read_text()
    body = service.approves("stranger")
    path.write_text(
        "".join(line for line in listed.splitlines(keepends=True) if "stranger" not in line)
    )
    service.record(body)
    assert "is nobody's in" in why(service)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"statement": None, "signature": None},
        {"statement": {"subject": "x", "predicate": []}, "signature": "x"},
        {"statement": {"subject": [{"digest": 1}]}, "signature": "-----BEGIN SSH SIGNATURE-----"},
    ],
)
def test_what_is_no_statement_breaks_nothing_and_counts_for_nothing(
    service: Service, body: dict[str, Any]
) -> None:
    service.record(body)
    assert "the statement is not valid" in why(service)
    service.approves("ravi")
    assert service.refused() == {}


def test_a_statement_about_two_images_is_about_neither(service: Service) -> None:
    document = service.statement()
    document["subject"] = [*document["subject"], *service.statement(digest=OTHER)["subject"]]
    _, signature = statements.signed(service.bench("ravi"), document)
    service.record({"statement": document, "signature": signature})
    assert "0 count" in why(service)


def test_two_of_three_with_the_required_role_pass(service: Service) -> None:
    people = PEOPLE | {"theo": ["tech-lead"]}
    service.people(people, row={"approvals": 2, "required_roles": ["release-manager"]})
    service.add_key("theo")
    service.approves("tess")
    service.approves("theo")
    found = service.refused()
    assert set(found) == {"promotion.approval-role"}
    said = found["promotion.approval-role"]
    assert "the consent of a release-manager, and none counts; ravi could give it" in said
    service.approves("ravi")
    assert service.refused() == {}


def test_whoever_made_the_change_does_not_count(service: Service) -> None:
    service.people(
        row={"exclude_committers": True},
        emails={"ravi@example.org": "ravi", "dana@example.org": "dana", "bot@example.org": ""},
    )
    service.approves("ravi")
    assert (
        "its release recorded nothing about it" in service.refused()["promotion.committers-unknown"]
    )
    service.release(NEW, change=made_by(known=False))
    assert "a shallow clone" in service.refused()["promotion.committers-unknown"]
    service.release(NEW, change=made_by("dana@example.org", "Bot@example.org"))
    assert service.refused() == {}


def test_what_was_released_and_not_promoted_is_part_of_the_change(service: Service) -> None:
    emails = {"ravi@example.org": "ravi", "dana@example.org": "dana"}
    service.people(row={"exclude_committers": True}, emails=emails)
    service.approves("ravi")
    service.release(OLD, revision="aa" * 20, change=made_by("dana@example.org"))
    service.release(OTHER, revision=EARLIER, change=made_by("ravi@example.org", since="aa" * 20))
    service.release(NEW, revision=COMMIT, change=made_by("dana@example.org", since=EARLIER))
    assert "ravi: the person made the change" in why(service)
    # Where the target has the first part already, only the second is new.
    assert service.refused(held=OTHER) == {}


def test_an_address_that_is_nobodys_is_told(service: Service) -> None:
    service.people(row={"exclude_committers": True})
    service.approves("ravi")
    service.release(NEW, change=made_by("who@example.org"))
    found = service.refused()
    assert set(found) == {"promotion.committers-unknown"}
    assert "who@example.org" in found["promotion.committers-unknown"]
