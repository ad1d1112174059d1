"""The recorder sees what clients say, and changes none of it."""

from __future__ import annotations

import struct
import subprocess

import psycopg
import pytest
from tests.migrations.dryrun_kit import tried

from sluiceway.errors import ActionFailed
from sluiceway.migrations.dryrun import Call, Outcome, judge, units
from sluiceway_database_url.messages import Session
from sluiceway_database_url.proxy import Proxy
from sluiceway_database_url.wire import Target


@pytest.fixture(scope="module")
def database(database_server):
    made = database_server.create()
    with psycopg.connect(made.url) as connection:
        connection.execute("CREATE TABLE people (id serial PRIMARY KEY, name text, born date)")
    yield made
    database_server.drop(made)


@pytest.fixture
def proxy(database):
    with Proxy(Target.of(database.url, "X")) as made:
        yield made


def said(calls):
    return [(call.sql, [each.value for each in call.parameters]) for call in calls]


def test_psycopg_with_values_names_and_failures(proxy):
    with psycopg.connect(proxy.url) as connection:
        connection.execute("INSERT INTO people (name) VALUES (%s)", ("O'Hara \u00fc",))
        for name in ("a", None):
            connection.execute("INSERT INTO people (name) VALUES (%s)", (name,), prepare=True)
        connection.execute("SELECT %b::int8", (7,))
        connection.commit()
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT nothing FROM people WHERE id = %s", (1,))
    calls = proxy.close()
    assert said(calls)[1] == (
        "INSERT INTO people (name) VALUES ($1)", ["O'Hara \u00fc".encode()]
    )  # fmt: skip
    assert said(calls)[2:4] == [
        ("INSERT INTO people (name) VALUES ($1)", [b"a"]),
        ("INSERT INTO people (name) VALUES ($1)", [None]),
    ]
    assert calls[4].parameters[0].binary
    assert calls[4].parameters[0].value == struct.pack("!h", 7)
    failed = next(call for call in calls if "nothing" in call.sql)
    assert (failed.ok, failed.sqlstate) == (False, "42703")
    assert all(call.ok for call in calls if call is not failed)


def test_a_pipeline_is_told_apart(proxy):
    def three():
        with psycopg.connect(proxy.url, autocommit=True) as connection, connection.pipeline():
            for sql in ("SELECT 1", "SELECT 2 FROM nowhere", "SELECT 3"):
                connection.execute(sql)

    with pytest.raises(psycopg.errors.UndefinedTable):
        three()
    calls = proxy.close()
    assert [(call.sql, call.ok) for call in calls] == [
        ("SELECT 1", True),
        ("SELECT 2 FROM nowhere", False),
    ]


def test_copy_and_a_cancel_pass(proxy):
    with psycopg.connect(proxy.url, autocommit=True) as connection:
        with connection.cursor().copy("COPY people (name) FROM STDIN") as copy:
            for _ in range(20_000):
                copy.write_row(("many rows that take more than one chunk",))
        with connection.cursor().copy("COPY people TO STDOUT") as copy:
            assert sum(len(block) for block in copy) > 400_000
        connection.cancel_safe()  # another connection, with the real server's key
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.execute("DELETE FROM people")
    assert [call.sql.split()[0] for call in proxy.close()] == ["COPY", "COPY", "SELECT", "DELETE"]


@pytest.mark.real_tool("psql")
def test_psql_with_several_statements_in_one(proxy):
    done = subprocess.run(
        ["psql", "-XAtc", "SELECT 1; SELECT 2", proxy.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.split() == ["1", "2"]
    (call,) = proxy.close()
    assert (call.sql, call.simple) == ("SELECT 1; SELECT 2", True)


def test_what_was_recorded_runs_again(proxy, database_server):
    with psycopg.connect(proxy.url) as connection:
        (id_,) = connection.execute(
            "INSERT INTO people (name, born) VALUES (%s, %s) RETURNING id", ("anna", "1990-01-02")
        ).fetchone() or (0,)
        with connection.transaction():
            connection.execute("UPDATE people SET name = %b WHERE id = %s", ("bea", id_))
    calls = proxy.close()
    assert [len(unit.calls) for unit in units(calls)] == [4]  # with psycopg's savepoint
    history = ["CREATE TABLE people (id serial PRIMARY KEY, name text, born date)"]
    good = judge(tried(database_server, history, ["ALTER TABLE people ADD x int"], calls))
    assert good.outcome is Outcome.PASS
    assert good.document()["old_release"]["counted"] == 2
    bad = judge(tried(database_server, history, ["ALTER TABLE people DROP born"], calls))
    assert [each.sqlstate for each in bad.findings] == ["42703"]


def test_several_sessions_are_numbered(proxy):
    for number in (1, 2):
        with psycopg.connect(proxy.url, autocommit=True) as connection:
            connection.execute(f"SELECT {number}")
    assert [(call.session, call.sql) for call in proxy.close()] == [
        (1, "SELECT 1"),
        (2, "SELECT 2"),
    ]


def test_a_server_that_is_not_there_is_the_programs_own_error(tmp_path):
    with Proxy(Target.of(f"postgresql:///x?host={tmp_path}", "X")) as proxy:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(proxy.url)
        assert proxy.close() == ()


def test_a_server_that_wants_encryption_is_refused():
    with pytest.raises(ActionFailed) as caught:
        Proxy(Target.of("postgresql://db.example/x?sslmode=verify-full", "X"))
    assert caught.value.code == "database.recorder"


# --- the protocol by itself ---


def message(letter: str, body: bytes = b"") -> bytes:
    return letter.encode() + struct.pack("!I", len(body) + 4) + body


ASKED = (
    message("P", b"s1\0SELECT $1\0" + struct.pack("!HI", 1, 23))
    + message("B", b"\0s1\0" + struct.pack("!HHHi", 1, 1, 1, 4) + b"\0\0\0\7" + b"\0\0")
    + message("E", b"\0\0\0\0\0")
    + message("S")
    + message("d", b"x" * 70_000)
    + message("Q", b"SELECT 2\0")
)
ANSWERED = (
    message("1") + message("2") + message("D", b"y" * 70_000) + message("C", b"SELECT 1\0")
    + message("Z", b"I") + message("E", b"SERROR\0C42P01\0Mno\0\0") + message("Z", b"I")
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 5, 4096, 1_000_000])
def test_messages_are_cut_wherever_the_stream_is(size):
    calls: list[Call] = []
    session = Session(7, calls.append)
    for stream, take in ((ASKED, session.asked), (ANSWERED, session.answered)):
        for at in range(0, len(stream), size):
            take(stream[at : at + size])
    assert not session.problem
    assert [(call.sql, call.ok, call.sqlstate) for call in calls] == [
        ("SELECT $1", True, ""),
        ("SELECT 2", False, "42P01"),
    ]
    (value,) = calls[0].parameters
    assert (value.value, value.binary, value.type) == (b"\0\0\0\7", True, 23)


@pytest.mark.parametrize(
    "garbage",
    [
        b"Q\0\0\0\1",
        b"Q\xff\xff\xff\xff",
        message("B", b"\0\0"),
        message("B", b"\0\0" + struct.pack("!HHi", 0, 1, 99) + b"short"),
        message("Q", b"\xff\0"),
    ],
)
def test_what_cannot_be_read_is_said_and_raises_nothing(garbage):
    session = Session(1, lambda _: None)
    session.asked(garbage)
    assert session.problem
    session.asked(message("Q", b"SELECT 1\0"))
    session.answered(message("Z", b"I"))
