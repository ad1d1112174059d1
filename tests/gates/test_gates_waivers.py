"""Waivers as people sign them: what is told to the policies of one that was tampered with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import Refused, UsageError
from sluiceway.gates import statements, waivers
from sluiceway.model import rfc3339
from sluiceway.rehearsal import Workspace
from sluiceway.runs.waiver import standing, waive, withdraw
from sluiceway.workbench import Workbench

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "settlement"
CODE = "image.vulnerability/CVE-1"
EVERYWHERE = {"environment": "", "digest": "", "package": ""}
WEEK = timedelta(days=7)
DIGEST = "sha256:" + "a" * 64


class Office:
    """One project, and its people each with a bench of their own."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace.create(root, EXAMPLE)
        self.benches: dict[str, Workbench] = {}

    def __call__(self, person: str) -> Workbench:
        if person not in self.benches:
            self.benches[person] = self.workspace.bench(person)
        return self.benches[person]

    def waive(self, person: str = "lena", code: str = CODE, **more: Any) -> dict[str, Any]:
        scope = {key: more.pop(key, "") for key in EVERYWHERE}
        fields = {"reason": "not reachable", "length": timedelta(days=30), **more}
        return waive(self(person), code, scope, **fields)

    def stands(self, now: datetime | None = None) -> dict[str, tuple[str, str]]:
        found = standing(self("dana"), now or datetime.now(UTC))
        return {each["id"]: (each["state"], each["why"]) for each in found}

    def record(self, person: str, predicate: dict[str, Any], **more: Any) -> str:
        """Sign a statement as *person* and write it down, as another program might."""
        bench = self(person)
        now = datetime.now(UTC)
        full = {
            "id": "waive-1",
            "code": CODE,
            **EVERYWHERE,
            "reason": "r",
            "made_at": rfc3339(now),
            "expires": rfc3339(now + WEEK * 4),
            **predicate,
        }
        document = waivers.waiver_statement(more.pop("service", "settlement"), full)
        document |= more.pop("statement", {})
        _, signature = statements.signed(bench, document)
        run = more.pop("run", full["id"])
        body = {"statement": document, "signature": more.pop("signature", signature)}
        after = more.pop("after", None)
        if after:
            body["statement"] = {**document, "predicate": {**full, **after}}
        assert not more
        bench.ledger.append(
            "waiver", key=f"{run}:waiver", run=run, service="settlement", actor=person, body=body
        )
        return str(run)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("office") / "w")
    yield made
    for bench in made.benches.values():
        bench.close()


def test_one_is_signed_listed_and_told_to_the_gates_it_is_about(office: Office) -> None:
    made = office.waive(environment="staging", package="pkg:npm/left-pad")
    assert (made["owner"], made["method"], made["proven"]) == ("lena", "ssh", True)
    assert made["id"].startswith("waive-")
    assert office.stands()[made["id"]] == ("in-force", "")
    now = datetime.now(UTC)

    def told(environment: str) -> list[str]:
        found = waivers.applicable(office("ci"), environment=environment, digest=DIGEST, now=now)
        return [each["id"] for each in found]

    assert made["id"] in told("staging")
    assert made["id"] not in told("production")


def test_how_it_stands_as_time_goes_by(office: Office) -> None:
    made = office.waive()
    ends = datetime.fromisoformat(made["expires"])
    soon = office.stands(ends - timedelta(days=2))[made["id"]]
    over = office.stands(ends)[made["id"]]
    assert soon == ("expiring", "")
    assert over == ("expired", f"expired on {made['expires']}")
    day = {"environment": "dev", "digest": DIGEST}
    late = waivers.applicable(office("ci"), **day, now=ends + timedelta(days=89))
    later = waivers.applicable(office("ci"), **day, now=ends + timedelta(days=91))
    assert made["id"] in {each["id"] for each in late}
    assert made["id"] not in {each["id"] for each in later}


