"""A given server: nothing but throw-away databases is made there, and they do not stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from tests.migrations.dryrun_kit import call, tried

from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.migrations.dryrun import TableSize
from sluiceway.migrations.records import Maybe
from sluiceway.model import Project
from sluiceway_database_embedded.cluster import SUPERUSER
from sluiceway_database_url import sluiceway_scratch_database
from sluiceway_database_url.server import SCRATCH, Server
from sluiceway_database_url.wire import Target

PASSWORD = "hush-hush-4711"


def address(server, user=SUPERUSER, name="postgres"):
    socket = server._cluster.socket
    return f"postgresql://{user}:{PASSWORD}@/{name}?host={socket}"


@pytest.fixture
def given(database_server):
    """The address of a database with one table in it."""
    with psycopg.connect(address(database_server), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS given")
        connection.execute("CREATE DATABASE given")
    url = address(database_server, name="given")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE people (id int PRIMARY KEY)")
        connection.execute("INSERT INTO people SELECT generate_series(1, 500)")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE people")
    # A session's counters arrive after it has ended: those of what is written here belong to before.
    counted = "SELECT tup_inserted FROM pg_stat_database WHERE datname = 'given'"
    with psycopg.connect(url, autocommit=True) as connection:
        deadline = time.monotonic() + 60
        while sum(row[0] for row in connection.execute(counted)) < 500:
            assert time.monotonic() < deadline, "the server counted nothing"
            time.sleep(0.05)
    yield url
    with psycopg.connect(address(database_server), autocommit=True) as connection:
        connection.execute("DROP DATABASE given WITH (FORCE)")


def opened(url):
    return Server("database-url", Target.of(url, "X"), own=False, measured=True)


def content(url):
    """Return everything in a database and the number of its last transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT relname, relfilenode, (SELECT count(*) FROM people) FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
        ).fetchall()
        comment = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'given'"
        ).fetchall()
        written = connection.execute(
            "SELECT tup_inserted, tup_updated, tup_deleted FROM pg_stat_database "
            "WHERE datname = 'given'"
        ).fetchall()
        return tables, comment, written


def databases(url):
    with psycopg.connect(url, autocommit=True) as connection:
        return {
            name
            for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()
            if name.startswith("sluiceway_scratch")
        }


def test_the_given_database_is_not_written_and_nothing_stays(given):
    before = content(given)
    with opened(given) as server:
        trial = tried(
            server,
            ["CREATE TABLE people (id int PRIMARY KEY)"],
            ["DROP TABLE people"],
            [call("INSERT INTO people VALUES (1)")],
        )
        assert trial.whole
        assert server.sizes() == {
            "people": TableSize(rows=500, bytes=server.sizes()["people"].bytes)
        }
    assert content(given) == before
    assert databases(given) == set()


def test_only_a_table_without_a_page_is_called_empty(given):
    with psycopg.connect(given) as connection:
        connection.execute("CREATE TABLE nothing (a int); CREATE TABLE fresh AS SELECT 1 AS a")
    with opened(given) as server:
        sizes = server.sizes()
    assert sizes["nothing"].rows == 0
    assert sizes["fresh"].rows > 0


def test_names_cannot_be_guessed_and_are_read_back(given):
    with opened(given) as server:
        one, other = server.create(), server.create()
        assert SCRATCH.match(one.name)
        assert one.name != other.name
        # A pooler that leads every name to one database would let a migration loose on that.
        one._target = other._target
        with pytest.raises(ActionFailed) as caught:
            one.apply((), Maybe.NO, trace=False)
        assert caught.value.code == "database.another"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE ROLE somebody",
        "DO $$ BEGIN EXECUTE 'drop  database given'; END $$",
        "ALTER SYSTEM SET fsync = off",
        "COPY people TO PROGRAM 'cat'",
        "COPY people TO '/etc/cron.d/x'",
        "GRANT admin TO app",
        "SELECT dblink_exec('host=db', 'DELETE FROM people')",
    ],
)
def test_what_reaches_beyond_the_database_is_not_run_on_a_shared_server(sql, given):
    with opened(given) as server, pytest.raises(ActionFailed) as caught:
        tried(server, [], ["SELECT 1", sql])
    assert caught.value.code == "dry-run.beyond"
    assert caught.value.what.startswith("0002.sql:1")


@pytest.mark.parametrize(
    "sql",
    [
        "GRANT SELECT ON people TO PUBLIC",
        "CREATE INDEX ON people (id)",
        "COMMENT ON TABLE people IS 'the user of a database'",
        "COPY people FROM STDIN",
        "ALTER TABLE people ADD role text",
    ],
)
def test_what_stays_in_its_database_is_run(sql, given):
    with opened(given) as server:
        assert tried(server, ["CREATE TABLE people (id int)"], [sql]).whole


def test_a_command_that_was_interrupted_leaves_no_database(given, monkeypatch):
    with opened(given) as server:

        def interrupted(sql):
            server._admin._pg.send_query(b"SELECT pg_sleep(60)")
            raise KeyboardInterrupt

        monkeypatch.setattr(server._admin, "must", interrupted)
        with pytest.raises(KeyboardInterrupt):
            server.create()
        assert len(databases(given)) == 1
    assert databases(given) == set()


