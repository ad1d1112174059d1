"""Indexes of the ledger's file: those it had once, and that nothing is read through one."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from sluiceway.errors import ActionFailed, Busy
from sluiceway.ledger import Ledger

UNREAD = ("kind", "run", "environment", "digest")
PAGE = 4096


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path)
    for number in range(3):
        append(made, number)
    return made


def append(ledger, number):
    return ledger.append("run", key=f"k{number}", run=f"r{number}", service="shop")


def told(tmp_path, statement):
    """Return what the file says to *statement*, asked without Sluiceway."""
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        return database.execute(statement).fetchall()


def older(tmp_path):
    """Give the file the indexes that it was once begun with."""
    for column in UNREAD:
        told(tmp_path, f"CREATE INDEX ix_entries_{column} ON entries ({column})")


def indexes(tmp_path):
    return told(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'index' AND sql <> ''")


def damage(tmp_path, name, change):
    """Write over the one page of the table or index *name*."""
    path = tmp_path / "ledger.db"
    ((root,),) = told(tmp_path, f"SELECT rootpage FROM sqlite_master WHERE name = '{name}'")
    body = bytearray(path.read_bytes())
    page = slice((root - 1) * PAGE, root * PAGE)
    changed = change(bytes(body[page]))
    assert changed != body[page]
    body[page] = changed
    path.write_bytes(body)


def newest_lost(page):
    """Count one row less: the last one of the page is not found any more."""
    assert page[0] == 0x0D, "a leaf of a table (https://sqlite.org/fileformat2.html#b_tree_pages)"
    return page[:3] + (int.from_bytes(page[3:5], "big") - 1).to_bytes(2, "big") + page[5:]


def test_a_new_ledger_has_no_index_that_nobody_reads(ledger, tmp_path):
    assert indexes(tmp_path) == []


def test_an_older_ledger_loses_its_indexes_at_the_next_entry(ledger, tmp_path):
    older(tmp_path)
    kept = ledger.entries()
    again = Ledger(tmp_path)
    assert again.entries(kinds=("run",)) == kept
    assert again.verify() == (3, ())
    assert len(indexes(tmp_path)) == len(UNREAD), "whoever only reads changes nothing"
    append(again, 3)
    assert indexes(tmp_path) == []
    assert ledger.entries()[:3] == kept, "another process goes on"
    append(ledger, 4)
    assert again.verify() == (5, ())


def test_a_write_that_fails_leaves_the_indexes_as_they_were(ledger, tmp_path):
    older(tmp_path)
    told(
        tmp_path,
        "CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    with pytest.raises(ActionFailed) as caught:
        append(ledger, 3)
    assert caught.value.code == "ledger.unreadable"
    assert len(indexes(tmp_path)) == len(UNREAD)
    told(tmp_path, "DROP TRIGGER full")
    append(ledger, 3)
    assert indexes(tmp_path) == []
    assert ledger.verify() == (4, ())


@pytest.mark.parametrize("begun", ["now", "with indexes"])
def test_a_row_that_only_an_index_still_has_is_missed(ledger, tmp_path, begun):
    """Were the entries counted through an index, none would seem to be missing."""
    if begun == "with indexes":
        older(tmp_path)
    damage(tmp_path, "entries", newest_lost)
    assert told(tmp_path, "SELECT max(seq) FROM entries NOT INDEXED") == [(2,)]
    assert told(tmp_path, "SELECT count(seq) FROM entries") == [(3,)], "through an index"
    with pytest.raises(ActionFailed) as caught:
        ledger.entries(kinds=("approval",))
    assert caught.value.code == "ledger.broken"
    assert caught.value.what == "the ledger has 2 entries, and has had 3"
    assert "1 entries at the end are missing" in ledger.verify()[1]


def test_a_key_that_its_index_has_lost_is_still_written_once(ledger, tmp_path):
    first = ledger.entries()[1]
    damage(tmp_path, "sqlite_autoindex_entries_1", lambda page: page.replace(b"k1", b"k9"))
    assert append(ledger, 1) == first
    assert len(ledger.entries()) == 3
    assert any("missing from index" in each for each in ledger.verify()[1])


def test_a_lease_that_its_index_has_lost_is_still_held(ledger, tmp_path):
    held = ledger.acquire("shop/production", run="r1", holder="h1", seconds=60)
    damage(
        tmp_path,
        "sqlite_autoindex_leases_1",
        lambda page: page.replace(b"shop/production", b"shop/productioN"),
    )
    with pytest.raises(Busy):
        ledger.acquire("shop/production", run="r2", holder="h2", seconds=60)
    found = ledger.lease("shop/production")
    assert found is not None
    assert found.token == held.token
    assert ledger.renew(held, 60)
    with pytest.raises(Busy):
        Ledger(tmp_path).acquire("shop/production", run="r2", holder="h2", seconds=60)
    told(tmp_path, "UPDATE leases SET expires = 0")
    taken = ledger.acquire("shop/production", run="r2", holder="h2", seconds=60)
    assert taken.token > held.token
    assert not ledger.renew(held, 60)
    assert ledger.renew(taken, 60)
