"""A ledger, its key or the runs damaged in every way: each command says so, and keeps what is left."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing

import pytest

from sluiceway.errors import ExitCode
from sluiceway.workbench import Workbench

PAGE = 4096


def emptied(path):
    path.write_bytes(b"")


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def text(path):
    path.write_text("Whoever wrote this meant another file.\n" * 20)


def folder(path):
    path.unlink()
    path.mkdir()


def gone(path):
    path.unlink()


def dangling(path):
    path.unlink()
    path.symlink_to(path.parent / "not" / "there")


def flipped(number):
    def flip(path):
        body = bytearray(path.read_bytes())
        page = slice(number * PAGE, (number + 1) * PAGE)
        body[page] = bytes(each ^ 0xFF for each in body[page])
        path.write_bytes(body)

    return flip


def said(*statements):
    def say(path):
        with closing(sqlite3.connect(path)) as database, database:
            for statement in statements:
                database.execute(statement)

    return say


LEDGER = {
    "empty": (emptied, "ledger.missing"),
    "gone": (gone, "ledger.missing"),
    "dangling": (dangling, "ledger.missing"),
    "half": (halved, "ledger.unreadable"),
    "header": (flipped(0), "ledger.unreadable"),
    "entries": (flipped(1), "ledger.unreadable"),
    "text": (text, "ledger.unreadable"),
    "folder": (folder, "ledger.unreadable"),
    "table": (said("ALTER TABLE entries RENAME TO old"), "ledger.unreadable"),
    "column": (said("ALTER TABLE entries DROP COLUMN actor"), "ledger.unreadable"),
}
READING: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("history",),
    ("report",),
    ("approvals",),
    ("waivers",),
    ("audit.verify",),
    ("policy.replay",),
    ("policy.explain", "promote-1"),
    ("promote", "--to=dev"),
    ("rollback", "--env=dev"),
    ("release",),
)
OTHERS: tuple[tuple[str, ...], ...] = (
    ("approve", "sha256:" + "1" * 64, "--to=production"),
    ("pipeline",),
    ("plugins",),
    ("doctor",),
    ("resume",),
    ("flags.list",),
)


@pytest.fixture(autouse=True)
def _own_port(site):
    """A registry of its own: neighbours have one at the default port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    path = site.root / "sluiceway.toml"
    where = f'repository = "127.0.0.1:{port}/settlement"'
    path.write_text(path.read_text().replace("[service]", f"[service]\n{where}"))
    with path.open("a") as file:
        file.write(f'\n[plugins.registry-folder]\naddress = "127.0.0.1:{port}"\n')
    site.bench = Workbench.open(site.root, {})


def contents(path):
    return path.read_bytes() if path.is_file() else [path.is_symlink(), path.exists()]


def told(site, arguments):
    """Run a command; whatever it says is one JSON document and no defect of ours."""
    code, document = site.run(*arguments)
    assert code != ExitCode.BUG, (arguments, document)
    return code, document


@pytest.mark.parametrize("name", LEDGER)
def test_nothing_is_read_from_or_written_over_a_damaged_ledger(site, name):
    damage, expected = LEDGER[name]
    site.decide("promote-1")
    path = site.bench.project.state / "ledger.db"
    damage(path)
    before = contents(path)
    for arguments in READING:
        code, document = told(site, arguments)
        error = document.get("error") or {}
        assert (code, error.get("code")) == (ExitCode.UNABLE, expected), (arguments, document)
        assert error["means"], arguments
        assert "backup" in error["remedy"], arguments
        assert "[SQL" not in error["what"], arguments
        assert document["changed"] is False, arguments
        assert contents(path) == before, f"{arguments} left another file"
    for arguments in OTHERS:
        told(site, arguments)
        assert contents(path) == before, f"{arguments} left another file"


def test_nothing_is_read_from_or_written_into_an_older_copy(site):
    site.decide("promote-1")
    path = site.bench.project.state / "ledger.db"
    older, head = path.read_bytes(), path.with_name("ledger.head")
    site.decide("promote-2")
    newest, seen = path.read_bytes(), head.read_bytes()
    path.write_bytes(older)
    for arguments in READING:
        code, document = told(site, arguments)
        if arguments == ("audit.verify",):
            assert (code, document["intact"]) == (ExitCode.NEEDS_PERSON, False)
            assert (document["entries"], len(document["problems"])) == (1, 1)
            assert "has had number 2" in document["problems"][0]
            continue
        error = document["error"]
        assert (code, error["code"]) == (ExitCode.UNABLE, "ledger.behind"), (arguments, document)
        assert "withdrawn" in error["means"], arguments
        assert "Put the newest ledger.db back" in error["remedy"], arguments
        assert document["changed"] is False, arguments
    for arguments in OTHERS:
        told(site, arguments)
    assert (path.read_bytes(), head.read_bytes()) == (older, seen)
    path.write_bytes(newest)
    assert told(site, ("history",))[0] == ExitCode.DONE
    code, document = told(site, ("audit.verify",))
    assert (code, document["problems"]) == (ExitCode.DONE, [])


def test_a_head_that_was_written_over_is_said_by_each_command(site):
    site.decide("promote-1")
    path = site.bench.project.state / "ledger.head"
    text(path)
    before = contents(path)
    for arguments in READING:
        code, document = told(site, arguments)
        if arguments == ("audit.verify",):
            assert (code, document["intact"]) == (ExitCode.NEEDS_PERSON, False)
            assert str(path) in document["problems"][0]
        else:
            assert (code, document["error"]["code"]) == (ExitCode.UNABLE, "ledger.head"), arguments
            assert "backup" in document["error"]["remedy"], arguments
    for arguments in OTHERS:
        told(site, arguments)
    assert contents(path) == before
    path.unlink()
    assert told(site, ("history",))[0] == ExitCode.DONE


