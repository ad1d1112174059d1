"""Commands of an Azure Pipelines log."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.policy.foreign.results import Checked, totals

__all__ = ["written"]


def written(results: Sequence[Checked]) -> str:
    """Return a group for each result, and the counts.

    Line breaks are ``%0A``, in names too. An agent looks for ``##vso[`` anywhere in a line, so
    that a file's name or a message in a line of no command could bring one: it gets a space.
    """
    lines: list[str] = []
    for each in results:
        file = _one_line(each.file)
        lines.append(
            f"##[section]Testing '{file}' against {each.tests} policies in namespace"
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
                lines.append(f"##vso[task.logissue type={level}] file={file} --> {text}")
        lines += [f"skipped file={file} {_one_line(finding.message)}" for finding in each.skipped]
        if each.successes:
            lines.append(f"success file={file} {each.successes}")
        lines.append("##[endgroup]")
    return "".join(f"{line}\n" for line in [*lines, str(totals(results))])


def _one_line(message: str) -> str:
    return message.replace("\r", "%0D").replace("\n", "%0A").replace("##vso[", "##vso [")
