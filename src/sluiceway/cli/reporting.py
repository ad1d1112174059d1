"""What a run left, as one file of HTML that anybody can open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ActionFailed, ExitCode, UsageError

__all__ = ["report"]


@command(
    help={
        "run": "The run's id, from `invoke history`; it may stand by itself. The newest when left out.",
        "out": "The file to write. Default: reports/<run>.html in the state folder.",
    },
    words="run",
)
def report(shell: Shell, run: Sequence[str] = (), out: str = "") -> ExitCode:
    """Write one HTML file about a run: its verdict and reason, curves, decisions, steps, ledger."""
    from sluiceway.console.report import report_page, title_of
    from sluiceway.runs import report as reports

    if len(run) > 1:
        raise UsageError(
            f"{len(run)} runs are named: {', '.join(run)}",
            remedy="One report is of one run; call it once for each.",
        )
    bench = shell.bench
    newest = not run
    name = run[0] if run else reports.newest(bench)
    document = reports.report(bench, name)
    # A name from the ledger is a stranger's text to a file system.
    known = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    path = Path(out).expanduser() if out else bench.project.state / "reports" / f"{known}.html"
    path = (Path.cwd() / path).resolve()
    _write(path, report_page(document))
    title = title_of(document)
    if newest:
        shell.console.note(f"No run was named; this is the newest: {name}")
    shell.result(
        {"file": str(path), "newest": newest, "title": title, "report": document},
        lambda console: console.summary(title, _said(document, path)),
    )
    return ExitCode.DONE


def _said(document: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Return what is printed of a report: the rest is in the file."""
    missing = document["missing"]
    return {
        "run": document["run"],
        "why": document["reason"],
        **({"not there": " ".join(missing)} if missing else {}),
        "report": str(path),
        "open": path.as_uri(),
    }


def _write(path: Path, page: str) -> None:
    """Write *page* whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        draft.write_text(page, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise ActionFailed(
            f"the report cannot be written to {path}: {error.strerror or error}",
            means="Nothing was written, and the run is as it was.",
            remedy="Name another file: --out=FILE",
            code="report.unwritable",
        ) from error
