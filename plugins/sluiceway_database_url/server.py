"""A PostgreSQL server on which throw-away databases are made, and nothing else is written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, Self

from sluiceway.errors import ActionFailed
from sluiceway.migrations.dryrun.records import ScratchDatabase, TableSize
from sluiceway_database_url.database import Database
from sluiceway_database_url.queries import SIZES
from sluiceway_database_url.wire import Target, Wire

__all__ = ["KEPT", "SCRATCH", "Server"]

SCRATCH = re.compile(r"sluiceway_scratch_(?P<made>[0-9]{10})_[0-9a-f]{16}\Z")
"""Names of throw-away databases: when they were made, and what nobody can guess."""
KEPT = re.compile(r"sluiceway_kept_[0-9a-f]{32}\Z")
_MARK = "sluiceway: throw-away, made by invoke migrations.dry-run"
_SESSION = re.compile(re.escape(_MARK) + r", in session (?P<pid>[0-9]+) of (?P<began>[0-9.]*)\Z")
_LEFT_SECONDS = 3600
"""A database that nobody is in and that is older belongs to a run that was killed. Only of one that
says in which session it was made it is known earlier: a server ends the session of whoever dies."""
_SESSIONS = "SELECT pid, extract(epoch from backend_start) FROM pg_stat_activity"
_RELEASE_SECONDS = 10.0
_MOST_KEPT = 8


class Server:
    """See :class:`sluiceway.migrations.dryrun.records.ScratchServer`.

    Args:
        name: The plugin's.
        target: A database to connect to, for CREATE and DROP DATABASE; nothing is written in it.
        owner: Who owns the throw-away databases and works in them; else whoever connects.
        own: The whole server is ours: databases may be kept, roles removed, and no statement
            reaches too far.
        measured: Whether the target's tables are the ones that matter.

    Raises:
        ActionFailed: ``database.unreachable``, ``database.rights``, ``database.version``.
    """

    def __init__(
        self, name: str, target: Target, *, owner: str = "", own: bool, measured: bool
    ) -> None:
        self.name = name
        self._target = target
        self._owner = owner
        self._own = own
        self._measured = measured
        self._made: dict[str, Database] = {}
        self._admin = Wire(target)
        try:
            number, self.version = self._look()
            # Quicker, but it makes the whole server write out what it holds.
            self._copies_files = own and number >= 150000  # noqa: PLR2004 - where it came
            self._sweep()
        except BaseException:
            self._admin.close()
            raise

    def _look(self) -> tuple[int, str]:
        ((number, version, may),) = self._admin.must(
            "SELECT current_setting('server_version_num'), current_setting('server_version'), "
            "rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        ).values
        shown = f"PostgreSQL {(version or '').split()[0]}"
        if int(number or 0) < 130000:  # noqa: PLR2004 - DROP DATABASE ... WITH (FORCE) came with 13
            raise ActionFailed(
                f"{self._target!r} is {shown}, and a dry run needs 13 or newer",
                remedy="Use another server, or unset the variable to use an embedded one.",
                code="database.version",
            )
        if may != "t":
            raise ActionFailed(
                f"the role that connects to {self._target!r} may not create databases",
                means="A dry run makes a database of its own, so that it never writes in this one.",
                remedy="ALTER ROLE ... CREATEDB, or give another address.",
                code="database.rights",
            )
        return int(number or 0), shown

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()

    # --- what was left behind ---

    def _sweep(self) -> None:
        """Drop throw-away databases of runs that were killed: ours, and nobody is in them any more."""
        found = self._admin.must(
            "SELECT datname, shobj_description(d.oid, 'pg_database'), pg_get_userbyid(datdba), "
            "current_user FROM pg_database d WHERE datname LIKE 'sluiceway\\_scratch\\_%' "
            "AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)"
        ).values
        alive = {row[0]: row[1] for row in self._admin.must(_SESSIONS).values} if found else {}
        for name, mark, owner, user in found:
            shape = SCRATCH.match(name or "")
            made_in = _SESSION.match(mark or "")
            ours = mark in (None, _MARK) or made_in is not None
            if shape is None or not ours or owner not in (user, self._owner):
                continue
            ended = made_in and _ended(alive, made_in["pid"], made_in["began"])
            old = time.time() - int(shape["made"]) > _LEFT_SECONDS
            if self._own or ended or old:
                # Without FORCE: whoever has come in meanwhile keeps it.
                self._admin.run(f'DROP DATABASE IF EXISTS "{name}"')

    # --- databases ---

    def create(self, template: ScratchDatabase | None = None) -> ScratchDatabase:
        """Make a database with a name that nobody can guess, empty or as a copy of *template*."""
        if template is None and self._own:
            self._forget_roles((), wholly=True)
        name = f"sluiceway_scratch_{int(time.time()):010d}_{secrets.token_hex(8)}"
        source = ""
        if template is not None:
            template.release()
            if not (SCRATCH.match(template.name) or KEPT.match(template.name)):
                raise AssertionError(template.name)
            source = f' TEMPLATE "{template.name}"'
        if self._copies_files:
            source += " STRATEGY file_copy"
        owner = f' OWNER "{self._owner}"' if self._owner else ""
        # Noted first: what may be there is dropped at the end.
        self._made[name] = Database(name, self._inside(name), alone=self._own)
        self._patiently(f'CREATE DATABASE "{name}"{owner}{source}')
        ((pid, began),) = self._admin.must(f"{_SESSIONS} WHERE pid = pg_backend_pid()").values
        mark = f"{_MARK}, in session {pid} of {began or ''}"
        self._admin.must(f'COMMENT ON DATABASE "{name}" IS {_literal(mark)}')
        return self._made[name]

    def _inside(self, name: str) -> Target:
        target = self._target.with_database(name)
        if self._owner:
            target = Target({**target.parameters, "user": self._owner})
        return target

    def _patiently(self, sql: str) -> None:
        """Run *sql*, which needs that nobody is in a database; who has left is seen a bit later."""
        deadline = time.monotonic() + _RELEASE_SECONDS
        while True:
            failure = self._admin.run(sql).failure
            if failure is None:
                return
            if failure.sqlstate != "55006" or time.monotonic() > deadline:  # object_in_use
                raise ActionFailed(
                    f"no throw-away database could be made on {self._target!r}: "
                    f"{failure.sqlstate} {failure.message}",
                    means=failure.detail,
                    remedy=failure.hint or "Look at the server's log.",
                    code="database.create",
                )
            time.sleep(0.01)

    def drop(self, database: ScratchDatabase) -> None:
        """Drop one that was made here, before the end."""
        made = self._made.pop(database.name, None)
        if made is not None:
            made.release()
            if self._admin.busy:  # interrupted in the middle of a command
                self._admin.close()
                self._admin = Wire(self._target)
            self._admin.run(f'DROP DATABASE IF EXISTS "{made.name}" WITH (FORCE)')

    def keep(self, database: ScratchDatabase, key: str) -> ScratchDatabase:
        """Keep *database* for later runs, where the server is ours; return it."""
        if not self._own:
            return database
        name = self._kept_name(key)
        database.release()
        mark = json.dumps({"at": int(time.time()), "roles": sorted(self._roles())})
        self._admin.must(f'DROP DATABASE IF EXISTS "{name}"')
        self._admin.must(f'COMMENT ON DATABASE "{database.name}" IS {_literal(mark)}')
        self._patiently(f'ALTER DATABASE "{database.name}" RENAME TO "{name}"')
        del self._made[database.name]
        self._forget_oldest()
        return Database(name, self._inside(name), alone=True)

    def kept(self, key: str) -> ScratchDatabase | None:
        """Return what was kept under *key*, only to be copied."""
        name = self._kept_name(key)
        if not self._own:
            return None
        mark = dict(self._all_kept()).get(name)
        if mark is None:
            return None
        roles = set(mark.get("roles", ()))
        if not roles <= self._roles():
            return None
        self._forget_roles(roles)
        if self._roles() != roles:  # another kept database needs one of them
            return None
        return Database(name, self._inside(name), alone=True)

    def _kept_name(self, key: str) -> str:
        """Return the name of what *key* is kept as: another for another owner of its tables."""
        digest = hashlib.sha256(f"{self._owner}:{key}".encode()).hexdigest()
        return f"sluiceway_kept_{digest[:32]}"

    def _all_kept(self) -> Iterable[tuple[str, dict[str, Any]]]:
        found = self._admin.must(
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database "
            "WHERE datname LIKE 'sluiceway\\_kept\\_%'"
        ).values
        for name, mark in found:
            with contextlib.suppress(ValueError, TypeError):
                yield name or "", json.loads(mark or "")

    def _forget_oldest(self) -> None:
        ages = sorted((int(mark.get("at", 0)), name) for name, mark in self._all_kept())
        for _, name in ages[:-_MOST_KEPT]:
            self._admin.run(f'DROP DATABASE IF EXISTS "{name}"')

    def _roles(self) -> set[str]:
        """Return the roles that migrations have made; roles belong to the whole server."""
        found = self._admin.must("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'").values
        return {name or "" for (name,) in found} - {self._owner, self._target.parameters["user"]}

    def _forget_roles(self, known: Iterable[str], *, wholly: bool = False) -> None:
        """Drop the roles that an earlier run has made, so that this one can make them again.

        *wholly*: with the kept databases in which they may own something.
        """
        strange = self._roles() - set(known)
        if strange and wholly:
            for name, _ in list(self._all_kept()):
                self._admin.run(f'DROP DATABASE IF EXISTS "{name}"')
        for role in sorted(strange):
            quoted = role.replace('"', '""')
            self._admin.run(f'DROP ROLE IF EXISTS "{quoted}"')

    # --- sizes ---

    def sizes(self) -> Mapping[str, TableSize]:
        """Return the tables of the configured database; reads only."""
        if not self._measured:
            return {}
        wire = Wire(self._target, read_only=True)
        try:
            found = wire.must(SIZES).values
        finally:
            wire.close()
        return {
            name or "": TableSize(rows=int(rows or 0), bytes=int(size or 0))
            for name, rows, size in found
        }

    def close(self) -> None:
        """Drop what was made here and not kept. What cannot be dropped the next run finds."""
        try:
            for database in tuple(self._made.values()):
                self.drop(database)
        finally:
            self._admin.close()


def _ended(alive: Mapping[str | None, str | None], pid: str, began: str) -> bool:
    """Whether a session is over. When one began is not for every role to see; that it is there is."""
    if pid not in alive:
        return True
    seen = alive[pid]
    return bool(seen and began) and seen != began


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
