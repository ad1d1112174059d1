"""What whoever started us may do to us: stdin, stdout, stderr closed, full or gone; Ctrl-C at once."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from sluiceway.errors import ExitCode

__all__ = [
    "Reserved",
    "discard",
    "interruptible",
    "listings_part_quietly",
    "nowhere",
    "open_closed",
    "part_quietly",
]

_STDOUT, _STDERR = 1, 2


def nowhere() -> TextIO:
    """Return a stream that takes everything and keeps nothing."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - the descriptor's own lifetime


def open_closed() -> None:
    """Put an empty stream where one was closed (with ``>&-``).

    Python has ``None`` there, and the descriptor is free: the next file that is opened, a ledger
    perhaps, would get the number that every program takes for its stdout.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            found = os.open(os.devnull, os.O_RDWR)
            if found != number:
                os.dup2(found, number)
                os.close(found)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - until the end
    sys.stdout = sys.stdout or nowhere()
    sys.stderr = sys.stderr or nowhere()


@atexit.register
def part_quietly() -> None:
    """Let what nobody reads any more (with ``| head -1`` behind it) change no exit code.

    Of a stdout that is full Python says so itself: that is a result which was not written.
    """
    given: dict[str, type[OSError]] = {"stdout": BrokenPipeError, "stderr": OSError}
    for name, forgiven in given.items():
        stream = getattr(sys, name)
        try:
            stream.flush()
        except forgiven:
            discard(stream)
            setattr(sys, name, nowhere())
        except (AttributeError, OSError, ValueError):
            continue


def listings_part_quietly() -> None:
    """Let whoever stops reading what Invoke prints by itself (``--list``, ``--help``) see no trace.

    Its exit code stays what it is; on a disk that is full it is that of a command's result.
    """
    from invoke.exceptions import Exit
    from invoke.program import Program

    theirs = Program.parse_cleanup
    if theirs.__module__ == __name__:
        return

    def parse_cleanup(program: Program) -> None:
        try:
            theirs(program)
        except BrokenPipeError:
            discard(sys.stdout)
            sys.stdout = nowhere()
            raise Exit(code=int(ExitCode.DONE)) from None
        except OSError as error:
            from sluiceway.cli.command import Shell

            shell = Shell(as_json=False, debug=False)
            raise Exit(code=int(shell.unwritten(error))) from None

    Program.parse_cleanup = parse_cleanup  # type: ignore[method-assign, assignment]


class Reserved:
    """stdout, kept for a command's result: whatever else is written there meanwhile goes to stderr.

    A plugin that prints, and a program that it starts without asking for its output, would else
    write into the middle of a JSON document.
    """

    def __init__(self) -> None:
        self._stdout: TextIO | None = None
        self._kept: int | None = None

    def take(self) -> None:
        """Reserve it from here on; twice is the same as once."""
        if self._stdout is not None:
            return
        self._stdout, sys.stdout = sys.stdout, sys.stderr
        with contextlib.suppress(OSError, ValueError):  # a stream that is no file, or none any more
            self._stdout.flush()
            if self._stdout.fileno() == _STDOUT:
                self._kept = os.dup(_STDOUT)
                os.dup2(_STDERR, _STDOUT)

    def release(self) -> None:
        """Let everybody write there again."""
        stdout, self._stdout = self._stdout, None
        if stdout is None:
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        sys.stdout = stdout
        if self._kept is not None:
            os.dup2(self._kept, _STDOUT)
            os.close(self._kept)
            self._kept = None

    @contextlib.contextmanager
    def given_back(self) -> Iterator[None]:
        """Let this block write there, if it is reserved."""
        reserved = self._stdout is not None
        self.release()
        try:
            yield
        finally:
            if reserved:
                self.take()


def discard(stream: TextIO) -> None:
    """Let *stream* write what it still holds to nowhere; else Python tries, and fails, at the end."""
    with contextlib.suppress(OSError, ValueError), nowhere() as sink:
        os.dup2(sink.fileno(), stream.fileno())
        stream.flush()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end this block with the exit code that it has everywhere; nothing was begun yet.

    Invoke would end with 1, which means a bug of ours here.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(int(ExitCode.INTERRUPTED)) from None
