"""One run of ``conftest test``: from options and names to what is printed and the exit status."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from sluiceway.policy.engine import VisitingEngine
from sluiceway.policy.foreign.formats import Style, written
from sluiceway.policy.foreign.inputs import list_files, read_files
from sluiceway.policy.foreign.judge import Judged, judge
from sluiceway.policy.foreign.results import exit_status
from sluiceway.policy.foreign.settings import Options
from sluiceway.policy.foreign.sources import load_foreign
from sluiceway.policy.foreign.verify import verify
from sluiceway.record import Record

__all__ = ["DEFAULT_NAMESPACE", "Ran", "run_check", "run_verify"]

DEFAULT_NAMESPACE = ("main",)
"""By what is judged when nobody says."""


class Ran(Record):
    """How it ended."""

    judged: Judged
    text: str
    """What is printed in the chosen format."""
    status: int
    """conftest's exit status."""


def run_check(
    engine: VisitingEngine,
    options: Options,
    words: Sequence[str],
    *,
    also: Collection[str] = (),
    stdin: Callable[[], str] = str,
) -> Ran:
    """Judge the files that *words* mean, as ``conftest test`` does.

    Args:
        engine: Evaluates.
        options: conftest's options.
        words: Files, folders, patterns, ``-``.
        also: Built-ins that are allowed beyond a gate's.
        stdin: Returns what ``-`` stands for.

    Raises:
        SluicewayError: Where conftest ends with 1 and an error.
    """
    contents = read_files(list_files(words, options.ignore), options.parser, stdin)
    if options.stdin_filename and "-" in contents:
        contents[options.stdin_filename] = contents.pop("-")
    judged = judge(
        engine,
        load_foreign(
            [Path(each) for each in options.policy], [Path(each) for each in options.data]
        ),
        contents,
        wanted=options.namespace or DEFAULT_NAMESPACE,
        every=options.all_namespaces,
        combined=options.combine,
        also=also,
        lenient=options.ignore_builtin_errors,
    )
    status = exit_status(judged.results, fail_on_warn=options.fail_on_warn)
    style = Style(
        suppress_exceptions=options.suppress_exceptions,
        junit_hide_message=options.junit_hide_message,
        github_hide_passed=options.github_hide_passed,
    )
    text = "" if options.quiet and not status else written(options.output, judged.results, style)
    return Ran(judged=judged, text=text, status=0 if options.no_fail else status)


def run_verify(
    engine: VisitingEngine,
    options: Options,
    *,
    only: str = "",
    also: Collection[str] = (),
) -> Ran:
    """Run the tests of the policies, as ``conftest verify`` does.

    Args:
        engine: Evaluates.
        options: conftest's options, of which policy, data, namespace, output and quiet count.
        only: Only tests whose dotted name contains this.
        also: Built-ins that are allowed beyond a gate's.

    Raises:
        SluicewayError: Where conftest ends with 1 and an error.
    """
    policies = [Path(each) for each in options.policy]
    bundle = load_foreign(policies, [Path(each) for each in options.data])
    judged = verify(
        engine,
        bundle,
        wanted=options.namespace,
        only=only,
        also=also,
        lenient=options.ignore_builtin_errors,
    )
    status = exit_status(judged.results)
    style = Style(
        show_skipped=True,
        junit_hide_message=options.junit_hide_message,
        github_hide_passed=options.github_hide_passed,
    )
    text = "" if options.quiet and not status else written(options.output, judged.results, style)
    return Ran(judged=judged, text=text, status=status)