def test_a_withdrawn_one_does_not_count_and_says_by_whom(office: Office) -> None:
    made = office.waive()
    withdraw(office("dana"), made["id"], reason="it is reachable")
    state, why = office.stands()[made["id"]]
    assert state == "not-counting"
    assert "dana withdrew it at 20" in why
    assert why.endswith(": it is reachable)")
    withdraw(office("ravi"), made["id"], reason="again")  # twice is as once
    assert office.stands()[made["id"]] == (state, why)


def test_a_copy_neither_saves_a_waiver_from_its_withdrawal_nor_brings_it_back(
    office: Office,
) -> None:
    made = office.waive()
    bench = office("lena")
    (entry,) = bench.ledger.entries(kinds=("waiver",), run=made["id"])

    def copy(key: str, run: str) -> None:
        bench.ledger.append(
            "waiver", key=key, run=run, service="settlement", actor="lena", body=entry.body
        )

    copy(f"{made['id']}:copy", made["id"])
    withdraw(office("dana"), made["id"], reason="fixed")
    copy(f"{made['id']}:again", made["id"])
    copy(f"{made['id']}:other", f"{made['id']}-2")
    found = {each["id"]: each["state"] for each in standing(bench, datetime.now(UTC))}
    assert (found[made["id"]], found[f"{made['id']}-2"]) == ("not-counting", "not-counting")


def test_withdrawing_holds_although_the_key_is_gone(office: Office) -> None:
    made = office.waive()
    withdraw(office("dana"), made["id"], reason="")
    path = office.workspace.root / "allowed_signers"
    before = path.read_text()
    path.write_text(
        "".join(line for line in before.splitlines(keepends=True) if "dana" not in line)
    )
    try:
        assert "dana withdrew it" in office.stands()[made["id"]][1]
    finally:
        path.write_text(before)


def test_a_signer_whose_key_is_gone(office: Office) -> None:
    made = office.waive("ravi")
    path = office.workspace.root / "allowed_signers"
    before = path.read_text()
    path.write_text(
        "".join(line for line in before.splitlines(keepends=True) if "ravi" not in line)
    )
    try:
        state, why = office.stands()[made["id"]]
    finally:
        path.write_text(before)
    assert state == "not-counting"
    assert "it is not valid" in why
    assert office.stands()[made["id"]][0] == "in-force"


def test_a_signer_whose_role_is_gone(office: Office) -> None:
    made = office.waive("ravi")
    path = office.workspace.root / "people.json"
    before = path.read_text()
    path.write_text(before.replace('"release-manager"', '"developer"'))
    try:
        state, why = office.stands()[made["id"]]
    finally:
        path.write_text(before)
    assert state == "not-counting"
    assert "none of the roles" in why


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"service": "payments"}, "it is about the service 'payments'"),
        ({"statement": {"predicateType": statements.APPROVAL}}, "it is not a waiver"),
        ({"after": {"code": "image.signature"}}, "signature"),
        ({"after": {"expires": "2099-01-01T00:00:00Z"}}, "signature"),
        ({"after": {"digest": ""}, "predicate": {"digest": DIGEST}}, "signature"),
        ({"signature": "-----BEGIN SSH SIGNATURE-----"}, "signature"),
        ({"run": "waive-2"}, "it was signed as"),
        ({"predicate": {"reason": ""}}, "no code or no reason"),
        ({"predicate": {"expires": "soon"}}, "its statement cannot be read"),
        ({"statement": {"subject": []}}, "its statement cannot be read"),
        ({"statement": {"subject": ["settlement"]}}, "its statement cannot be read"),
        (
            {"statement": {"subject": [{"name": "settlement", "digest": {"sha256": "b" * 64}}]}},
            "something else than it says",
        ),
        ({"person": "dana"}, "none of the roles tech-lead, release-manager"),
        ({"predicate": {"made_at": "2026-01-01T00:00:00Z"}}, "lasts longer than 90 days"),
        ({"predicate": {"made_at": "2099-01-01T00:00:00Z"}}, "dated in the future"),
        ({"predicate": {"code": "image.vulnerability"}}, "has to name which"),
    ],
)
def test_one_that_is_not_as_it_should_be_does_not_count(
    office: Office, record: dict[str, Any], why: str, request: pytest.FixtureRequest
) -> None:
    record = dict(record)
    name = f"waive-{abs(hash(request.node.name))}"
    predicate = {"id": name, **record.pop("predicate", {})}
    if "run" in record:
        record["run"] = f"{name}-other"
    run = office.record(record.pop("person", "lena"), predicate, **record)
    state, said = office.stands()[run]
    assert state == "not-counting"
    assert why in said


