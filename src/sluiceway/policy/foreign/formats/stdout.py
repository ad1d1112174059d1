"""Lines for a person, as ``conftest --no-color`` writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sluiceway.policy.foreign.results import Checked, totals

__all__ = ["place", "written"]

_BREAK = re.compile("[\r\n]")


def place(result: Checked) -> str:
    """Return the words between the kind of a result and its message.

    A line break in a file's name is a space: the rest could be a command of the CI system.
    """
    file = "-" if result.file == "-" else f"- {_BREAK.sub(' ', result.file)}"
    namespace = "-" if result.namespace == "-" else f"- {result.namespace} -"
    return f"{file} {namespace}"


def written(
    results: Sequence[Checked], *, suppress_exceptions: bool = False, show_skipped: bool = False
) -> str:
    """Return what was printed, a line for each finding, and the counts."""
    lines = [f"PRNT   {text}\n" for each in results for text in each.printed]
    for each in results:
        shown = [("WARN", each.warnings), ("FAIL", each.failures)]
        if not suppress_exceptions:
            shown.append(("EXCP", each.exceptions))
        lines += [
            f"{kind} {place(each)} {finding.message}" for kind, group in shown for finding in group
        ]
    found = totals(results)
    last = f"{found}, {found.skipped} skipped" if show_skipped else str(found)
    return "\n".join([*lines, "", last]) + "\n"
