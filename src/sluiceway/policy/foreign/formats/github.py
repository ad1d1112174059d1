"""Commands of a GitHub workflow, which become annotations of the checked files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from sluiceway.policy.foreign.results import Checked, Finding, Location, totals

__all__ = ["written"]

_PROPERTY = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}


def written(results: Sequence[Checked], *, hide_passed: bool = False) -> str:
    """Return a group of annotations for each result, and the counts.

    A line break in a message is written as GitHub reads one (``%0A``): conftest leaves it, and
    the checked file's next line could then give the workflow commands of its own.
    """
    lines: list[str] = []
    for each in results:
        if hide_passed and each.tests == each.successes:
            continue
        whole = Location(file=each.file, line="1")
        lines.append(
            f"::group::Testing {_name(each.file)} against {each.tests} policies in namespace"
            f" {_name(each.namespace)}"
        )
        for level, group, before in (
            ("error", each.failures, ""),
            ("warning", each.warnings, ""),
            ("notice", each.exceptions, ""),
            ("notice", each.skipped, "Test was skipped: "),
        ):
            for finding in group:
                lines += _annotations(level, whole, finding, before)
        lines.append(_annotation("notice", whole, f"Number of successful checks: {each.successes}"))
        lines.append("::endgroup::")
    return "".join(f"{line}\n" for line in [*lines, str(totals(results))])


def _annotations(level: str, whole: Location, finding: Finding, before: str) -> Iterator[str]:
    message = before + finding.message
    place = finding.location
    if place is None:
        yield _annotation(level, whole, message)
    elif place.file == whole.file:
        yield _annotation(level, place, message)
    else:
        near = Location(file=_relative(place.file), line=place.line)
        yield _annotation(level, near, message)
        origin = f"(ORIGINATING FROM {near.file} L{near.line})"
        yield _annotation(level, whole, f"{origin} {message}")


def _annotation(level: str, place: Location, message: str) -> str:
    file = "".join(_PROPERTY.get(each, each) for each in place.file)
    text = message.replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} file={file},line={place.line}::{text}"


def _relative(file: str) -> str:
    return os.path.relpath(file) if PurePath(file).is_absolute() else file


def _name(text: str) -> str:
    """Return Go's ``%q`` of a name, which is JSON's for every name that is one."""
    return json.dumps(text, ensure_ascii=False)