@pytest.mark.parametrize(
    ("person", "more", "why"),
    [
        ("dana", {}, "the person has none of the roles"),
        ("ci", {}, "the person has none of the roles"),
        ("lena", {"length": timedelta(days=91)}, "lasts longer than 90 days"),
        ("lena", {"code": "image.vulnerability"}, "has to name which"),
    ],
)
def test_what_would_not_count_is_not_recorded(
    office: Office, person: str, more: dict[str, Any], why: str
) -> None:
    before = office.stands()
    with pytest.raises(Refused, match=why) as caught:
        office.waive(person, **more)
    assert caught.value.code == "waiver.refused"
    assert office.stands() == before


@pytest.mark.parametrize(
    ("more", "code", "remedy"),
    [
        ({"code": "image.vulnerabilty/CVE-1"}, "waiver.code", "Did you mean image.vulnerability?"),
        ({"code": "promotion.role"}, "waiver.code", ""),
        ({"code": "policy.timeout"}, "waiver.code", ""),
        ({"reason": " "}, "waiver.reason", "--reason="),
        ({"environment": "prod"}, "environment.unknown", "production"),
        ({"package": "left-pad"}, "waiver.package", "pkg:npm/left-pad"),
    ],
)
def test_what_cannot_be_right_is_said(
    office: Office, more: dict[str, Any], code: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as caught:
        office.waive(**more)
    assert caught.value.code == code
    assert remedy in caught.value.remedy


def test_only_what_is_there_can_be_withdrawn(office: Office) -> None:
    made = office.waive()
    with pytest.raises(UsageError) as caught:
        withdraw(office("dana"), made["id"][:-1], reason="")
    assert caught.value.code == "waiver.unknown"
    assert made["id"] in caught.value.remedy


UNSIGNED = """
[[waivers]]
code = "image.scan-unscanned"
reason = "no packages"
owner = "lena"
expires = 2099-01-31
"""


def test_one_that_nobody_signed_counts_in_a_rehearsal_or_where_the_policies_say_so(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path / "w")
    path = office.workspace.root / "sluiceway.toml"
    text = path.read_text() + UNSIGNED
    people = office.workspace.root / "people.json"
    unsigned = '{"waiver": {"unsigned": true}, ' + people.read_text()[1:]
    path.write_text(text)
    ((name, (state, why)),) = office.stands().items()
    assert name.startswith("file-")
    assert (state, "sign one by `invoke waive image.scan-unscanned`" in why) == (
        "not-counting",
        True,
    )
    with pytest.raises(UsageError, match=r"stands in sluiceway\.toml"):
        withdraw(office("dana"), name, reason="")
    people.write_text(unsigned)
    assert office.stands() == {name: ("in-force", "")}
    people.write_text(unsigned.replace("true", "false"))
    path.write_text(text + "\n[identity]\nrehearsal = true\n")
    fresh = office.workspace.bench("dana")
    assert [each["state"] for each in standing(fresh, datetime.now(UTC))] == ["in-force"]
    path.write_text(path.read_text().replace("[policy]", '[policy]\npath = "nowhere"'))
    broken = office.workspace.bench("dana")
    (found,) = standing(broken, datetime.now(UTC))
    assert found["state"] == "unknown"
    assert "nowhere" in found["why"]
    for bench in (*office.benches.values(), fresh, broken):
        bench.close()
