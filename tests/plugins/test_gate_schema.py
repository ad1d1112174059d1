"""Evidence ``schema``: a real server, what is attested, and what the release that serves says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.migrations import dryrun_kit as kit

from sluiceway.errors import ActionFailed, ConfigurationError, UsageError
from sluiceway.gates.migration import Known
from sluiceway.migrations.dryrun import Call, write_calls
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.released import Migration, Released
from sluiceway.model import CheckStatus, Evidence, GateRequest, Image, Project, Status, digest_of
from sluiceway.workbench import Workbench
from sluiceway_database_embedded.server import EmbeddedServer
from sluiceway_gate_schema import plan_of, sluiceway_doctor, sluiceway_evidence
from sluiceway_gate_schema.trying import Recorded, recorded, tried

DIGEST = "sha256:" + "ab" * 32
REQUEST = GateRequest(
    image=Image(repository="r/settlement", digest=DIGEST, media_type="m"),
    source="dev",
    target="staging",
    source_url="",
)
CREATE = "CREATE TABLE trades (id text PRIMARY KEY, note text);"
INSERT = kit.call("INSERT INTO trades (id, note) VALUES ($1, $2)", "t1", "a long note")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with kit.server(tmp_path_factory.mktemp("postgres")) as made:
        yield made


def released(version: str, *texts: str) -> Released:
    bodies = [(f"{number:04}.sql", text.encode()) for number, text in enumerate(texts, 1)]
    return Released(
        version=version,
        dialect=Dialect.POSTGRES,
        layout="plain",
        migrations=tuple(
            Migration(name=name, path=name, digest=digest_of(body), body=body)
            for name, body in bodies
        ),
        uses=None,
    )


def known(version: str, *texts: str) -> Known:
    return Known(digest="sha256:" + "cd" * 32, released=released(version, *texts))


def said(*calls: Call) -> Recorded:
    return Recorded(calls=calls, digest="sha256:" + "ef" * 32)


def after(
    server: EmbeddedServer, *new: str, calls: Sequence[Call] | None = (INSERT,), held: bool = True
) -> Evidence:
    return tried(
        REQUEST,
        server,
        released("1.5.0", CREATE, *new),
        known("1.4.0", CREATE) if held else None,
        None if calls is None else said(*calls),
    )


@pytest.mark.parametrize(
    ("new", "status", "says"),
    [
        ("ALTER TABLE trades ADD COLUMN kind text", Status.OK, "1 recorded statements of 1.4.0"),
        ("ALTER TABLE trades DROP COLUMN note", Status.FAILED, "note"),
        ("ALTER TABLE trades ALTER note TYPE varchar(3)", Status.FAILED, "22001"),
        ("ALTER TABLE trades ADD COLUMN kind text NOT NULL", Status.FAILED, "kind"),
        ("ALTER TABLE absent DROP COLUMN note", Status.FAILED, "0002.sql:1"),
    ],
)
def test_the_release_that_serves_has_to_live_with_it(
    server: EmbeddedServer, new: str, status: Status, says: str
) -> None:
    found = after(server, new)
    assert (found.kind, found.status, found.subject) == ("schema", status, DIGEST)
    shown = str([found.summary, found.facts["checks"]])
    assert says in shown, shown
    assert (found.facts["history"], found.facts["new"], found.facts["files"]) == (
        1,
        1,
        ["0002.sql"],
    )
    assert bool(found.facts["checks"]) is (status is Status.FAILED)
    assert found.facts["serving"] == "1.4.0"


def test_without_anything_to_compare_it_is_no_pass(server: EmbeddedServer) -> None:
    add = "ALTER TABLE trades ADD COLUMN kind text"
    for calls in (None, (), (kit.call("SELECT x FROM absent"),)):
        found = after(server, add, calls=calls)
        assert found.status is not Status.OK, found
    assert after(server, add, calls=None).status is Status.NO_DATA
    assert "nothing serves staging yet" in after(server, add, calls=None, held=False).summary
    assert after(server, add, calls=None, held=False).status is Status.OK
    assert after(server, calls=None).status is Status.OK
    assert after(server, "SELECT 1/0", calls=None, held=False).status is Status.FAILED


def test_a_history_that_is_another_is_not_replayed(server: EmbeddedServer) -> None:
    new = released("1.5.0", CREATE, "SELECT 1")
    for base in (
        known("1.4.0", CREATE + " -- edited"),
        known("1.4.0", CREATE, "SELECT 1", "SELECT 2"),
    ):
        found = tried(REQUEST, server, new, base, said(INSERT))
        assert found.status is Status.ERROR
        assert "has run in staging" in found.summary
    with pytest.raises(ActionFailed, match="absent"):
        tried(
            REQUEST,
            server,
            released("1.5.0", "DROP TABLE absent", "SELECT 1"),
            known("1.4.0", "DROP TABLE absent"),
            None,
        )


def test_a_recording_is_found_by_the_release_that_serves(tmp_path: Path) -> None:
    assert recorded(tmp_path, known("1.4.0", CREATE)) is None
    write_calls(tmp_path / "1.4.0.jsonl", [INSERT], "1.4.0")
    found = recorded(tmp_path, known("1.4.0", CREATE))
    assert found is not None
    assert found.calls == (INSERT,)
    assert recorded(tmp_path / "below", known("../1.4.0", CREATE)) is None
    (tmp_path / "1.4.0.jsonl").write_text("no JSON\n")
    with pytest.raises(UsageError, match="not a recorded statement"):
        recorded(tmp_path, known("1.4.0", CREATE))


def test_settings_and_services_without_a_database(tmp_path: Path) -> None:
    project = Project(
        service="settlement", root=tmp_path, state=tmp_path / "state", environ=os.environ
    )
    (tmp_path / "sluiceway.toml").write_text('[service]\nname = "settlement"\n')
    assert sluiceway_evidence(project, REQUEST, {}) is None
    assert sluiceway_evidence(project, REQUEST, {"targets": ["production"]}) is None
    (tmp_path / "sluiceway.toml").write_text(
        '[service]\nname = "settlement"\n\n[migrations]\ndialect = "mysql"\n'
    )
    assert sluiceway_evidence(project, REQUEST, {}) is None
    for wrong in ({"statement": "x"}, {"seed": [1]}, {"targets": "staging"}):
        with pytest.raises(ConfigurationError):
            plan_of(wrong)
        (check,) = sluiceway_doctor(project, wrong)
        assert check.status is CheckStatus.FAIL
    (check,) = sluiceway_doctor(project, {})
    assert check.status is CheckStatus.WARN
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / "1.4.0.jsonl").write_text("")
    (check,) = sluiceway_doctor(project, {"statements": "said"})
    assert (check.status, "1.4.0" in check.detail) == (CheckStatus.OK, True)


def test_what_cannot_be_found_out_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sluiceway.toml").write_text('[service]\nname = "settlement"\n\n[migrations]\n')
    project = Project(service="settlement", root=tmp_path, state=tmp_path, environ=os.environ)
    found = sluiceway_evidence(project, REQUEST, {})
    Workbench.open(tmp_path, os.environ).plugins.each("sluiceway_shutdown")
    assert found is not None
    assert found[0].status is Status.ERROR
