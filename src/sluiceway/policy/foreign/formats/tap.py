"""The Test Anything Protocol: one plan for each file and namespace, as conftest 0.70 has it."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.policy.foreign.formats.stdout import place
from sluiceway.policy.foreign.results import Checked

__all__ = ["written"]


def written(results: Sequence[Checked]) -> str:
    """Return the lines. A result without a test is left out (conftest 0.70 ends at the first)."""
    lines: list[str] = []
    for each in results:
        if not each.tests:
            continue
        lines.append(f"1..{each.tests}")
        counter = 0
        for title, status, messages in (
            ("", "not ok", [found.message for found in each.failures]),
            ("# warnings", "not ok", [found.message for found in each.warnings]),
            ("# exceptions", "ok", [found.message for found in each.exceptions]),
            ("# skip", "ok", [found.message for found in each.skipped]),
            ("# successes", "ok", ["SUCCESS"] * each.successes),
        ):
            if title and messages:
                lines.append(title)
            for message in messages:
                counter += 1
                lines.append(f"{status} {counter} {place(each)} {message}")
    return "".join(f"{line}\n" for line in lines)
