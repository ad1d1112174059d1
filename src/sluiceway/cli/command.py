"""What every command shares: ``--json``, ``--debug``, one place that catches errors and exits."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, overload

from invoke.exceptions import Exit, ParseError
from invoke.parser import parser
from invoke.parser.argument import Argument
from invoke.tasks import Task

from sluiceway.cli.bytecode import keep_as_python_would
from sluiceway.cli.streams import discard, interruptible, nowhere
from sluiceway.errors import ActionFailed, ExitCode, NeedsPerson, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.console import Console
    from sluiceway.workbench import Workbench

__all__ = ["Shell", "command", "flag_of", "usage_errors_exit_with_two"]

_UNSURE = (ExitCode.BUG, ExitCode.NEEDS_PERSON)
"""After these nobody can say that nothing changed."""
_SHARED = ("json", "debug")
_SHARED_HELP = {
    "json": "Print one JSON document on stdout and nothing else there.",
    "debug": "Show the trace of an error.",
}


def flag_of(name: str) -> str:
    """Return how a command's argument is written by who types it: ``--from-here`` of ``from_here``."""
    return f"--{name.replace('_', '-')}"


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
        """Let go of workers."""
        if self._bench is not None:
            self._bench.close()

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
) -> Task[Any] | Callable[[_Command], Task[Any]]:
    """Make an Invoke task of *function*, whose first parameter is a :class:`Shell`.

    The function returns an :class:`ExitCode` or ``None`` for done. Each of *repeated* is a list of
    the values of a flag that may be given several times; *words* is such a one whose values may
    stand by themselves as well, behind the command (a word that is a command's name begins that).
    *short* has letters for flags that another tool's users write so (``{"policy": "p"}``).
    A parameter named in *gathered* is given a mapping of flags that several commands share: the
    name of each with what was said, ``""`` when nothing was. The table has each one's help; those
    of *switches* are true or false, those of *repeated* tuples.
    """
    table, letters, shared = help or {}, short or {}, gathered or {}
    if function is None:
        return lambda later: _task(later, name, table, repeated, words, letters, shared, switches)
    return _task(function, name, table, repeated, words, letters, shared, switches)


