"""The append-only history, hash-chained and signed, and the leases of runs, in one SQLite file.

An index that was damaged leaves out what it has lost, or has what the rows have lost, and says nothing.
What is read, counted or changed is therefore ``NOT INDEXED`` (https://sqlite.org/lang_indexedby.html).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.errors import ActionFailed, Busy
from sluiceway.ledger import damage
from sluiceway.ledger.head import Head, keep, kept, unlike
from sluiceway.ledger.records import Entry, Lease, as_hashed, entry_of
from sluiceway.ledger.signing import LedgerKey
from sluiceway.model import canonical, digest_of, rfc3339

__all__ = ["Ledger"]

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS entries (
        seq INTEGER NOT NULL PRIMARY KEY,
        key VARCHAR NOT NULL UNIQUE,
        at VARCHAR NOT NULL,
        kind VARCHAR NOT NULL,
        run VARCHAR NOT NULL,
        service VARCHAR NOT NULL,
        environment VARCHAR NOT NULL,
        digest VARCHAR NOT NULL,
        actor VARCHAR NOT NULL,
        body TEXT NOT NULL,
        previous VARCHAR NOT NULL,
        hash VARCHAR NOT NULL,
        signature VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS leases (
        name VARCHAR NOT NULL PRIMARY KEY,
        run VARCHAR NOT NULL,
        holder VARCHAR NOT NULL,
        token INTEGER NOT NULL,
        expires FLOAT NOT NULL
    )
    """,
)
_ROWS = """
    SELECT seq, key, at, kind, run, service, environment, digest, actor, body, previous, hash, signature
    FROM entries NOT INDEXED
"""
_INSERT = """
    INSERT INTO entries VALUES (:seq, :key, :at, :kind, :run, :service, :environment, :digest, :actor,
        :body, :previous, :hash, :signature)
"""
_SIZE = "SELECT count(*) AS number, coalesce(max(seq), 0) AS last FROM entries NOT INDEXED"
_LAST = f"{_ROWS} ORDER BY seq DESC LIMIT 1"
_LEASE = "SELECT name, run, holder, token, expires FROM leases NOT INDEXED WHERE name = ?"
_UNREAD = "SELECT name FROM sqlite_master WHERE name GLOB 'ix_entries_*'"
"""Indexes of ledgers that were begun when queries still used them: each entry was written into four."""
_START = "sha256:" + "0" * 64