def test_a_role_that_may_not_create_databases_is_told_so(given, database_server):
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
    try:
        with pytest.raises(ActionFailed) as caught:
            opened(address(database_server, user="plain", name="given"))
    finally:
        with psycopg.connect(given, autocommit=True) as connection:
            connection.execute("DROP ROLE plain")
    assert caught.value.code == "database.rights"
    assert "CREATEDB" in caught.value.remedy
    assert PASSWORD not in str(caught.value.diagnostics())


def test_an_address_that_leads_nowhere_does_not_show_its_password(tmp_path):
    for url in (
        f"postgresql://anna:{PASSWORD}@/given?host={tmp_path}",
        f"postgresql://anna:{PASSWORD}@127.0.0.1:1/given",
    ):
        with pytest.raises(ActionFailed) as caught:
            opened(url)
        assert caught.value.code == "database.unreachable"
        assert PASSWORD not in str(caught.value.diagnostics())
        assert "anna" in caught.value.what
    with pytest.raises(ConfigurationError) as refused:
        opened(f"postgresql://anna:{PASSWORD}@host:port:5/x?nonsense")
    assert PASSWORD not in str(refused.value.diagnostics())


def test_without_a_url_the_plugin_is_not_meant(tmp_path):
    project = Project(service="s", root=tmp_path, state=tmp_path, environ={})
    assert sluiceway_scratch_database(project=project, settings={}) is None


def test_what_killed_runs_left_is_dropped_when_old_and_empty(given):
    old, young = int(time.time()) - 7200, int(time.time())
    mark = "sluiceway: throw-away, made by invoke migrations.dry-run"
    made = {
        "gone": (f"sluiceway_scratch_{old}_{'a' * 16}", mark),
        "unmarked": (f"sluiceway_scratch_{old}_{'b' * 16}", None),
        "young": (f"sluiceway_scratch_{young}_{'c' * 16}", mark),
        "used": (f"sluiceway_scratch_{old}_{'d' * 16}", mark),
        "another's": (f"sluiceway_scratch_{old}_{'e' * 16}", "mine"),
        "alike": (f"sluiceway_scratch_{old}", mark),
    }
    with psycopg.connect(given, autocommit=True) as connection:
        for name, comment in made.values():
            connection.execute(f'CREATE DATABASE "{name}" STRATEGY file_copy')
            if comment:
                connection.execute(f"COMMENT ON DATABASE \"{name}\" IS '{comment}'")
        with psycopg.connect(given.replace("/given?", f"/{made['used'][0]}?")):
            opened(given).close()
        left = databases(given)
        for name, _ in made.values():
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    assert left == {made[each][0] for each in ("young", "used", "another's", "alike")}


def test_what_a_killed_run_left_is_dropped_by_the_next_and_never_before(given):
    script = """
import sys, time
from sluiceway_database_url.server import Server
from sluiceway_database_url.wire import Target
server = Server("database-url", Target.of(sys.argv[1], "X"), own=False, measured=True)
server.create()
print("made", flush=True)
time.sleep(600)
"""
    run = subprocess.Popen([sys.executable, "-c", script, given], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    try:
        assert run.stdout.readline() == "made\n"
        (left,) = databases(given)
        assert SCRATCH.match(left)
        opened(given).close()
        assert databases(given) == {left}  # nobody is in it, and its run still lives
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
    deadline = time.monotonic() + 30
    while databases(given) and time.monotonic() < deadline:  # the server has to notice
        opened(given).close()
    assert databases(given) == set()


def test_a_session_that_cannot_be_looked_at_counts_as_alive(given, database_server):
    """As of two people who take turns as one role: they see each other's process, not its beginning."""
    with psycopg.connect(address(database_server), autocommit=True) as connection:
        for name in ("anna", "bert"):
            connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute("CREATE ROLE robot CREATEDB; GRANT robot TO anna, bert")
    try:
        anna, bert = (
            f"{address(database_server, user=name, name='given')}&options=-c%20role%3Drobot"
            for name in ("anna", "bert")
        )
        with opened(anna) as server:
            made = server.create()
            opened(bert).close()
            opened(given).close()
            assert databases(given) == {made.name}
            server._made.clear()  # as if it were killed
        deadline = time.monotonic() + 30
        while databases(given) and time.monotonic() < deadline:
            opened(bert).close()
        assert databases(given) == set()
    finally:
        with psycopg.connect(address(database_server), autocommit=True) as connection:
            connection.execute("DROP ROLE anna, bert, robot")


def test_a_password_is_nowhere_in_the_commands_output(given, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.sql").write_text("CREATE TABLE a (b int);")
    (tmp_path / "m" / "2.sql").write_text("SELECT 1/0;")
    done = subprocess.run(
        [Path(sys.executable).with_name("sluiceway"), "migrations.dry-run", "m", "--json"],
        cwd=tmp_path,
        env={**os.environ, "STAGING_DATABASE_URL": given},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    document = json.loads(done.stdout)
    assert done.returncode == 3
    assert document["server"]["plugin"] == "database-url"
    assert document["findings"][0]["sqlstate"] == "22012"
    assert PASSWORD not in done.stdout + done.stderr
