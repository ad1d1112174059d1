"""What every command shares: ``--json``, ``--debug``, one place that catches errors and exits."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from invoke.exceptions import Exit
from invoke.tasks import Task

from sluiceway.cli.bytecode import keep_as_python_would
from sluiceway.cli.parsing import WordyTask
from sluiceway.cli.streams import Reserved, discard, nowhere
from sluiceway.errors import ActionFailed, ExitCode, NeedsPerson, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.console import Console
    from sluiceway.workbench import Workbench

__all__ = ["Shell", "command"]

_UNSURE = (ExitCode.BUG, ExitCode.NEEDS_PERSON)
"""After these nobody can say that nothing changed."""
_SHARED = ("json", "debug")
_SHARED_HELP = {
    "json": "Print one JSON document on stdout and nothing else there.",
    "debug": "Show the trace of an error.",
}


class Shell:
    """What a command is given: where it is, how it prints, and its parts when it asks for them.

    Args:
        as_json: stdout carries exactly one JSON document.
        debug: Traces are shown.
        rest: What stood behind ``--`` on the command line.
    """

    def __init__(self, *, as_json: bool, debug: bool, rest: str = "") -> None:
        self.as_json = as_json
        self.debug = debug
        self.rest = rest
        self._bench: Workbench | None = None
        self._console: Console | None = None
        self._printed = False
        self._unsaid: OSError | None = None
        self._changed = False
        self._reserved = Reserved()

    @property
    def console(self) -> Console:
        """How a person sees it: stderr for progress, stdout for results."""
        if self._console is None:
            from sluiceway.console import Console

            self._console = Console(json_mode=self.as_json, debug=self.debug)
        return self._console

    def speak_json(self) -> None:
        """Go on as if the command had been given ``--json``."""
        self.as_json = self.console.json_mode = True
        self.reserve()

    def reserve(self) -> None:
        """Keep stdout for the one document that ``--json`` promises."""
        if self.as_json:
            self.console  # noqa: B018 - made now, while stdout is what it writes to
            self._reserved.take()

    @property
    def bench(self) -> Workbench:
        """The project that the command was called in."""
        if self._bench is None:
            from sluiceway.workbench import Workbench

            self._bench = Workbench.open(Path.cwd(), os.environ)
        return self._bench

    @property
    def bench_or_none(self) -> Workbench | None:
        """The project, or ``None`` where there is none."""
        from sluiceway.errors import ConfigurationError

        try:
            return self.bench
        except ConfigurationError as error:
            if error.code != "configuration.missing":
                raise
        return None

    @property
    def bench_or_bare(self) -> Workbench:
        """The project, or defaults where there is none: for work that needs no service."""
        bench = self.bench_or_none
        if bench is None:
            from sluiceway import config
            from sluiceway.workbench import Workbench

            bench = self._bench = Workbench(config.bare(Path.cwd(), os.environ), os.environ)
        return bench

    def result(self, document: Any, show: Callable[[Console], None] | None = None) -> None:
        """Print *document* as JSON, or let *show* print it for a person."""
        with self._reserved.given_back():
            self._result(document, show)

    def _result(self, document: Any, show: Callable[[Console], None] | None) -> None:
        try:
            if self.as_json:
                if not self._printed:
                    self._printed = True
                    self.console.result(document)
            elif show is not None:
                show(self.console)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read stdout has gone; what happened, and its exit code, stay what they are.
            self._speak_no_more()
        except OSError as error:
            self._unsaid = error
            self._changed = isinstance(document, Mapping) and document.get("changed") is True
            self._speak_no_more()

    def unwritten(self, error: OSError) -> ExitCode:
        """Say that a result was not written, and return what that ends with."""
        self._unsaid = error
        self._speak_no_more()
        try:
            return self.heard()
        except SluicewayError as failed:
            self.fail(failed)
            return failed.exit_code

    def _speak_no_more(self) -> None:
        discard(sys.stdout)
        sys.stdout = nowhere()
        self._console = None

    def heard(self) -> ExitCode:
        """Return the exit code of what was done: another than 0 when its result is not written.

        A script that finds nothing in its file must not take that for done.

        Raises:
            ActionFailed: ``output.unwritable``, on a disk that is full, perhaps.
            NeedsPerson: The same, and something was changed.
        """
        if self._unsaid is None:
            return ExitCode.DONE
        failed = NeedsPerson if self._changed else ActionFailed
        raise failed(
            f"the result could not be written to stdout: {self._unsaid.strerror}",
            means="What was asked for was done." if self._changed else "",
            remedy="Make room where stdout goes and ask again; `invoke status` says what is where.",
            code="output.unwritable",
        ) from self._unsaid

    def ended(self, outcome: Mapping[str, Any], show: Callable[[Console], None]) -> ExitCode:
        """Print how a run ended, and return its exit code.

        With ``--json`` the document is for a program; whoever reads the log sees the error too.
        """
        self.result(outcome, show)
        if self.as_json and outcome.get("error"):
            self.console.error(outcome["error"])
        return ExitCode(outcome["exit_code"])

    def close(self) -> None:
        """Let go of workers, and of stdout."""
        try:
            if self._bench is not None:
                self._bench.close()
        finally:
            self._reserved.release()

    def fail(self, error: SluicewayError) -> None:
        """Print what happened, what it means and what to do next."""
        diagnostics = error.diagnostics()
        if self.as_json:
            changed = None if error.exit_code in _UNSURE else False
            self.result({"error": diagnostics, "changed": changed})
        self.console.error(diagnostics)


_Command = Callable[..., ExitCode | None]


@overload
def command(function: _Command) -> Task[Any]: ...


@overload
def command(
    *,
    name: str | None = None,
    help: Mapping[str, str] | None = None,
    repeated: Sequence[str] = (),
    words: str = "",
    short: Mapping[str, str] | None = None,
    gathered: Mapping[str, Mapping[str, str]] | None = None,
    switches: Sequence[str] = (),
    rest: bool = False,
) -> Callable[[_Command], Task[Any]]: ...


def command(
    function: _Command | None = None,
    *,
    name: str | None = None,
    help: Mapping[str, str] | None = None,  # noqa: A002 - Invoke's own word for it
    repeated: Sequence[str] = (),
    words: str = "",
    short: Mapping[str, str] | None = None,
    gathered: Mapping[str, Mapping[str, str]] | None = None,
    switches: Sequence[str] = (),
    rest: bool = False,
) -> Task[Any] | Callable[[_Command], Task[Any]]:
    """Make an Invoke task of *function*, whose first parameter is a :class:`Shell`.

    The function returns an :class:`ExitCode` or ``None`` for done. Each of *repeated* is a list of
    the values of a flag that may be given several times; *words* is such a one whose values may
    stand by themselves as well, behind the command (a word that is a command's name begins that).
    *short* has letters for flags that another tool's users write so (``{"policy": "p"}``).
    A parameter named in *gathered* is given a mapping of flags that several commands share: the
    name of each with what was said, ``""`` when nothing was. The table has each one's help; those
    of *switches* are true or false, those of *repeated* tuples. What stands behind ``--`` is
    refused unless the command takes it as its *rest*: nobody else would read it.
    """
    table, letters, shared = help or {}, short or {}, gathered or {}
    if function is None:
        return lambda later: _task(
            later, name, table, repeated, words, letters, shared, switches, rest
        )
    return _task(function, name, table, repeated, words, letters, shared, switches, rest)


def _task(
    function: _Command,
    name: str | None,
    described: Mapping[str, str],
    repeated: Sequence[str],
    words: str,
    short: Mapping[str, str],
    gathered: Mapping[str, Mapping[str, str]],
    switches: Sequence[str],
    rest: bool,  # noqa: FBT001 - as `command` has it
) -> Task[Any]:
    @functools.wraps(function)
    def body(context: object, *arguments: Any, **options: Any) -> None:
        keep_as_python_would()  # Invoke reads its flags after the commands, when they are a program's
        shell = Shell(
            as_json=options.pop("json"),
            debug=options.pop("debug"),
            rest=getattr(context, "remainder", ""),
        )
        for taker, table in gathered.items():
            options[taker] = {flag: said(flag, options.pop(flag)) for flag in table}
        asked = _refuse_rest if shell.rest and not rest else function
        if _is_dry(context):
            asked = _refuse_dry
        code = _guarded(asked, shell, arguments, options)
        if code is not ExitCode.DONE:
            raise Exit(code=int(code))

    def said(flag: str, value: Any) -> Any:
        if flag in lists:
            return tuple(value or ())
        return value or (False if flag in switches else "")

    lists = {*repeated, words}
    signature = inspect.signature(function)
    taken = list(signature.parameters.values())
    shared = [
        inspect.Parameter(flag, inspect.Parameter.KEYWORD_ONLY, default=False)
        for flag in _SHARED
        if flag not in signature.parameters
    ]
    flags = [
        inspect.Parameter(
            flag,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if flag in lists else False if flag in switches else "",
        )
        for table in gathered.values()
        for flag in table
    ]
    taken = [each for each in taken if each.name not in gathered]
    # Invoke takes the type of a default for the type of each value; without one it is a list.
    shown = [each.replace(default=None) if each.name in lists else each for each in taken]
    body.__signature__ = signature.replace(parameters=[*shown, *flags, *shared])  # type: ignore[attr-defined]
    required = [each.name for each in taken[1:] if each.default is inspect.Parameter.empty]
    return WordyTask(
        body,
        name=name,
        positional=required,
        iterable=[*repeated, words] if words else repeated,
        help={**described, **dict(_texts(gathered)), **_SHARED_HELP},
        auto_shortflags=False,
        words=words,
        short=short,
    )


def _refuse_rest(shell: Shell, *_: Any, **__: Any) -> ExitCode:
    raise UsageError(
        f"nothing is read behind --, and there is {shell.rest}",
        remedy="Write it before the --; a file whose name begins with - is written ./-name.",
    )


def _is_dry(context: object) -> bool:
    run = getattr(getattr(context, "config", None), "run", None)
    return bool(run and run.get("dry"))


def _refuse_dry(*_: Any, **__: Any) -> ExitCode:
    """Invoke lists ``--dry`` for every task, but what a command does goes through none of its runs."""
    raise UsageError(
        "--dry is Invoke's, and no command of Sluiceway can be tried out with it",
        means="The command would have acted as it does without. Nothing was done.",
        remedy="Leave it out (or INVOKE_RUN_DRY, which says the same). `invoke policy.eval "
        "promotion` judges without acting, and `invoke approvals` says what a promotion would still need.",
    )


def _texts(gathered: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for table in gathered.values():
        yield from table.items()


def _guarded(
    function: Callable[..., ExitCode | None],
    shell: Shell,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> ExitCode:
    from sluiceway import process

    with ExitStack() as stack:
        stack.callback(shell.close)
        try:
            shell.reserve()
            stack.enter_context(shell.console.listening())
            stack.enter_context(process.terminated_politely())
            code = function(shell, *arguments, **options) or ExitCode.DONE
            return shell.heard() if code is ExitCode.DONE else code
        except SluicewayError as error:
            shell.fail(error)
            if shell.debug:
                _trace()
            return error.exit_code
        except KeyboardInterrupt:
            shell.fail(
                SluicewayError("interrupted", means="No run was under way.", code="interrupted")
            )
            return ExitCode.INTERRUPTED
        # Some library's sys.exit(0) as well, or what was not done would end as if it was.
        except (Exception, SystemExit) as error:  # noqa: BLE001 - where a bug of ours becomes exit 1
            shell.fail(
                SluicewayError(
                    f"{type(error).__name__}: {error}",
                    means="This is a bug in Sluiceway.",
                    remedy="Run the command again with --debug and report what it prints.",
                )
            )
            if shell.debug:
                _trace()
            return ExitCode.BUG


def _trace() -> None:
    import traceback

    traceback.print_exc()