def _task(
    function: _Command,
    name: str | None,
    described: Mapping[str, str],
    repeated: Sequence[str],
    words: str,
    short: Mapping[str, str],
    gathered: Mapping[str, Mapping[str, str]],
    switches: Sequence[str],
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
            options[taker] = {
                flag: tuple(options.pop(flag) or ())
                if flag in lists
                else options.pop(flag) or unsaid
                for flag in table
                for unsaid in [False if flag in switches else ""]
            }
        code = _guarded(function, shell, arguments, options)
        if code is not ExitCode.DONE:
            raise Exit(code=int(code))

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
    return _Task(
        body,
        name=name,
        positional=required,
        iterable=[*repeated, words] if words else repeated,
        help={**described, **dict(_texts(gathered)), **_SHARED_HELP},
        auto_shortflags=False,
        words=words,
        short=short,
    )


def _texts(gathered: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for table in gathered.values():
        yield from table.items()


class _Words(Argument):
    """A flag's list of values that may stand by themselves too."""


class _Task(Task[Any]):
    """A task of which one argument may be a :class:`_Words`, and some have a letter as well."""

    def __init__(
        self, *arguments: Any, words: str, short: Mapping[str, str], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._words = words
        self._short = short

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:  # noqa: FBT001 - Invoke's signature
        """Return the arguments in Invoke's order."""
        found = super().get_arguments(ignore_unknown_help=ignore_unknown_help)
        for argument in found:
            if argument.name == self._words:
                argument.__class__ = _Words
            letter = self._short.get(argument.name or "")
            if letter:
                argument.names = (*argument.names, letter)
        return found


_ParseMachine = parser.ParseMachine


class _Uncopied:
    """What is the same when it is copied."""

    def __init__(self, contexts: Mapping[str, Any]) -> None:
        self._contexts = contexts

    def __deepcopy__(self, memo: object) -> Mapping[str, Any]:
        return self._contexts


class _Machine(_ParseMachine):
    """Invoke's parser, with words that nothing else claims for a command's list.

    Nor does it take a flag for the argument that a command still lacks, as Invoke's own does:
    ``approve --help`` would be about an image named --help, and a misspelt flag would be one, too.
    """

    def __init__(self, initial: Any, contexts: Mapping[str, Any], ignore_unknown: bool) -> None:  # noqa: FBT001 - Invoke's signature
        """Begin; Invoke copies each command's context when it meets the command, so once is enough."""
        super().__init__(initial, _Uncopied(contexts), ignore_unknown)  # type: ignore[arg-type]

    def _bring_definitions_to_object_level(self) -> None:
        """Begin with the states of Invoke's class: they are not inherited by themselves."""
        self._states.update(_ParseMachine._class_states)  # noqa: SLF001 - see above
        self._transitions.extend(_ParseMachine._class_transitions)  # noqa: SLF001 - see above

    def handle(self, token: str) -> None:
        """Take one token of the command line."""
        context = self.context
        known = {**context.flags, **context.inverse_flags} if context is not None else {}
        found = context.args.values() if context is not None else ()
        words = next((each for each in found if isinstance(each, _Words)), None)
        dashed = token[:1] == "-" and token != "-"  # noqa: S105 - a token of a command line
        claimed = token in known or self.waiting_for_flag_value
        lacking = context.missing_positional_args if context is not None else ()
        if dashed and lacking and not claimed:
            self._core_flag(token, lacking)
        elif words is None or claimed or dashed or token in self.contexts:
            super().handle(token)
        else:
            words.value = token

    def _core_flag(self, token: str, lacking: Iterable[Any]) -> None:
        """Take a flag of Invoke's own between a command and an argument that it needs."""
        flags = self.initial.flags
        flag = flags[token] if token in flags else None  # noqa: SIM401 - get() knows no short names
        if flag is None:
            self.error(f"No idea what {token!r} is!")
        elif flag.name == "help":
            flag.value = self.context.name
            for argument in lacking:  # whoever asks for help need not know them
                argument.value = ""
        else:
            self.switch_to_flag(token)


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
        except Exception as error:  # noqa: BLE001 - this is where a bug of ours becomes exit 1
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


class _UsageError(ParseError, Exit):
    """A parse error that carries the contract's exit code, and the nearest right word.

    Invoke prints a ``ParseError`` and ends with 1, which means "a bug of ours" here; as an ``Exit``
    it ends with the code that the exception has.
    """

    commands: ClassVar[tuple[str, ...]] = ()
    """The names of all commands, for a guess."""
    absent: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Commands to flags that another tool has, each with what there is instead."""

    def __init__(self, text: str, context: Any = None) -> None:
        ParseError.__init__(self, text, context)
        self.message = None  # Invoke prints a ParseError itself, and an Exit's message as well

    @property
    def code(self) -> int:
        """The exit status."""
        return int(ExitCode.USAGE)

    def __str__(self) -> str:
        return " ".join(part for part in self.said() if part)

    def said(self) -> tuple[str, str]:
        """Return what is wrong and what to do about it, which may be empty."""
        text = str(self.args[0])
        unvalued = re.fullmatch("Flag <Argument: ([^ >]*).*> needed value .*", text)
        if unvalued is not None:
            return f"{flag_of(unvalued[1])} needs a value and was given none.", ""
        valued = re.fullmatch("Flag <Argument: ([^ >]*).*> doesn't take any value!", text)
        if valued is not None:
            return f"{flag_of(valued[1])} takes no value.", ""
        lacking = re.match("'(.*)' did not receive required", text)
        if lacking is not None:
            helps = f"invoke {lacking[1]} --help"
            return f"{text}.", f"`{helps}` has the rest."
        unknown = re.search("No idea what '(.*)' is!", text)
        if unknown is None:
            return text, ""
        from sluiceway.config.settings import nearest

        word = unknown[1].partition("=")[0]
        instead = self.absent.get(getattr(self.context, "name", ""), {}).get(word)
        if instead:
            return f"{word} is not here.", instead
        known = list(getattr(self.context, "flags", {})) if word[:1] == "-" else self.commands
        guess = nearest(word, known)
        return text, f"Did you mean {guess}?" if guess else "`invoke --list` shows all."


_parse_argv = parser.Parser.parse_argv


@interruptible()
def _parsed(machine: parser.Parser, argv: list[str]) -> Any:
    """Parse *argv*; with ``--json`` among it a line that cannot be parsed has its document, too."""
    try:
        return _parse_argv(machine, argv)
    except _UsageError as error:
        if "--json" in itertools.takewhile(lambda word: word != "--", argv):
            what, remedy = error.said()
            shell = Shell(as_json=True, debug=False)
            shell.result({"error": UsageError(what, remedy=remedy).diagnostics(), "changed": False})
        raise


def usage_errors_exit_with_two(
    commands: tuple[str, ...], absent: Mapping[str, Mapping[str, str]]
) -> None:
    """Let Invoke's parser raise errors that end with exit code 2 and name the nearest word.

    It also lets a command take words by themselves (see :func:`command`). *absent* has, for some
    commands, flags of a tool whose users write them here too, each with what there is instead.
    """
    _UsageError.commands = commands
    _UsageError.absent = absent
    parser.ParseError = _UsageError  # type: ignore[attr-defined, assignment]
    parser.ParseMachine = _Machine  # type: ignore[misc]
    parser.Parser.parse_argv = _parsed  # type: ignore[assignment, method-assign]
