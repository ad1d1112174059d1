"""What a killed keeper left in the engine. Nothing without this project's labels is touched."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from docker.errors import APIError

from sluiceway_deploy_docker.container import label
from sluiceway_deploy_docker.engine import Engine
from sluiceway_deploy_local import processes

__all__ = ["clear", "sweep"]


def sweep(engine: Engine, owner: str) -> list[str]:
    """Remove this project's containers whose keepers are gone; say which."""
    return [
        _removed(engine, found)
        for found in engine.containers(f"{label('owner')}={owner}")
        if not _kept(found.get("Labels") or {})
    ]


def clear(engine: Engine, owner: str) -> list[str]:
    """Remove all of this project's containers and networks; say which."""
    mine = f"{label('owner')}={owner}"
    removed = [_removed(engine, found) for found in engine.containers(mine)]
    for network in engine.networks(mine):
        with suppress(APIError):  # something of somebody else's was connected to it
            engine.remove_network(str(network["Id"]))
            removed.append(f"the network {network['Name']}")
    return removed


def _removed(engine: Engine, found: Mapping[str, Any]) -> str:
    engine.remove(str(found["Id"]))
    about = found.get("Labels") or {}
    digest = str(about.get(label("digest"), ""))[:19]
    return f"{about.get(label('route'), '')}: container {str(found['Id'])[:12]} of {digest}"


def _kept(labels: Mapping[str, str]) -> bool:
    """Say whether the keeper that a container names still lives."""
    pid, _, created = labels.get(label("keeper"), "").partition(":")
    try:
        return processes.lives((int(pid), float(created)))
    except ValueError:
        return False
