"""How ``policy.check`` and ``policy.test`` use policies that were written for conftest."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.author_engines import visiting_engine
from sluiceway.cli.command import Shell
from sluiceway.errors import ExitCode, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.policy.foreign.run import Ran
    from sluiceway.policy.foreign.settings import Options

__all__ = ["check_files", "shown", "verify_folders"]

_CONFTEST = "conftest"
_NO_OPTIONS = frozenset(
    {"allow_builtins", "config_file", "exit_code", "no_color", "rego_version"}
    | {"show_builtin_errors"}
)
"""Flags that say where options are, what conftest has no word for, or what holds here anyway."""
_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")
"""Controls but tab and line end (8-bit ones too), and what turns the direction of writing."""


def check_files(shell: Shell, files: Sequence[str], flags: Mapping[str, Any]) -> ExitCode:
    """Judge *files* and print what was found."""
    exit_code = flags["exit_code"]

    def judged() -> ExitCode:
        from sluiceway.policy.foreign.functions import allowed_builtins
        from sluiceway.policy.foreign.run import DEFAULT_NAMESPACE, run_check

        chosen = _options(shell, flags)
        also = allowed_builtins(flags["allow_builtins"])
        for word in files:
            if word in {"true", "false"} and not Path(word).exists():
                raise UsageError(
                    f"there is no file {word}, and a flag that is on or off takes no value",
                    remedy=f"Leave out ={word}, or the whole flag.",
                    code="policy.input",
                )
        ran = run_check(visiting_engine(shell), chosen, files, also=also, stdin=sys.stdin.read)
        if not ran.judged.rules and exit_code != _CONFTEST:
            raise UsageError(
                f"no rule judges in {', '.join(chosen.namespace or DEFAULT_NAMESPACE)}",
                means="Nothing would be found, whatever is in the files.",
                remedy="Name a package that has deny, violation or warn rules with --namespace,"
                " or judge by all with --all-namespaces.",
                code="policy.no-rules",
            )
        _show(shell, ran)
        return _ended(ran.status, exit_code)

    return _with_status(shell, exit_code, judged)


def verify_folders(shell: Shell, flags: Mapping[str, Any], only: str) -> ExitCode:
    """Run the tests of foreign policies and print what they said."""
    exit_code = flags["exit_code"]

    def verified() -> ExitCode:
        from sluiceway.policy.foreign.functions import allowed_builtins
        from sluiceway.policy.foreign.run import run_verify

        ran = run_verify(
            visiting_engine(shell),
            _options(shell, flags),
            only=only,
            also=allowed_builtins(flags["allow_builtins"]),
        )
        if not ran.judged.rules and exit_code != _CONFTEST:
            raise UsageError(
                "there are no tests",
                remedy="Tests are rules named test_...",
                code="policy.no-tests",
            )
        _show(shell, ran)
        return _ended(ran.status, exit_code)

    return _with_status(shell, exit_code, verified)


def _with_status(shell: Shell, exit_code: str, work: Callable[[], ExitCode]) -> ExitCode:
    """Do *work*; with conftest's exit status, an error of any kind ends with 1."""
    if exit_code not in {"", _CONFTEST}:
        raise UsageError(
            f"--exit-code={exit_code} is not known",
            remedy="Leave it out for the contract's exit codes, or give --exit-code=conftest.",
        )
    try:
        return work()
    except SluicewayError as error:
        if exit_code != _CONFTEST:
            raise
        shell.fail(error)
        return ExitCode(1)


def _ended(status: int, exit_code: str) -> ExitCode:
    """Return the exit code: the contract's, or conftest's number whatever it means in ours."""
    if exit_code == _CONFTEST:
        return ExitCode(status)
    return ExitCode.REFUSED if status else ExitCode.DONE


def _options(shell: Shell, flags: Mapping[str, Any]) -> Options:
    from sluiceway.config.settings import nearest
    from sluiceway.policy.foreign.formats import FORMATS
    from sluiceway.policy.foreign.settings import conftest_settings, options
    from sluiceway.policy.foreign.sources import DATA_ENDINGS

    _refuse_contradictions(flags)
    given = {key: value for key, value in flags.items() if key not in _NO_OPTIONS}
    found = options(conftest_settings(Path.cwd(), os.environ, flags["config_file"]), given)
    if found.output not in FORMATS:
        guess = nearest(found.output, FORMATS)
        raise UsageError(
            f"there is no format {found.output!r}",
            remedy=f"Did you mean --output={guess}?" if guess else f"Use {', '.join(FORMATS)}.",
            code="policy.format",
        )
    for name in found.data:
        path = Path(name)
        unread = path.is_file() and path.suffix not in DATA_ENDINGS
        if unread and not _is_policy(path, found.policy):  # a policy's data is there by itself
            shell.console.warn(f"--data {name} is neither JSON nor YAML: conftest passes over it")
    if shell.as_json and flags["output"]:
        raise UsageError(
            f"--json and --output={found.output} ask for two documents",
            remedy="Leave one of them out.",
            code="policy.format",
        )
    return found


def _refuse_contradictions(flags: Mapping[str, Any]) -> None:
    if flags["ignore_builtin_errors"] and flags["show_builtin_errors"]:
        raise UsageError(
            "--ignore-builtin-errors and --show-builtin-errors contradict each other",
            remedy="Leave one of them out.",
        )
    if flags["rego_version"].lower() not in {"", "v1"}:
        raise UsageError(
            f"--rego-version={flags['rego_version']}: policies are read as Rego v1 here",
            means="Nothing was judged.",
            remedy="See what the policies would be in v1: invoke policy.upgrade DIR"
            " - and add --write to change them.",
            code="policy.v0",
        )


def _is_policy(path: Path, roots: Sequence[str]) -> bool:
    """Whether *path* is read as a policy already."""
    found = [Path(root).resolve() for root in roots]
    real = path.resolve()
    return path.suffix == ".rego" and any(root == real or root in real.parents for root in found)


def _show(shell: Shell, ran: Ran) -> None:
    from sluiceway.policy.foreign.formats import json_text
    from sluiceway.policy.foreign.numbers import go_json

    for note in ran.judged.notes:
        shell.console.warn(note)
    document = {
        "results": json.loads(go_json([json_text.document(each) for each in ran.judged.results])),
        "notes": ran.judged.notes,
        "status": ran.status,
    }
    shell.result(document, lambda console: console.verbatim(shown(ran.text)))


def shown(text: str) -> str:
    """Return *text* for stdout: a file that is read must not be able to steer the terminal."""
    return _STEERING.sub("\ufffd", text) if sys.stdout.isatty() else text
