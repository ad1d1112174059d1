"""Who still relies on what a migration takes away."""

from datetime import UTC, datetime

from sluiceway.migrations.readers import Reader, Stay, last_reader, with_readers
from sluiceway.migrations.uses import uses_from

LEGACY = {"kind": "drop_column", "table": "payments", "column": "legacy", "file": "9", "line": 1}
READS = uses_from({"reads": {"payments": ["id", "legacy"]}}, "uses")
DONE = uses_from({"reads": {"payments": ["id"]}}, "uses")
MOMENT = datetime(2026, 11, 20, 9, tzinfo=UTC)


def reader(release, uses, environment="production", problem=""):
    return Reader(
        environment=environment,
        digest=f"sha256:{release}",
        release=release,
        uses=uses,
        problem=problem,
    )


def test_who_serves_and_reads_it_is_named():
    found = last_reader(LEGACY, [reader("1.5", DONE), reader("1.4", READS)], [])
    assert found["known"] is True
    assert found["serving"] == [
        {
            "environment": "production",
            "release": "1.4",
            "digest": "sha256:1.4",
            "uses": "reads payments.legacy",
        }
    ]


def test_when_the_last_reader_left():
    past = [
        Stay(reader=reader("1.5", DONE), left_at=MOMENT.replace(day=22)),
        Stay(reader=reader("1.4", READS), left_at=MOMENT),
        Stay(reader=reader("1.3", READS), left_at=MOMENT.replace(day=1)),
    ]
    found = last_reader(LEGACY, [reader("1.6", DONE)], past)
    assert (found["known"], found["serving"]) == (True, [])
    assert (found["release"], found["environment"]) == ("1.4", "production")
    assert found["left_at"] == "2026-11-20T09:00:00Z"


def test_nobody_ever_read_it():
    found = last_reader(LEGACY, [reader("1.6", DONE)], [])
    assert (found["known"], found["release"], found["left_at"]) == (True, "", None)


def test_whoever_does_not_say_makes_it_unknown_and_hides_nobody():
    silent = reader("1.3", None, "staging", "no migrations are attested to it")
    found = last_reader(LEGACY, [silent, reader("1.4", READS)], [])
    assert found["known"] is False
    assert "staging serves 1.3, and no migrations are attested to it" in found["problem"]
    assert len(found["serving"]) == 1


def test_where_nobody_is_known_to_serve_nothing_is_proven():
    found = last_reader(LEGACY, [reader("1.6", DONE)], [], unknown="nobody served there")
    assert (found["known"], found["problem"]) == (False, "nobody served there")


def test_only_contracting_facts_have_readers():
    added = {"kind": "add_column", "table": "payments", "column": "new", "nullable": True}
    first, second = with_readers([LEGACY, added], [reader("1.4", READS)], [])
    assert first["last_reader"]["serving"]
    assert second == added
    assert "last_reader" not in LEGACY
