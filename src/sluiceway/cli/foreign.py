"""How ``policy.check`` and ``policy.test`` use policies that were written for conftest."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sluiceway.cli.command import Shell
from sluiceway.errors import ExitCode, PluginError, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.policy.engine import Bundle, VisitingEngine
    from sluiceway.policy.foreign.judge import Judged
    from sluiceway.policy.foreign.settings import Options

__all__ = ["check_files", "verify_folders", "visiting_engine"]

_CONFTEST = "conftest"


def check_files(
    shell: Shell,
    files: Sequence[str],
    flags: Mapping[str, Any],
    allow: Sequence[str],
    exit_code: str,
) -> ExitCode:
    """Judge *files* and print what was found."""

    def judged() -> ExitCode:
        from sluiceway.policy.foreign import inputs, judge
        from sluiceway.policy.foreign.functions import allowed_builtins
        from sluiceway.policy.foreign.results import exit_status

        chosen = _options(shell, flags)
        also = allowed_builtins(allow)
        contents = inputs.read_files(
            inputs.list_files(files, chosen.ignore), chosen.parser, sys.stdin.read
        )
        found = judge.judge(
            visiting_engine(shell),
            _load(shell, chosen),
            contents,
            wanted=chosen.namespace,
            every=chosen.all_namespaces,
            combined=chosen.combine,
            also=also,
        )
        if not found.rules and exit_code != _CONFTEST:
            raise UsageError(
                f"no rule judges in {', '.join(chosen.namespace)}",
                means="Nothing would be found, whatever is in the files.",
                remedy="Name a package that has deny, violation or warn rules with --namespace,"
                " or judge by all with --all-namespaces.",
                code="policy.no-rules",
            )
        status = exit_status(found.results, fail_on_warn=chosen.fail_on_warn)
        _show(shell, found, chosen, status)
        # As conftest does, which looks at --no-fail only when there is something to print.
        return ExitCode.DONE if chosen.no_fail else _ended(status, exit_code)

    return _with_status(shell, exit_code, judged)


def verify_folders(
    shell: Shell, flags: Mapping[str, Any], only: str, allow: Sequence[str], exit_code: str
) -> ExitCode:
    """Run the tests of foreign policies and print what they said."""

    def verified() -> ExitCode:
        from sluiceway.policy.foreign.functions import allowed_builtins
        from sluiceway.policy.foreign.results import exit_status
        from sluiceway.policy.foreign.verify import verify

        chosen = _options(shell, flags)
        found = verify(
            visiting_engine(shell),
            _load(shell, chosen),
            wanted=flags["namespace"],
            only=only,
            also=allowed_builtins(allow),
        )
        if not found.rules and exit_code != _CONFTEST:
            raise UsageError(
                "there are no tests",
                remedy="Tests are rules named test_...",
                code="policy.no-tests",
            )
        status = exit_status(found.results)
        _show(shell, found, chosen, status, tests=True)
        return _ended(status, exit_code)

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

    found = options(conftest_settings(Path.cwd(), os.environ), flags)
    if found.output not in FORMATS:
        guess = nearest(found.output, FORMATS)
        raise UsageError(
            f"there is no format {found.output!r}",
            remedy=f"Did you mean --output={guess}?" if guess else f"Use {', '.join(FORMATS)}.",
            code="policy.format",
        )
    if shell.as_json and flags["output"]:
        raise UsageError(
            f"--json and --output={found.output} ask for two documents",
            remedy="Leave one of them out.",
            code="policy.format",
        )
    return found


def _show(
    shell: Shell, found: Judged, chosen: Options, status: int, *, tests: bool = False
) -> None:
    from sluiceway.policy.foreign.formats import Style, json_text, written

    for note in found.notes:
        shell.console.warn(note)
    style = Style(suppress_exceptions=chosen.suppress_exceptions, show_skipped=tests)
    document = {
        "results": [json_text.document(each) for each in found.results],
        "notes": found.notes,
        "status": status,
    }
    if shell.as_json:
        shell.result(document)
    elif status or not chosen.quiet:
        text = written(chosen.output, found.results, style)
        if sys.stdout.isatty():  # a checked file must not be able to steer the terminal
            text = text.replace("\x1b", "\ufffd")
        shell.result(document, lambda console: console.verbatim(text))


def _load(shell: Shell, chosen: Options) -> Bundle:
    from sluiceway.policy.foreign.sources import DATA_ENDINGS, load_foreign

    for name in chosen.data:
        if Path(name).is_file() and Path(name).suffix not in DATA_ENDINGS:
            shell.console.warn(f"--data {name} is neither JSON nor YAML: conftest passes over it")
    return load_foreign(_paths(chosen.policy), _paths(chosen.data))


def _paths(names: Sequence[str]) -> list[Path]:
    return [Path(name) for name in names]


def visiting_engine(shell: Shell) -> VisitingEngine:
    """Return the engine for policies that are no gate's, or say which line installs one."""
    from sluiceway.cli.policies import workbench_engine

    found = workbench_engine(shell)
    if not hasattr(found, "ask"):
        raise PluginError(
            f"the engine {found.name} cannot evaluate policies written for other tools",
            remedy="Install the embedded one: invoke policy.engine --install",
            code="policy.no-workbench",
        )
    return cast("VisitingEngine", found)
