"""Commands of a policy author: check and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.author_engines import author_engine, workbench_engine
from sluiceway.cli.command import Shell, command
from sluiceway.cli.parsing import flag_of
from sluiceway.errors import ExitCode, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.policy import RuleResult, Source, TestReport

__all__ = [
    "POLICIES_HELP",
    "check",
    "data_files",
    "roots",
    "run_tests",
]

POLICIES_HELP = "A folder of policies; the configured (or bundled) one when left out."

FOREIGN_SHORT = {"policy": "p", "namespace": "n", "data": "d", "output": "o", "config_file": "c"}
"""conftest's letters."""
_TEST_FLAGS = {
    "data": "A file or folder whose JSON and YAML become data; may be repeated.",
    "output": "stdout (the default), table, json, junit, sarif, github, tap or azuredevops.",
    "quiet": "Print nothing when nothing is wrong.",
    "config_file": "conftest's own configuration (default: conftest.toml, where there is one).",
    "junit_hide_message": "Name the tests of the format junit by their files alone.",
    "ignore_builtin_errors": "Take the error of a built-in for undefined, as conftest does.",
    "show_builtin_errors": "Stop at the error of a built-in, as happens here without it too.",
    "github_hide_passed": "Leave files of which every test passed out of the format github.",
    "rego_version": "v1; for v0 there is policy.upgrade.",
    "no_color": "Nothing is painted here in any case.",
    "allow_builtins": "A built-in that asks the clock or chance and may be used; may be repeated.",
    "policy": "A folder of policies written for conftest, whose tests run as `conftest verify`"
    " runs them; may be repeated.",
    "namespace": "Only tests of this package or pattern; may be repeated.",
    "exit_code": "conftest: end with conftest's exit status (0, 1) instead of the contract's.",
}
"""Flags of conftest's, and some that go with them, when tests run."""
_CHECK_FLAGS = {
    **_TEST_FLAGS,
    "policy": "A folder of policies written for conftest (default: policy); may be repeated.",
    "namespace": "Judge by this package (default: main) or pattern; may be repeated.",
    "all_namespaces": "Judge by every package.",
    "combine": "Judge all files together, as one list of path and contents.",
    "parser": "The format of every FILE; by its name when left out.",
    "ignore": "Leave out paths in which this regular expression is found.",
    "stdin_filename": "What stdin is called in what is printed.",
    "fail_on_warn": "Refuse for a warning too; conftest's status is then 2 and 1.",
    "no_fail": "End with 0 whatever is found.",
    "suppress_exceptions": "Do not show exceptions in the format stdout.",
    "exit_code": "conftest: end with conftest's exit status (0, 1, 2) instead of the contract's.",
}
_LISTS = ("policy", "namespace", "data", "allow_builtins")
_SWITCHES = (
    *("quiet", "junit_hide_message", "ignore_builtin_errors", "show_builtin_errors", "no_color"),
    *("github_hide_passed", "all_namespaces", "combine", "fail_on_warn", "no_fail"),
    "suppress_exceptions",
)
_FETCHED = "Fetch the policies beforehand, and name their folder with --policy."
ABSENT = {
    "--strict": "`opa check --strict DIR` checks the same.",
    "--trace": "`print(...)` in a rule says with `--output=stdout` what it saw.",
    "--capabilities": "No built-in may ask the network, and --allow-builtins names those that may"
    " ask the clock or chance.",
    "--update": _FETCHED,
    "-u": _FETCHED,
    "--tls": _FETCHED,
    "--proto-file-dirs": "textproto is read by conftest alone: `conftest parse FILE > input.json`,"
    " and give input.json.",
    "--report": "--output has the formats; print(...) is shown in stdout.",
    "--var-values": "`print(...)` in a test says with `--output=stdout` what it saw.",
}
"""Flags of conftest that are not here, and what there is instead."""


@command(
    help={
        "policies": POLICIES_HELP,
        "files": "FILE... to judge by them: files, folders, patterns, - for stdin.",
    },
    gathered={"flags": _CHECK_FLAGS},
    repeated=_LISTS,
    switches=_SWITCHES,
    words="files",
    short=FOREIGN_SHORT,
)
def check(
    shell: Shell, policies: str = "", *, files: Sequence[str] = (), flags: Mapping[str, Any]
) -> ExitCode:
    """Check the policies: syntax, types, METADATA, forbidden built-ins, entrypoints.

    With FILE...: judge these files by policies written for conftest, as `conftest test` does.
    """
    if files:
        from sluiceway.cli.foreign import check_files

        if policies:
            raise UsageError(
                "--policies is for our own policies, and FILE... for foreign ones",
                remedy="Name the folder with --policy.",
            )
        return check_files(shell, list(files), flags)
    others = [key for key, value in flags.items() if value and key != "policy"]
    if others:
        raise UsageError(
            f"{flag_of(others[0])} is for FILE..., and there is none",
            remedy="For example: invoke policy.check --policy DIR deployment.yaml",
        )
    return _check_policies(shell, policies, flags["policy"])


