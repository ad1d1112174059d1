"""Asking every chosen scanner, of an image or of a source tree, one after the other.

Not side by side: a scanner is a program, and an interrupt has to reach and end it at once.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.errors import ConfigurationError, Refused, SluicewayError, UsageError
from sluiceway.model import Maker, Scan
from sluiceway.scanning import refuse
from sluiceway.workbench import Workbench

__all__ = ["ask_all", "scan_tree"]

_KIND = "scan-"


def ask_all(bench: Workbench, hook: str, subject: str, **records: Any) -> tuple[Scan, ...]:
    """Return what every chosen scanner that implements *hook* says, in the order of ``[stages]``.

    A scanner that cannot run is an ERROR record beside the others' results.

    Raises:
        ConfigurationError: A scanner's settings cannot be used.
        SluicewayError: What the first scanner raised, when not one of them could run.
    """
    scans: list[Scan] = []
    errors: list[SluicewayError] = []
    for name in bench.plugins.serving(hook):
        try:
            answer = bench.plugins.ask(name, hook, **records)
        except ConfigurationError:
            raise
        except SluicewayError as error:
            errors.append(error)
            scans.append(
                refuse(
                    " ".join(part for part in (error.what, error.remedy) if part),
                    subject=subject,
                    made_at=datetime.now(UTC),
                    # The name that it gives itself when it runs, so that a later scan supersedes it.
                    maker=Maker(plugin=name, tool=name.removeprefix(_KIND), version=""),
                )
            )
        else:
            if answer is not None:
                scans.append(answer)
    if errors and len(errors) == len(scans):
        raise errors[0]
    return tuple(scans)


def scan_tree(bench: Workbench, folder: Path) -> tuple[Scan, ...]:
    """Return what every chosen scanner says about the source tree at *folder*. Nothing is attested.

    Raises:
        UsageError: There is no such folder, it cannot be listed, or nothing is in it.
        Refused: No chosen scanner looks at source trees.
    """
    place = _checked(folder)
    scans = ask_all(bench, "sluiceway_scan_tree", place.as_uri(), folder=place)
    if not scans:
        chosen = bench.config.stages["scan"]
        raise Refused(
            f"no chosen scanner looks at source trees: {', '.join(chosen) or 'none'} chosen",
            means="Nothing was scanned, which is not the same as nothing found.",
            remedy='Choose one that does: [stages] scan = ["osv"]',
            code="scan.none",
        )
    return scans


def _checked(folder: Path) -> Path:
    reason = ""
    if not folder.exists():
        reason = "is not there"
    elif not folder.is_dir():
        reason = "is a file, and a source tree is a folder"
    else:
        try:
            with os.scandir(folder) as entries:
                if next(entries, None) is None:
                    reason = "is empty"
        except OSError as error:
            reason = f"cannot be listed: {error.strerror}"
    if reason:
        raise UsageError(
            f"{folder} {reason}",
            remedy="Name the folder that holds the lock files: invoke scan --fs PATH",
            code="scan.tree",
        )
    return folder.resolve()
