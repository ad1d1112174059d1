"""Where the advisories are: a layout that this scanner and osv-scanner's offline mode share.

``<folder>/<Ecosystem>/``, or the same below ``osv-scanner/`` or ``osv-scalibr/``, where older and
newer releases of that tool keep it. Source: osv-scanner's documentation, "Offline mode".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway.config.settings import take
from sluiceway.model import Project
from sluiceway.record import Record

__all__ = ["BELOW", "PLUGIN", "VARIABLE", "Location", "locate"]

PLUGIN = "scan-osv"
VARIABLE = "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY"
BELOW = ("osv-scalibr", "osv-scanner", "")


class Location(Record):
    """Where the advisories should be. The folder need not be there."""

    folder: Path
    uri: str
    """As it was configured, for records that others read: never this machine's absolute path."""


def locate(project: Project, settings: Mapping[str, Any]) -> Location | None:
    """Return where the advisories should be, or ``None`` when nobody said.

    The setting ``database`` (relative to ``sluiceway.toml``) comes before the environment.

    Raises:
        ConfigurationError: For a setting that is unknown or of the wrong type.
    """
    text = take(settings, PLUGIN, {"database": ""})["database"]
    if text:
        return Location(folder=project.root / text, uri=text)
    variable = project.environ.get(VARIABLE, "")
    if variable:
        return Location(folder=project.root / variable, uri=f"${VARIABLE}")
    return None
