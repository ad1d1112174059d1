"""The embedded server, as a server for throw-away databases."""

from __future__ import annotations

from pathlib import Path

from sluiceway_database_embedded.binaries import Binaries
from sluiceway_database_embedded.cluster import OWNER, SUPERUSER, Cluster
from sluiceway_database_url.server import Server
from sluiceway_database_url.wire import Target, Wire

__all__ = ["EmbeddedServer"]


class EmbeddedServer(Server):
    """A server that is started with it and ends with :meth:`close`.

    Migrations run as a role that owns its database and is no superuser, as they mostly do where it
    matters: a superuser of the server could start programs as whoever runs the dry run.

    Args:
        binaries: Which server.
        cache: Where it is kept.
        superuser: Run migrations as the superuser.
    """

    def __init__(self, binaries: Binaries, cache: Path, *, superuser: bool) -> None:
        self._cluster = Cluster(binaries, cache)
        target = Target(
            {"host": str(self._cluster.socket), "user": SUPERUSER, "dbname": "postgres"}
        )
        try:
            _make_owner(target)
            super().__init__(
                "database-embedded",
                target,
                owner=SUPERUSER if superuser else OWNER,
                own=True,
                measured=False,
            )
        except BaseException:
            self._cluster.stop()
            raise

    def close(self) -> None:
        """Drop what was made and end the server."""
        try:
            super().close()
        finally:
            self._cluster.stop()


def _make_owner(target: Target) -> None:
    wire = Wire(target)
    try:
        if (OWNER,) not in wire.must("SELECT rolname FROM pg_roles").values:
            wire.must(f"CREATE ROLE {OWNER} LOGIN CREATEROLE")
    finally:
        wire.close()
