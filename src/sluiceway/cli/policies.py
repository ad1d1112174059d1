"""Commands of a policy author: check and test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode, PluginError, UsageError
from sluiceway.model import to_json

if TYPE_CHECKING:
    from sluiceway.policy import PolicyWorkbench, TestReport

__all__ = ["check", "run_tests"]

_POLICIES_HELP = "A folder of policies; the configured (or bundled) one when left out."


@command(help={"policies": _POLICIES_HELP})
def check(shell: Shell, policies: str = "") -> ExitCode:
    """Check the policies: syntax, types, METADATA, forbidden built-ins, entrypoints."""
    from sluiceway import policy

    roots = _roots(shell, policies)
    bundle = policy.load_bundle(roots, _data(shell, policies), tests=True)
    author = _author_engine(shell)
    if author is None:
        raise PluginError(
            "there is no policy engine on this machine",
            remedy="Install the embedded one: invoke policy.engine --install",
            code="policy.engine-missing",
        )
    problems = policy.check_bundle(author, bundle)
    shell.result(
        {"problems": to_json(problems), "files": len(bundle.modules)},
        lambda console: console.lines(
            [f"{each.file}:{each.row}:{each.col}: {each.code}: {each.message}" for each in problems]
            or [f"{len(bundle.modules)} files, nothing wrong"]
        ),
    )
    return ExitCode.REFUSED if problems else ExitCode.DONE


@command(
    name="test",
    help={
        "policies": _POLICIES_HELP,
        "only": "Only tests whose dotted name contains this.",
        "coverage_floor": "Fail below this percentage of covered lines.",
    },
)
def run_tests(
    shell: Shell, policies: str = "", only: str = "", coverage_floor: str = "0"
) -> ExitCode:
    """Run the tests beside the policies, with coverage."""
    from sluiceway import policy

    try:
        floor = float(coverage_floor)
    except ValueError:
        raise UsageError(
            f"--coverage-floor is {coverage_floor!r}, which is not a percentage",
            remedy="For example --coverage-floor=100",
        ) from None
    report = policy.run_tests(
        lambda: _author_engine(shell), _roots(shell, policies), _data(shell, policies), only=only
    )
    covered = bool(only) or report.percent >= floor
    shell.result(
        {
            "passed": report.passed,
            "failed": to_json(report.failed),
            "errors": to_json(report.errors),
            "skipped": list(report.skipped),
            "coverage": round(report.percent, 1),
            "uncovered": {
                name: sorted(each.missed) for name, each in report.coverage.items() if each.missed
            },
        },
        lambda console: console.lines(_told(report)),
    )
    if not report.results:
        raise UsageError(
            "there are no tests" + (f" whose name contains {only!r}" if only else ""),
            remedy="Tests are rules named test_... in files named ..._test.rego.",
            code="policy.no-tests",
        )
    return ExitCode.DONE if report.ok and covered else ExitCode.REFUSED


def _roots(shell: Shell, policies: str) -> list[Path]:
    if policies:
        return [Path(policies)]
    from sluiceway import policy

    configured = shell.bench_or_bare.config.policy_path
    return [configured if configured is not None else policy.bundled_policies()]


def _data(shell: Shell, policies: str) -> list[Path]:
    return [] if policies else list(shell.bench_or_bare.config.policy_data)


def _author_engine(shell: Shell) -> PolicyWorkbench | None:
    """Return the first chosen engine that serves authors; without a service, of the default ones."""
    others: list[str] = []
    for _, found in shell.bench_or_bare.plugins.each("sluiceway_policy_engine"):
        if hasattr(found, "parse"):
            return cast("PolicyWorkbench", found)
        others.append(found.name)
        found.close()
    if others:
        raise PluginError(
            f"the engine {others[0]} cannot check or test policies, and no other is here",
            remedy="Install the embedded one for an author's work: invoke policy.engine --install",
            code="policy.no-workbench",
        )
    return None


def _told(report: TestReport) -> list[str]:
    lines = []
    for result in (*report.errors, *report.failed):
        lines.append(f"{'ERROR' if result.error else 'FAIL'}  {result.rule}")
        lines += [f"       {text}" for text in (result.error, result.failed_at) if text]
        lines += [f"       printed {text}" for text in result.printed]
    for name, each in report.coverage.items():
        if each.missed:
            rows = ", ".join(str(row) for row in sorted(each.missed))
            lines.append(f"{name}: {each.percent:.0f} % covered; no test reaches line {rows}")
    failures = len(report.failed) + len(report.errors)
    lines.append(
        f"{report.passed} passed, {failures} failed, {len(report.skipped)} skipped; "
        f"{report.percent:.1f} % of lines covered"
    )
    return lines
