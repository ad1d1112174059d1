"""How a command line is read: Invoke's parser, with words for a list, and errors that end with 2."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from invoke.exceptions import Exit, ParseError
from invoke.parser import parser
from invoke.parser.argument import Argument
from invoke.tasks import Task

from sluiceway.cli.streams import interruptible
from sluiceway.errors import ExitCode, UsageError

__all__ = ["WordyTask", "flag_of", "usage_errors_exit_with_two"]


def flag_of(name: str) -> str:
    """Return how a command's argument is written by who types it: ``--from-here`` of ``from_here``."""
    return f"--{name.replace('_', '-')}"


class _Words(Argument):
    """A flag's list of values that may stand by themselves too."""


class WordyTask(Task[Any]):
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
        word = unknown[1].partition("=")[0]
        instead = self.absent.get(getattr(self.context, "name", ""), {}).get(word)
        if instead:
            return f"{word} is not here.", instead
        return self._unknown(word)

    def _unknown(self, word: str) -> tuple[str, str]:
        """Return what to say of a *word* that is neither a command nor a flag of this one."""
        from sluiceway.config.settings import nearest

        command, text = getattr(self.context, "name", None), str(self.args[0])
        helps = f"invoke {command} --help"
        if word[:1] == "-":
            flags = {flag.lstrip("-"): flag for flag in getattr(self.context, "flags", {})}
            guess = flags.get(nearest(word.lstrip("-"), flags), "")  # dashes are no likeness
            if command and not guess:
                return text, f"`{helps}` has its flags."
        elif command:
            # Rather a value that wants a flag than a command: `promote staging` means no `sign`.
            guess = nearest(word, self.commands, cutoff=0.8)
            if not guess:
                return f"{command} takes no {word!r} by itself.", f"`{helps}` has its flags."
        else:
            guess = nearest(word, self.commands)
        return text, f"Did you mean {guess}?" if guess else "`invoke --list` shows all."


_parse_argv = parser.Parser.parse_argv


@interruptible()
def _parsed(machine: parser.Parser, argv: list[str]) -> Any:
    """Parse *argv*; with ``--json`` among it a line that cannot be parsed has its document, too."""
    try:
        return _parse_argv(machine, argv)
    except _UsageError as error:
        if "--json" in itertools.takewhile(lambda word: word != "--", argv):
            from sluiceway.cli.command import Shell

            what, remedy = error.said()
            shell = Shell(as_json=True, debug=False)
            shell.result({"error": UsageError(what, remedy=remedy).diagnostics(), "changed": False})
        raise


def usage_errors_exit_with_two(
    commands: tuple[str, ...], absent: Mapping[str, Mapping[str, str]]
) -> None:
    """Let Invoke's parser raise errors that end with exit code 2 and name the nearest word.

    It also lets a command take words by themselves (see :func:`sluiceway.cli.command.command`).
    *absent* has, for some commands, flags of a tool whose users write them here too, each with what
    there is instead.
    """
    _UsageError.commands = commands
    _UsageError.absent = absent
    parser.ParseError = _UsageError  # type: ignore[attr-defined, assignment]
    parser.ParseMachine = _Machine  # type: ignore[misc]
    parser.Parser.parse_argv = _parsed  # type: ignore[assignment, method-assign]
