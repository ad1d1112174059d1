"""Outputs and a summary for a GitHub workflow, when its variables are set."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["write_outputs", "write_scan_summary", "write_summary"]


def write_outputs(outputs: Mapping[str, str]) -> None:
    """Append ``name=value`` lines to ``$GITHUB_OUTPUT``, if there is one.

    A value of several lines gets a delimiter that it cannot contain (workflow commands,
    "Multiline strings").
    """
    path = os.environ.get("GITHUB_OUTPUT", "")
    if not path:
        return
    import secrets

    lines = []
    for name, value in outputs.items():
        if "\n" in value or "\r" in value:
            mark = f"end-{secrets.token_hex(16)}"
            lines.append(f"{name}<<{mark}\n{value}\n{mark}\n")
        else:
            lines.append(f"{name}={value}\n")
    _append(path, "".join(lines))


def write_summary(outcome: Mapping[str, Any]) -> None:
    """Append a Markdown summary of *outcome* to ``$GITHUB_STEP_SUMMARY``, if there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if not path:
        return
    from sluiceway.console import summary_markdown

    _append(path, summary_markdown(outcome) + "\n")


def write_scan_summary(subject: str, report: Any) -> None:
    """Append a scan's report as Markdown to ``$GITHUB_STEP_SUMMARY``, if there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if not path:
        return
    from sluiceway.console import scan_markdown

    _append(path, scan_markdown(subject, report) + "\n")


def _append(path: str, text: str) -> None:
    """Append *text*; what was done stays done when the workflow's file cannot be written."""
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        print(f"cannot write {path}: {error.strerror}", file=sys.stderr)  # noqa: T201 - a note