class Ledger:
    """History and leases of one state folder. Safe from several processes at once.

    Args:
        folder: The state folder; ``ledger.db`` and ``ledger.key`` live in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key: LedgerKey | None = None
        self._mode = "rwc"
        gone = damage.missing(folder)
        if gone is not None:
            raise gone
        with self._reading() as connection:
            # Only an empty file is given tables: without its own, a damaged one would seem new.
            new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not new:  # a column that is not there is found now, not later
                connection.execute(_LAST)
                connection.execute(_LEASE, ("",))
        if new:
            with self._writing() as connection:
                for table in _TABLES:
                    connection.execute(table)
        # From here on a file that is gone is an error: an empty one must not take its place.
        self._mode = "rw"

    # -- history -----------------------------------------------------------------------------

    def append(
        self,
        kind: str,
        *,
        key: str,
        run: str,
        service: str,
        environment: str = "",
        digest: str = "",
        actor: str = "",
        body: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Write one entry and return it; with a *key* that is already there, return that one."""
        signing = self._signing_key()
        with self._opened() as connection:
            with _transaction(connection):
                last = self._keep_head(connection)
                existing = connection.execute(f"{_ROWS} WHERE key = ?", (key,)).fetchone()
                if existing is not None:
                    return entry_of(existing)
                for (name,) in connection.execute(_UNREAD).fetchall():
                    connection.execute(f"DROP INDEX {name}")
                number = last["seq"] + 1 if last else 1
                content = {
                    "seq": number,
                    "key": key,
                    "at": rfc3339(datetime.now(UTC)),
                    "kind": kind,
                    "run": run,
                    "service": service,
                    "environment": environment,
                    "digest": digest,
                    "actor": actor,
                    "body": canonical(body or {}).decode(),
                    "previous": last["hash"] if last else _START,
                }
                hashed = digest_of(content)
                row = {**content, "hash": hashed, "signature": signing.sign(hashed)}
                connection.execute(_INSERT, row)
                if number > _had(connection):
                    connection.execute(f"PRAGMA user_version = {number}")
            with _transaction(connection):  # the entry is on the disk: its head may follow
                self._keep_head(connection)
            return entry_of(row)

    def entries(
        self,
        *,
        kinds: tuple[str, ...] = (),
        environment: str = "",
        digest: str = "",
        run: str = "",
        service: str = "",
        limit: int = 0,
        newest_first: bool = False,
    ) -> tuple[Entry, ...]:
        """Return the entries that match every given filter, oldest first unless asked.

        Raises:
            ActionFailed: When one of them was changed or is not signed, or any entry at all is missing
                (code ``ledger.broken``, or ``ledger.behind`` where the file is an older copy): nothing
                is decided from history that somebody has written over, or from which they may have
                taken a withdrawal.
        """
        key = self._signing_key()
        head = kept(self._folder, key)  # read first: whoever writes meanwhile is ahead of it
        found = self._read(head, kinds, environment, digest, run, service, limit, newest_first)
        for entry in found:
            if not as_hashed(entry) or not key.verify(entry.hash, entry.signature):
                raise ActionFailed(
                    f"entry {entry.seq} of the ledger was changed after it was written, or written "
                    "by somebody else",
                    means="What it says cannot be relied on, so nothing is decided from it.",
                    remedy="Run `invoke audit.verify` and restore the ledger from a backup.",
                    code="ledger.broken",
                )
        return found

    def _read(
        self,
        seen: Head | None,
        kinds: tuple[str, ...],
        environment: str,
        digest: str,
        run: str,
        service: str,
        limit: int,
        newest_first: bool,  # noqa: FBT001 - the public method takes it by name
    ) -> tuple[Entry, ...]:
        wanted, values = ["1"], list[Any](kinds)
        if kinds:
            wanted.append(f"kind IN ({', '.join('?' * len(kinds))})")
        for name, value in (
            ("environment", environment),
            ("digest", digest),
            ("run", run),
            ("service", service),
        ):
            if value:
                wanted.append(f"{name} = ?")
                values.append(value)
        order = "DESC" if newest_first else "ASC"
        query = f"{_ROWS} WHERE {' AND '.join(wanted)} ORDER BY seq {order} LIMIT ?"
        values.append(limit or -1)
        with self._reading() as connection:
            had, (number, last) = _had(connection), connection.execute(_SIZE).fetchone()
            if not number == last >= had:
                raise ActionFailed(
                    f"the ledger has {number} entries, and has had {max(last, had)}",
                    means="What is missing may have withdrawn or refused something, so nothing is "
                    "decided from the rest.",
                    remedy="Run `invoke audit.verify` and restore the ledger from a backup.",
                    code="ledger.broken",
                )
            self._compare(connection, seen)
            return tuple(entry_of(row) for row in connection.execute(query, values))

    def verify(self) -> tuple[int, tuple[str, ...]]:
        """Check every hash, link and signature, and that none of the newest entries is gone.

        Returns:
            How many entries there are, and one sentence for each thing that is wrong.
        """
        key = self._signing_key()
        problems: list[str] = []
        previous, number = _START, 0
        seen: Head | None = None
        try:
            seen = kept(self._folder, key)  # first, as in entries()
        except ActionFailed as error:
            problems.append(error.what)
        with self._reading() as connection:
            had = _had(connection)
            rows = connection.execute(f"{_ROWS} ORDER BY seq").fetchall()
            try:
                self._compare(connection, seen)
            except ActionFailed as error:
                problems.append(error.what)
            found = connection.execute("PRAGMA integrity_check(5)").fetchall()
            problems += [f"the file is damaged: {each}" for (each,) in found if each != "ok"]
        for number, row in enumerate(rows, 1):
            try:
                entry = entry_of(row)
            except ActionFailed as error:
                problems.append(error.what)
                previous = row["hash"]
                continue
            if entry.seq != number:
                problems.append(f"entry {number} is missing: the next one is number {entry.seq}")
                break
            if entry.previous != previous:
                problems.append(f"entry {entry.seq} does not follow the one before it")
            if not as_hashed(entry):
                problems.append(f"entry {entry.seq} was changed after it was written")
            if not key.verify(entry.hash, entry.signature):
                problems.append(f"entry {entry.seq} is not signed by this ledger's key")
            previous = entry.hash
        if number < had:
            problems.append(f"{had - number} entries at the end are missing")
        return number, tuple(problems)

    # -- leases ------------------------------------------------------------------------------

    def acquire(self, name: str, *, run: str, holder: str, seconds: float) -> Lease:
        """Take the lease *name*, or raise :class:`Busy` saying who holds it.

        A run that already holds it keeps its token only when the holder is the same process;
        a new holder (after a crash, by ``resume``) gets a higher one.
        """
        now = time.time()
        with self._writing() as connection:
            if damage.begun(self._folder):  # nobody acts upon a history that is not the newest
                self._keep_head(connection)
            row = _lease_row(connection, name)
            if (
                row is not None
                and row["expires"] > now
                and (row["run"], row["holder"]) != (run, holder)
            ):
                raise Busy(
                    f"{name} is held by run {row['run']} ({row['holder']})",
                    means="Two runs never act on one environment at once.",
                    remedy=f"Wait for it (its lease ends in {row['expires'] - now:.0f} s unless it is "
                    "renewed), or look at `invoke history`.",
                )
            # From the clock as well: a ledger begun anew or restored from a backup must not hand
            # out tokens below those that a deployer has seen.
            token = max((row["token"] if row is not None else 0) + 1, int(now * 1000))
            if row is None:
                write = (
                    "INSERT INTO leases (run, holder, token, expires, name) VALUES (?, ?, ?, ?, ?)"
                )
            else:
                write = (
                    "UPDATE leases NOT INDEXED SET run = ?, holder = ?, token = ?, expires = ? "
                    "WHERE name = ?"
                )
            connection.execute(write, (run, holder, token, now + seconds, name))
        return Lease(
            name=name,
            run=run,
            holder=holder,
            token=token,
            expires=datetime.fromtimestamp(now + seconds, UTC),
        )

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Extend *lease*; ``False`` when somebody else holds it by now."""
        return self._update_lease(lease, time.time() + seconds)

    def release(self, lease: Lease) -> None:
        """Give *lease* back. Its token is never used again."""
        self._update_lease(lease, 0.0)

    def lease(self, name: str) -> Lease | None:
        """Return the lease *name* if it is in force now."""
        with self._reading() as connection:
            row = _lease_row(connection, name)
        if row is None or row["expires"] <= time.time():
            return None
        return Lease(**{**row, "expires": datetime.fromtimestamp(row["expires"], UTC)})

    def _update_lease(self, lease: Lease, expires: float) -> bool:
        write = "UPDATE leases NOT INDEXED SET expires = ? WHERE name = ? AND token = ?"
        with self._writing() as connection:
            return connection.execute(write, (expires, lease.name, lease.token)).rowcount == 1

    # -- inside ------------------------------------------------------------------------------

    def _signing_key(self) -> LedgerKey:
        if self._key is None:
            with self._reading() as connection:
                begun = _had(connection) > 0
            self._key = LedgerKey.load_or_create(self._folder, begun=begun)
        return self._key

    def _compare(self, connection: sqlite3.Connection, seen: Head | None) -> None:
        """Raise unless the history has the entry that was *seen* (code ``ledger.behind``)."""
        if seen is None:
            return
        found = connection.execute(f"{_ROWS} WHERE seq = ?", (seen.seq,)).fetchone()
        if found is None or found["hash"] != seen.hash:
            raise unlike(self._folder, seen, connection.execute(_SIZE).fetchone()["last"])

    def _keep_head(self, connection: sqlite3.Connection) -> Any:
        """Bring ``ledger.head`` up to what is committed, and return the newest entry's row, if any.

        First thing in a transaction, which has the write lock. Whoever was killed between an entry and
        its head is caught up with here, and so is a folder that had none.

        Raises:
            ActionFailed: The newest entries are gone, or it cannot be known (codes ``ledger.behind``,
                ``ledger.head``).
        """
        key = self._signing_key()
        seen = kept(self._folder, key)
        last = connection.execute(_LAST).fetchone()
        newest = Head(seq=last["seq"], hash=last["hash"], at=last["at"]) if last else None
        if seen != newest:
            self._compare(connection, seen)
            if newest is not None and newest.seq >= _had(connection):  # else it says so itself
                keep(self._folder, key, newest)
        return last

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file, and say what it is when it turns out to be damaged."""
        where = (self._folder / "ledger.db").absolute().as_uri()
        try:
            with closing(
                sqlite3.connect(
                    f"{where}?mode={self._mode}", uri=True, timeout=30, isolation_level=None
                )
            ) as connection:
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except sqlite3.Error as error:
            raise damage.unreadable(self._folder, error) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Open the file as it is at one moment, waiting for nobody who writes to it."""
        with self._opened() as connection, connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection, _transaction(connection):
            yield connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done in the block.

    The write lock is taken at once, so that two processes never build on the same last entry.
    """
    with connection:  # commits, or rolls back
        connection.execute("BEGIN IMMEDIATE")
        yield


def _had(connection: sqlite3.Connection) -> int:
    """Return the highest sequence number that the file remembers."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _lease_row(connection: sqlite3.Connection, name: str) -> Any:
    """Return what is kept of the lease *name*, or ``None``."""
    rows = connection.execute(_LEASE, (name,)).fetchall()
    if not rows:
        return None
    row = rows[0]
    if len(rows) > 1 or not (
        isinstance(row["expires"], (int, float))
        and isinstance(row["token"], int)
        and isinstance(row["run"], str)
        and isinstance(row["holder"], str)
    ):
        raise ActionFailed(
            f"the lease of {name} in the ledger cannot be read: somebody wrote over it",
            means="Who acts there is not known, so nobody else may.",
            remedy="Run `invoke audit.verify` and restore the ledger from a backup.",
            code="ledger.broken",
        )
    return row
