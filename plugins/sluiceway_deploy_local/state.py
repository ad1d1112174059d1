"""The state file: what runs, so that whoever comes after a killed supervisor finds it again."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway.errors import ActionFailed

__all__ = ["SLOTS", "identities", "load", "save"]

_VERSION = 1

SLOTS = ("stable", "canary", "idle")
"""Of a route. Where it is blue/green, ``stable`` is the slot that serves and ``idle`` the other."""


def save(path: Path, document: Mapping[str, Any]) -> None:
    """Replace *path* by *document* in one step, mode 0600."""
    descriptor, name = tempfile.mkstemp(prefix=".state-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"version": _VERSION, **document}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path) -> dict[str, Any]:
    """Return what :func:`save` wrote, or ``{}`` when there is nothing.

    Raises:
        ActionFailed: ``deploy.state-broken``: what runs cannot be known, so nothing is touched.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _broken(path, str(error)) from error
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise _broken(path, "it is of another version")
    return document


def identities(document: Mapping[str, Any]) -> list[tuple[str, tuple[int, float] | None]]:
    """Return ``(instance, (pid, creation time) or None)`` of every process in *document*."""
    found = list(document.get("pending", []))
    for route in document.get("routes", {}).values():
        found += [route[slot] for slot in SLOTS if route.get(slot)]
        found += route["leaving"]
    return [
        (item["name"], (int(item["identity"][0]), float(item["identity"][1])))
        if item["identity"]
        else (item["name"], None)
        for item in found
    ]


def _broken(path: Path, reason: str) -> ActionFailed:
    return ActionFailed(
        f"{path} cannot be read: {reason}",
        means="What this machine runs is not known, so nothing is started or stopped.",
        remedy=f"End the service's processes (their environment holds SLUICEWAY_INSTANCE) and "
        f"remove {path}.",
        code="deploy.state-broken",
    )