@pytest.mark.parametrize("name", ["new", "whole", "older", "gone"])
def test_doctor_says_whether_the_ledger_can_be_decided_from(site, name):
    path = site.bench.project.state / "ledger.db"
    if name != "new":
        site.decide("promote-1")
        older = path.read_bytes()
        site.decide("promote-2")
        {"older": lambda: path.write_bytes(older), "gone": path.unlink}.get(name, lambda: None)()
    code, document = told(site, ("doctor",))
    (check,) = [each for each in document["checks"] if each["name"] == "ledger"]
    if name in {"new", "whole"}:
        assert check["status"] == "ok"
        said = "nothing is written yet" if name == "new" else "2 entries, the newest of 20"
        assert check["detail"].startswith(said)
        assert path.exists() == (name == "whole"), "looking begins nothing"
    else:
        assert (code, check["status"]) == (ExitCode.UNABLE, "fail")
        assert str(path) in check["detail"]
        assert check["remedy"]


@pytest.mark.parametrize("name", ["half", "header", "text", "folder", "dangling"])
def test_runs_that_cannot_be_read_begin_nothing(site, name):
    assert told(site, ("promote", "--to=dev"))[0] != ExitCode.DONE
    path = site.bench.project.state / "runs.db"
    assert path.is_file()
    LEDGER[name][0](path)
    before = contents(path)
    for arguments in (("promote", "--to=dev"), ("rollback", "--env=dev"), ("resume",)):
        code, document = told(site, arguments)
        assert (code, document["error"]["code"]) == (ExitCode.UNABLE, "runs.unreadable"), document
        assert document["error"]["remedy"], arguments
        assert contents(path) == before, f"{arguments} left another file"
    for arguments in (("status",), ("history",), ("report",)):
        told(site, arguments)
        assert contents(path) == before, f"{arguments} left another file"


@pytest.mark.parametrize("name", ["empty", "gone", "half", "text", "folder"])
def test_without_its_key_a_ledger_is_not_believed(site, name):
    site.decide("promote-1")
    path = site.bench.project.state / "ledger.key"
    LEDGER[name][0](path)
    before = contents(path)
    for arguments in (("history",), ("approvals",), ("audit.verify",), ("report", "promote-1")):
        code, document = told(site, arguments)
        assert (code, document["error"]["code"]) == (ExitCode.UNABLE, "ledger.key"), document
        assert document["error"]["remedy"], arguments
        assert contents(path) == before, arguments


def test_what_an_index_has_lost_is_read_all_the_same_and_found(site):
    site.decide("promote-1")
    path = site.bench.project.state / "ledger.db"
    said("CREATE INDEX ix_entries_kind ON entries (kind)")(path)  # as ledgers had it once
    with closing(sqlite3.connect(path)) as database:
        ((page,),) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_entries_kind'"
        ).fetchall()
    body = path.read_bytes()
    place = slice((page - 1) * PAGE, page * PAGE)
    index = body[place].replace(b"decision", b"decisiom")
    assert index != body[place]
    path.write_bytes(body[: place.start] + index + body[place.stop :])
    (entry,) = site.bench.ledger.entries(kinds=("decision",))
    assert entry.run == "promote-1"
    code, document = told(site, ("audit.verify",))
    assert (code, document["intact"]) == (ExitCode.NEEDS_PERSON, False)
    assert document["problems"] == ["the file is damaged: row 1 missing from index ix_entries_kind"]


def test_a_lease_that_somebody_wrote_over_is_nobodys_to_take(site):
    assert told(site, ("promote", "--to=dev"))[0] != ExitCode.DONE
    path = site.bench.project.state / "ledger.db"
    said("UPDATE leases SET expires = 'soon', token = 'mine'")(path)
    for arguments in (("promote", "--to=dev"), ("rollback", "--env=dev")):
        code, document = told(site, arguments)
        assert (code, document["error"]["code"]) == (ExitCode.UNABLE, "ledger.broken"), document


def test_a_new_history_is_begun_when_file_and_key_are_moved_away(site):
    site.decide("promote-1")
    state = site.bench.project.state
    (state / "ledger.db").rename(state / "old.db")
    assert told(site, ("history",))[0] == ExitCode.UNABLE
    (state / "ledger.key").rename(state / "old.key")
    code, document = told(site, ("history",))
    assert (code, document["entries"]) == (0, [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xef\xbb\xbf", 0),
        (b"\r\n# a line of Windows\r\n", 0),
        (b'# \xff\xfe\n[service]\nname = "x"\n', ExitCode.USAGE),
        (b"\x00\x00", ExitCode.USAGE),
        (b"", None),
    ],
)
def test_a_configuration_of_another_editor_is_read_or_named(site, body, code):
    path = site.root / "sluiceway.toml"
    path.write_bytes(body + path.read_bytes() if body else b"")
    for arguments in (("history",), ("waivers",), ("pipeline",)):
        found, document = told(site, arguments)
        assert found == (ExitCode.USAGE if code is None else code), (arguments, document)
        if found:
            assert "sluiceway.toml" in document["error"]["what"], document
            assert document["error"]["remedy"], document
