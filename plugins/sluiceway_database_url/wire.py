"""One connection to PostgreSQL, through libpq: every statement as it is, every answer as it comes."""

from __future__ import annotations

import contextlib
import selectors
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway import process
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.migrations.dryrun.records import Failure, Parameter
from sluiceway.record import Record

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

__all__ = ["Answer", "Target", "Wire"]

_POLL_SECONDS = 0.2
_FIRST_OWN_TYPE = 16384
"""Numbers of types from here on are a database's own, and another in every database."""
_CONNECT_SECONDS = 10
_STATEMENT_MILLISECONDS = 300_000
_NO_ROWS = b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xff"
"""The binary format of COPY: signature, flags, length of the rest of the header, end of rows."""


class Answer(Record, kw_only=False):
    """How one statement ended."""

    failure: Failure | None = None
    tag: str = ""
    """``INSERT 0 1``, ``ALTER TABLE``."""
    rows: int | None = None
    columns: int = 0
    values: tuple[tuple[str | None, ...], ...] = ()


class Target(Record, kw_only=False):
    """Where a server is, as libpq's parameters. Its text shows no secret."""

    parameters: Mapping[str, str]

    @classmethod
    def of(cls, url: str, where: str) -> Target:
        """Read *url* (or ``key=value`` pairs); *where* names it in messages, which never hold it.

        Raises:
            ConfigurationError: ``database.url``.
        """
        psycopg = library()
        try:
            read = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            raise ConfigurationError(
                f"{where} is no address of a PostgreSQL database",
                remedy="Write it as postgresql://user:password@host:5432/database.",
                code="database.url",
            ) from None
        return cls({key: str(value) for key, value in read.items() if value is not None})

    def with_database(self, name: str) -> Target:
        """Return the same server with another database."""
        return Target({**self.parameters, "dbname": name})

    @property
    def url(self) -> str:
        """A URL that programs understand. Holds the password."""
        from urllib.parse import quote, urlencode

        rest = dict(self.parameters)
        user, password = rest.pop("user", ""), rest.pop("password", "")
        host, port = rest.pop("host", ""), rest.pop("port", "")
        name = rest.pop("dbname", "")
        if host.startswith("/"):
            rest, host = {"host": host, **rest}, ""
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        address = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        query = urlencode(rest, quote_via=quote)
        return (
            f"postgresql://{login}{'@' if login else ''}{address}/{quote(name, safe='')}"
            f"{'?' if query else ''}{query}"
        )

    def without_secrets(self, text: str) -> str:
        """Return *text* without the password."""
        password = self.parameters.get("password", "")
        return process.redact(text.replace(password, "***") if password else text)

    def __repr__(self) -> str:
        shown = {key: self.parameters.get(key, "") for key in ("host", "port", "dbname", "user")}
        return " ".join(f"{key}={value}" for key, value in shown.items() if value)


def library() -> Any:
    """Return psycopg.

    Raises:
        PluginError: ``database.extra``: it is not installed.
    """
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise PluginError(
            "PostgreSQL is spoken to with psycopg, which is not installed",
            remedy="pip install 'sluiceway[postgres]'",
            code="database.extra",
        ) from error
    return psycopg


