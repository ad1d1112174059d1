"""The append-only history, hash-chained and signed, and the leases of runs. SQLite by default."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sluiceway.errors import ActionFailed, Busy
from sluiceway.ledger import damage
from sluiceway.ledger.head import Head, keep, kept, unlike
from sluiceway.ledger.records import Entry, Lease, as_hashed, entry_of
from sluiceway.ledger.signing import LedgerKey
from sluiceway.model import canonical, digest_of, rfc3339

__all__ = ["Ledger"]

_METADATA = sa.MetaData()
_ENTRIES = sa.Table(
    "entries",
    _METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("run", sa.String, nullable=False),
    sa.Column("service", sa.String, nullable=False),
    sa.Column("environment", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("previous", sa.String, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
    sa.Column("signature", sa.String, nullable=False),
)
_LEASES = sa.Table(
    "leases",
    _METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("run", sa.String, nullable=False),
    sa.Column("holder", sa.String, nullable=False),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
)
# An index that was damaged leaves out what it has lost, or has what the rows have lost, and says
# nothing. What is read or counted is therefore the rows (https://sqlite.org/lang_indexedby.html).
_ROWS, _HELD = (
    sa.select(table).suffix_with("NOT INDEXED").subquery("rows") for table in (_ENTRIES, _LEASES)
)
_SIZE = sa.select(sa.func.count(_ROWS.c.seq), sa.func.coalesce(sa.func.max(_ROWS.c.seq), 0))
_LAST = sa.select(_ROWS.c.seq, _ROWS.c.hash, _ROWS.c.at).order_by(_ROWS.c.seq.desc()).limit(1)
_UNREAD = sa.text("SELECT name FROM sqlite_master WHERE name GLOB 'ix_entries_*'")
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
        self._engine = sa.create_engine(
            "sqlite://", creator=self._connected, poolclass=sa.pool.NullPool
        )
        sa.event.listen(self._engine, "connect", _no_implicit_transactions)
        sa.event.listen(self._engine, "begin", _begin)
        # The write lock is taken at once: two processes never build on the same last entry.
        self._writing = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        gone = damage.missing(folder)
        if gone is not None:
            raise gone
        with self._reading() as connection:
            # Only an empty file is given tables: without its own, a damaged one would seem new.
            new = not connection.execute(sa.text("SELECT count(*) FROM sqlite_master")).scalar()
            for table in () if new else (_ENTRIES, _LEASES):
                connection.execute(sa.select(table).limit(0))  # finds a missing column now
        if new:
            with self._transaction() as connection:
                _METADATA.create_all(connection)
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
        with self._connection(self._writing.connect) as connection:
            with _transaction(connection):
                last = self._keep_head(connection)
                of_key = sa.select(_ROWS).where(_ROWS.c.key == key)
                existing = connection.execute(of_key).one_or_none()
                if existing is not None:
                    return entry_of(existing)
                for name in connection.execute(_UNREAD).scalars().all():
                    connection.execute(sa.text(f"DROP INDEX {name}"))
                content = {
                    "seq": last.seq + 1 if last else 1,
                    "key": key,
                    "at": rfc3339(datetime.now(UTC)),
                    "kind": kind,
                    "run": run,
                    "service": service,
                    "environment": environment,
                    "digest": digest,
                    "actor": actor,
                    "body": canonical(body or {}).decode(),
                    "previous": last.hash if last else _START,
                }
                hashed = digest_of(content)
                row = {**content, "hash": hashed, "signature": signing.sign(hashed)}
                connection.execute(sa.insert(_ENTRIES).values(row))
                inserted = sa.select(_ROWS).where(_ROWS.c.seq == row["seq"])
                entry = entry_of(connection.execute(inserted).one())
            with connection.begin():  # the entry is on the disk: its head may follow
                self._keep_head(connection)
            return entry

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
        query = sa.select(_ROWS)
        if kinds:
            query = query.where(_ROWS.c.kind.in_(kinds))
        for column, value in (
            (_ROWS.c.environment, environment),
            (_ROWS.c.digest, digest),
            (_ROWS.c.run, run),
            (_ROWS.c.service, service),
        ):
            if value:
                query = query.where(column == value)
        query = query.order_by(_ROWS.c.seq.desc() if newest_first else _ROWS.c.seq.asc())
        if limit:
            query = query.limit(limit)
        with self._reading() as connection:
            had, (number, last) = _had(connection), connection.execute(_SIZE).one()
            if not number == last >= had:
                raise ActionFailed(
                    f"the ledger has {number} entries, and has had {max(last, had)}",
                    means="What is missing may have withdrawn or refused something, so nothing is "
                    "decided from the rest.",
                    remedy="Run `invoke audit.verify` and restore the ledger from a backup.",
                    code="ledger.broken",
                )
            self._compare(connection, seen)
            return tuple(entry_of(row) for row in connection.execute(query))

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
            rows = connection.execute(sa.select(_ROWS).order_by(_ROWS.c.seq)).all()
            try:
                self._compare(connection, seen)
            except ActionFailed as error:
                problems.append(error.what)
            found = connection.execute(sa.text("PRAGMA integrity_check(5)")).scalars()
            problems += [f"the file is damaged: {each}" for each in found if each != "ok"]
        for number, row in enumerate(rows, 1):
            try:
                entry = entry_of(row)
            except ActionFailed as error:
                problems.append(error.what)
                previous = row.hash
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
        with self._transaction() as connection:
            if damage.begun(self._folder):  # nobody acts upon a history that is not the newest
                self._keep_head(connection)
            row = _lease_row(connection, name)
            if row is not None and row.expires > now and (row.run, row.holder) != (run, holder):
                raise Busy(
                    f"{name} is held by run {row.run} ({row.holder})",
                    means="Two runs never act on one environment at once.",
                    remedy=f"Wait for it (its lease ends in {row.expires - now:.0f} s unless it is "
                    "renewed), or look at `invoke history`.",
                )
            # From the clock as well: a ledger begun anew or restored from a backup must not hand
            # out tokens below those that a deployer has seen.
            token = max((row.token if row is not None else 0) + 1, int(now * 1000))
            values = {"run": run, "holder": holder, "token": token, "expires": now + seconds}
            if row is None:
                connection.execute(sa.insert(_LEASES).values(name=name, **values))
            else:
                taken = sa.update(_LEASES).where(_LEASES.c.name == name).values(**values)
                if connection.execute(taken).rowcount != 1:  # its index has lost it
                    raise _lease_broken(name)
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
        if row is None or row.expires <= time.time():
            return None
        return Lease(
            name=row.name,
            run=row.run,
            holder=row.holder,
            token=row.token,
            expires=datetime.fromtimestamp(row.expires, UTC),
        )

    def _update_lease(self, lease: Lease, expires: float) -> bool:
        with self._transaction() as connection:
            result = connection.execute(
                sa.update(_LEASES)
                .where(_LEASES.c.name == lease.name, _LEASES.c.token == lease.token)
                .values(expires=expires)
            )
            return result.rowcount == 1

    # -- inside ------------------------------------------------------------------------------

    def _signing_key(self) -> LedgerKey:
        if self._key is None:
            with self._reading() as connection:
                begun = _had(connection) > 0
            self._key = LedgerKey.load_or_create(self._folder, begun=begun)
        return self._key

    def _compare(self, connection: sa.Connection, seen: Head | None) -> None:
        """Raise unless the history has the entry that was *seen* (code ``ledger.behind``)."""
        if seen is None:
            return
        of_number = sa.select(_ROWS.c.hash).where(_ROWS.c.seq == seen.seq)
        if connection.execute(of_number).scalar() != seen.hash:
            raise unlike(self._folder, seen, connection.execute(_SIZE).one()[1])

    def _keep_head(self, connection: sa.Connection) -> Any:
        """Bring ``ledger.head`` up to what is committed, and return the newest entry's row, if any.

        First thing in a transaction, which has the write lock. Whoever was killed between an entry and
        its head is caught up with here, and so is a folder that had none.

        Raises:
            ActionFailed: The newest entries are gone, or it cannot be known (codes ``ledger.behind``,
                ``ledger.head``).
        """
        key = self._signing_key()
        seen = kept(self._folder, key)
        last = connection.execute(_LAST).one_or_none()
        newest = Head(seq=last.seq, hash=last.hash, at=last.at) if last is not None else None
        if seen != newest:
            self._compare(connection, seen)
            if newest is not None and newest.seq >= _had(connection):  # else it says so itself
                keep(self._folder, key, newest)
        return last

    def _connected(self) -> sqlite3.Connection:
        where = (self._folder / "ledger.db").absolute().as_uri()
        return sqlite3.connect(
            f"{where}?mode={self._mode}", uri=True, timeout=30, check_same_thread=False
        )

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return self._connection(self._engine.connect)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with self._connection(self._writing.connect) as connection, _transaction(connection):
            yield connection

    @contextmanager
    def _connection(
        self, opened: Callable[[], AbstractContextManager[sa.Connection]]
    ) -> Iterator[sa.Connection]:
        """Use one, and say what it is when the file turns out to be damaged."""
        try:
            with opened() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise damage.unreadable(self._folder, error.orig) from error


@contextmanager
def _transaction(connection: sa.Connection) -> Iterator[None]:
    """Commit what is done in the block; the file then remembers how many entries it has had."""
    with connection.begin():
        yield
        number = int(connection.execute(sa.select(sa.func.max(_ROWS.c.seq))).scalar() or 0)
        if number > _had(connection):
            connection.execute(sa.text(f"PRAGMA user_version = {number}"))


def _had(connection: sa.Connection) -> int:
    """Return the highest sequence number that the file remembers."""
    return int(connection.execute(sa.text("PRAGMA user_version")).scalar() or 0)


def _lease_row(connection: sa.Connection, name: str) -> Any:
    """Return what is kept of the lease *name*, or ``None``."""
    row = connection.execute(sa.select(_HELD).where(_HELD.c.name == name)).one_or_none()
    if row is not None and not (
        isinstance(row.expires, (int, float))
        and isinstance(row.token, int)
        and isinstance(row.run, str)
        and isinstance(row.holder, str)
    ):
        raise _lease_broken(name)
    return row


def _lease_broken(name: str) -> ActionFailed:
    return ActionFailed(
        f"the lease of {name} in the ledger cannot be read: somebody wrote over it",
        means="Who acts there is not known, so nobody else may.",
        remedy="Run `invoke audit.verify` and restore the ledger from a backup.",
        code="ledger.broken",
    )


def _no_implicit_transactions(connection: Any, _record: Any) -> None:
    """Let SQLAlchemy begin transactions itself (its documentation, SQLite dialect, 'Serializable')."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: sa.Connection) -> None:
    """Begin as the connection's option says; by default to read, which waits for nobody."""
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
