"""Commands of an Azure Pipelines log."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.policy.foreign.results import Checked, totals

__all__ = ["written"]


def written(results: Sequence[Checked]) -> str:
    """Return a group for each result, and the counts. Line breaks in a message are ``%0A``."""
    lines: list[str] = []
    for each in results:
        lines.append(
            f"##[section]Testing '{each.file}' against {each.tests} policies in namespace"
            f" '{each.namespace}'"
        )
        lines.append("##[group]See conftest results")
        for level, group in (
            ("error", each.failures),
            ("warning", each.warnings),
            ("warning", each.exceptions),
        ):
            for finding in group:
                text = _one_line(finding.message)
                lines.append(f"##vso[task.logissue type={level}] file={each.file} --> {text}")
        lines += [
            f"skipped file={each.file} {_one_line(finding.message)}" for finding in each.skipped
        ]
        if each.successes:
            lines.append(f"success file={each.file} {each.successes}")
        lines.append("##[endgroup]")
    return "".join(f"{line}\n" for line in [*lines, str(totals(results))])


def _one_line(message: str) -> str:
    return message.replace("\r", "%0D").replace("\n", "%0A")