def _check_policies(shell: Shell, policies: str, named: Sequence[str]) -> ExitCode:
    from sluiceway import policy

    if policies and named:
        raise UsageError("--policies and --policy both name a folder", remedy="Leave one out.")
    sources: Sequence[policy.Source] = [Path(each) for each in named] or roots(shell, policies)
    site = [] if named else data_files(shell, policies)
    bundle = policy.load_bundle(sources, site, tests=True)
    problems = policy.check_bundle(workbench_engine(shell), bundle)
    digest = policy.load_bundle(sources, site).digest  # tests decide nothing
    shell.result(
        {"problems": problems, "files": len(bundle.modules), "digest": digest},
        lambda console: console.lines(
            [f"{each.file}:{each.row}:{each.col}: {each.code}: {each.message}" for each in problems]
            or [f"{len(bundle.modules)} files, nothing wrong", digest]
        ),
    )
    return ExitCode.REFUSED if problems else ExitCode.DONE


@command(
    name="test",
    help={
        "policies": POLICIES_HELP,
        "only": "Only tests whose dotted name contains this.",
        "coverage_floor": "Fail below this percentage of covered lines.",
        "watch": "Run them again whenever a policy is saved.",
    },
    gathered={"flags": _TEST_FLAGS},
    repeated=_LISTS,
    switches=_SWITCHES,
    short=FOREIGN_SHORT,
)
def run_tests(
    shell: Shell,
    policies: str = "",
    only: str = "",
    coverage_floor: str = "0",
    *,
    watch: bool = False,
    flags: Mapping[str, Any],
) -> ExitCode:
    """Run the tests beside the policies, with coverage.

    With --policy: run the tests of policies written for conftest, as `conftest verify` does.
    """
    if flags["policy"]:
        from sluiceway.cli.foreign import verify_folders

        if policies or watch or coverage_floor != "0":
            raise UsageError(
                "--policy does not go together with --policies, --watch or --coverage-floor",
                remedy="Use --policies for all of them when the policies are your gates' own.",
            )
        return verify_folders(shell, flags, only)
    others = [key for key, value in flags.items() if value]
    if others:
        raise UsageError(
            f"{flag_of(others[0])} is for policies written for conftest",
            remedy="Name their folder with --policy.",
        )
    try:
        floor = float(coverage_floor)
    except ValueError:
        raise UsageError(
            f"--coverage-floor is {coverage_floor!r}, which is not a percentage",
            remedy="For example --coverage-floor=100",
        ) from None
    if not watch:
        return _tested(shell, policies, only, floor)
    if shell.as_json:
        raise UsageError(
            "--watch and --json do not go together",
            means="--json prints one document and ends.",
            remedy="Leave one of them out.",
        )
    _watch(shell, policies, only, floor)
    return ExitCode.DONE


def _tested(shell: Shell, policies: str, only: str, floor: float) -> ExitCode:
    from sluiceway import policy

    report = policy.run_tests(
        lambda: author_engine(shell),
        roots(shell, policies),
        only=only,
    )
    covered = bool(only) or report.percent >= floor
    document = {
        "passed": report.passed,
        "failed": [_failure(report, each) for each in report.failed],
        "errors": [_failure(report, each) for each in report.errors],
        "skipped": list(report.skipped),
        "coverage": round(report.percent, 1),
        "uncovered": {
            name: sorted(each.missed) for name, each in report.coverage.items() if each.missed
        },
    }
    # What some tests leave out is no gap.
    shown = {**document, "uncovered": {}} if only else document
    shell.result(document, lambda console: console.policy_tests(shown))
    if not report.results:
        raise UsageError(
            "there are no tests" + (f" whose name contains {only!r}" if only else ""),
            remedy="Tests are rules named test_... in files named ..._test.rego.",
            code="policy.no-tests",
        )
    return ExitCode.DONE if report.ok and covered else ExitCode.REFUSED


def _failure(report: TestReport, result: RuleResult) -> dict[str, Any]:
    from sluiceway.model import to_json

    compared = report.compared.get(result.rule)
    return {**to_json(result), "compared": None if compared is None else compared.document()}


def _watch(shell: Shell, policies: str, only: str, floor: float) -> None:
    """Run the tests now and after every save, until somebody interrupts."""
    from sluiceway.policy.watch import saved, snapshot

    watched = [each for each in roots(shell, policies) if isinstance(each, Path)]
    if not all(each.exists() for each in watched):
        _tested(shell, policies, only, floor)  # says so, and there is nothing to wait for
    before = snapshot(watched)
    _tested_or_told(shell, policies, only, floor)
    places = ", ".join(str(each) for each in watched)
    shell.console.note(f"Every save in {places} runs them again. Ctrl-C ends it.")
    for names in saved(watched, before):
        shell.console.heading(f"\n{_few([Path(name).name for name in names])}")
        _tested_or_told(shell, policies, only, floor)


def _few(names: Sequence[str], most: int = 5) -> str:
    """Return some names, however many files another branch brought at once."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _tested_or_told(shell: Shell, policies: str, only: str, floor: float) -> None:
    try:
        _tested(shell, policies, only, floor)
    except SluicewayError as error:  # half a rule is nothing to stop watching for
        shell.console.error(error.diagnostics())


def roots(shell: Shell, policies: str) -> list[Source]:
    """Return where the policies are that a command is about: a folder, or a bundle."""
    return [Path(policies)] if policies else [shell.bench_or_bare.policies()]


def data_files(shell: Shell, policies: str) -> list[Path]:
    """Return the site's data files; a folder that was named is looked at by itself."""
    return [] if policies else list(shell.bench_or_bare.config.policy_data)
