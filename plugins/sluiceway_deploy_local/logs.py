"""What the supervisor says of itself, and how long logs are kept."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.model import rfc3339

__all__ = ["note", "rotate"]

_LOGS_KEPT = 30


def rotate(logs: Path, limit: int, in_use: set[Path]) -> None:
    """Cut logs longer than *limit* bytes, keeping one older part; remove the oldest unused ones.

    The writer appends through its own descriptor, so the file is copied and emptied, not renamed:
    what it prints in between may be lost.
    """
    found = [(path, path.stat()) for path in logs.glob("*.log")]
    for path, status in found:
        if status.st_size > limit:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)
    idle = sorted(
        (status.st_mtime, path)
        for path, status in found
        if path not in in_use and path.name != "supervisor.log"
    )
    for _, path in idle[:-_LOGS_KEPT]:
        path.unlink(missing_ok=True)
        path.with_suffix(".log.1").unlink(missing_ok=True)


def note(kind: str, /, **details: Any) -> None:
    """Write one JSON line to the supervisor's log."""
    line = {"at": rfc3339(datetime.now(UTC)), "kind": kind, **details}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