class Wire:
    """A connection that begins no transaction by itself.

    Args:
        target: Where to.
        read_only: The server itself refuses to write.

    Raises:
        ActionFailed: ``database.unreachable``.
    """

    def __init__(self, target: Target, *, read_only: bool = False) -> None:
        psycopg = library()
        self._target = target
        options = f"-c statement_timeout={_STATEMENT_MILLISECONDS}"
        if read_only:
            options += " -c default_transaction_read_only=on"
        parameters: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, **target.parameters}
        parameters["options"] = f"{parameters.get('options', '')} {options}".strip()
        parameters["application_name"] = "sluiceway"
        parameters["client_encoding"] = "UTF8"
        try:
            self._connection = psycopg.Connection.connect(**parameters, autocommit=True)
        except psycopg.Error as error:
            raise ActionFailed(
                f"the database at {target!r} cannot be reached: "
                f"{target.without_secrets(str(error).strip())}",
                remedy="Start it, or correct its address.",
                code="database.unreachable",
            ) from None
        self._pg: PGconn = self._connection.pgconn
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pg.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)

    @property
    def in_transaction(self) -> bool:
        """Whether one is open, failed or not."""
        return bool(self._pg.transaction_status != library().pq.TransactionStatus.IDLE)

    @property
    def busy(self) -> bool:
        """Whether a command was left before its answer came. Nothing else can be asked then."""
        return bool(self._pg.transaction_status == library().pq.TransactionStatus.ACTIVE)

    def run(self, sql: str) -> Answer:
        """Run *sql* as it is; of several statements the last answer, or the first failure."""
        return self._ask(lambda: self._pg.send_query(sql.encode()))

    def call(self, sql: str, parameters: Sequence[Parameter]) -> Answer:
        """Run one statement with bound values."""
        return self._ask(
            lambda: self._pg.send_query_params(
                sql.encode(),
                [each.value for each in parameters],
                param_types=[
                    each.type if each.type < _FIRST_OWN_TYPE else 0 for each in parameters
                ],
                param_formats=[int(each.binary) for each in parameters],
            )
        )

    def must(self, sql: str) -> Answer:
        """Run a command of our own, which cannot fail on a healthy server.

        Raises:
            ActionFailed: ``database.failed``.
        """
        answer = self.run(sql)
        if answer.failure is not None:
            raise ActionFailed(
                f"the server at {self._target!r} refused {sql.split(maxsplit=1)[0]}: "
                f"{answer.failure.sqlstate} {answer.failure.message}",
                remedy="Look at the server's log.",
                code="database.failed",
            )
        return answer

    def close(self) -> None:
        """Let go of the server; what it is still doing, it is told to give up."""
        self._selector.close()
        if self.busy:
            with contextlib.suppress(library().Error):
                self._pg.get_cancel().cancel()
        self._connection.close()

    def _ask(self, send: Callable[[], None]) -> Answer:
        psycopg = library()
        try:
            send()
            return _answer(list(self._results()))
        except psycopg.Error as error:
            raise ActionFailed(
                f"the server at {self._target!r} went away: "
                f"{self._target.without_secrets(str(error).strip())}",
                remedy="Look at the server's log, and run it again.",
                code="database.gone",
            ) from None

    def _results(self) -> list[PGresult]:
        from psycopg.pq import ExecStatus

        found: list[PGresult] = []
        self._flush()
        while True:
            while self._pg.is_busy():
                self._wait(selectors.EVENT_READ)
                self._pg.consume_input()
            result = self._pg.get_result()
            if result is None:
                return found
            if result.status == ExecStatus.COPY_IN:
                # No rows: whether table and columns are there shows all the same.
                if result.binary_tuples:
                    self._pg.put_copy_data(_NO_ROWS)
                self._pg.put_copy_end()
                self._flush()
            elif result.status == ExecStatus.COPY_OUT:
                self._drain()
            elif result.status == ExecStatus.COPY_BOTH:
                raise ActionFailed(
                    "a statement began replication, which is not followed", code="database.failed"
                )
            else:
                found.append(result)

    def _flush(self) -> None:
        while self._pg.flush():
            self._wait(selectors.EVENT_WRITE)
            with contextlib.suppress(BlockingIOError):
                self._pg.consume_input()

    def _drain(self) -> None:
        while True:
            size, _ = self._pg.get_copy_data(1)
            if size < 0:
                return
            if size == 0:
                self._wait(selectors.EVENT_READ)
                self._pg.consume_input()

    def _wait(self, event: int) -> None:
        self._selector.modify(self._pg.socket, event)
        while not self._selector.select(_POLL_SECONDS):
            process.check_stop()


def _answer(results: Sequence[PGresult]) -> Answer:
    from psycopg.pq import ExecStatus

    for result in results:
        if result.status in (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE):
            return Answer(failure=_failure(result))
    if not results:
        return Answer()
    last = results[-1]
    rows = last.command_tuples
    values = tuple(
        tuple(_text(last.get_value(row, column)) for column in range(last.nfields))
        for row in range(last.ntuples)
    )
    tag = (last.command_status or b"").decode(errors="replace")
    return Answer(tag=tag, rows=rows, columns=last.nfields, values=values)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _failure(result: PGresult) -> Failure:
    from psycopg.pq import DiagnosticField as Field

    def field(name: Field) -> str:
        return (result.error_field(name) or b"").decode(errors="replace")

    position = field(Field.STATEMENT_POSITION)
    return Failure(
        sqlstate=field(Field.SQLSTATE) or "08006",
        message=field(Field.MESSAGE_PRIMARY) or result.error_message.decode(errors="replace"),
        detail=field(Field.MESSAGE_DETAIL),
        hint=field(Field.MESSAGE_HINT),
        position=int(position) if position.isdigit() else 0,
    )
