import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest

from sluiceway.errors import ActionFailed, Busy
from sluiceway.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def append(ledger, number, **more):
    return ledger.append(
        "run", key=f"k{number}", run=f"r{number}", service="shop", body={"n": number}, **more
    )


def tampered(tmp_path, statement):
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute(statement)
    connection.close()
    return Ledger(tmp_path).verify()[1]


def test_entries_come_back_in_order_and_intact(ledger):
    for number in range(5):
        append(ledger, number)
    assert [entry.body["n"] for entry in ledger.entries()] == [0, 1, 2, 3, 4]
    assert ledger.verify() == (5, ())


def test_the_same_key_is_written_once(ledger):
    first = append(ledger, 1)
    assert append(ledger, 1) == first
    assert len(ledger.entries()) == 1


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE entries SET body = '{}' WHERE seq = 3", "entry 3 was changed"),
        ("UPDATE entries SET actor = 'mallory' WHERE seq = 3", "entry 3 was changed"),
        ("UPDATE entries SET body = '{torn' WHERE seq = 3", "entry 3 of the ledger cannot be read"),
        ("UPDATE entries SET body = '{\"n\": NaN}' WHERE seq = 3", "entry 3 was changed"),
        ("UPDATE entries SET at = 'noon' WHERE seq = 3", "entry 3 of the ledger cannot be read"),
        ("DELETE FROM entries WHERE seq = 3", "entry 3 is missing"),
        ("DELETE FROM entries WHERE seq > 3", "2 entries at the end are missing"),
        ("UPDATE entries SET signature = '' WHERE seq = 3", "entry 3 is not signed"),
        ("UPDATE entries SET previous = 'sha256:0' WHERE seq = 3", "entry 3 does not follow"),
    ],
)
def test_tampering_is_found(ledger, tmp_path, statement, said):
    for number in range(5):
        append(ledger, number)
    problems = tampered(tmp_path, statement)
    assert any(said in problem for problem in problems), problems
    if "previous" not in statement:
        with pytest.raises(ActionFailed) as caught:
            ledger.entries()
        assert caught.value.code == "ledger.broken", "nothing is decided from it"


def test_two_processes_write_one_chain(ledger, tmp_path):
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from sluiceway.ledger import Ledger
        ledger = Ledger(Path(sys.argv[1]))
        for number in range(25):
            ledger.append("run", key=f"{sys.argv[2]}-{number}", run="r", service="shop")
        """
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name]) for name in "ab"
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert ledger.verify() == (50, ())


def test_a_file_that_is_no_database_is_an_error_with_a_remedy(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"not a database" * 100)
    with pytest.raises(ActionFailed) as caught:
        Ledger(tmp_path)
    assert caught.value.code == "ledger.unreadable"
    assert "backup" in caught.value.remedy
    with pytest.raises(ActionFailed) as caught:
        Ledger(tmp_path / "not-there")
    assert caught.value.code == "ledger.unreadable"
    assert "leave the file where it is" in caught.value.remedy, "a folder is no reason to lose it"
    assert caught.value.remedy


def test_a_lease_has_one_holder_who_is_named(ledger):
    ledger.acquire("shop/production", run="r1", holder="h1", seconds=60)
    with pytest.raises(Busy) as caught:
        ledger.acquire("shop/production", run="r2", holder="h2", seconds=60)
    assert "r1" in caught.value.what
    assert "h1" in caught.value.what
    ledger.acquire("shop/staging", run="r2", holder="h2", seconds=60)


def test_a_new_holder_gets_a_higher_token_and_the_old_one_cannot_renew(ledger):
    old = ledger.acquire("shop/production", run="r1", holder="h1", seconds=0.01)
    time.sleep(0.02)
    new = ledger.acquire("shop/production", run="r2", holder="h2", seconds=60)
    assert new.token > old.token
    assert not ledger.renew(old, 60)
    ledger.release(old)
    held = ledger.lease("shop/production")
    assert held is not None
    assert held.run == "r2"
    ledger.release(new)
    assert ledger.lease("shop/production") is None


def test_history_that_was_written_over_is_not_decided_from(ledger, tmp_path):
    append(ledger, 1)
    append(ledger, 2)
    tampered(tmp_path, 'UPDATE entries SET body = \'{"verdict":"pass"}\' WHERE seq = 2')
    with pytest.raises(ActionFailed) as caught:
        ledger.entries()
    assert caught.value.code == "ledger.broken"
    assert "audit.verify" in caught.value.remedy
    assert [entry.seq for entry in ledger.entries(run="r1")] == [1]


def test_history_of_which_an_entry_is_gone_is_not_decided_from(ledger, tmp_path):
    """Whatever is asked for: what is gone may have withdrawn it."""
    for number in range(3):
        append(ledger, number)
    tampered(tmp_path, "DELETE FROM entries WHERE seq = 2")
    with pytest.raises(ActionFailed) as caught:
        ledger.entries(kinds=("approval",), limit=1)
    assert caught.value.code == "ledger.broken"
    assert caught.value.what == "the ledger has 2 entries, and has had 3"
    append(ledger, 7)  # what happens all the same is written down
    assert ledger.verify()[1]


def test_a_new_ledger_hands_out_no_token_that_was_seen_before(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old = Ledger(tmp_path / "a").acquire("x", run="r", holder="h", seconds=1)
    assert Ledger(tmp_path / "b").acquire("x", run="r", holder="h", seconds=1).token >= old.token


def test_a_ledger_that_somebody_writes_to_is_read_without_waiting(ledger, tmp_path):
    append(ledger, 1)
    program = textwrap.dedent(
        """
        import sqlite3, sys
        held = sqlite3.connect(sys.argv[1], isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        held.execute("UPDATE entries SET actor = 'half done'")
        print("held", flush=True)
        sys.stdin.read()
        held.execute("ROLLBACK")
        """
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "ledger.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "held\n"
    beside = Ledger(tmp_path)
    (entry,) = beside.entries()
    assert entry.actor == ""
    assert beside.verify() == (1, ())
    assert beside.lease("shop/production") is None
    assert writer.poll() is None, "it holds the lock still"
    writer.communicate("")
    append(beside, 2)
    assert ledger.verify() == (2, ())


def test_looking_into_the_ledger_imports_no_database_library(ledger, tmp_path):
    """That took longer than all the rest of a command that looks."""
    append(ledger, 1)
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from sluiceway.ledger import Ledger
        assert len(Ledger(Path(sys.argv[1])).entries()) == 1
        print(sorted({"sqlalchemy", "dbos", "sqlite3"} & set(sys.modules)))
        """
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    assert said == "['sqlite3']\n"
