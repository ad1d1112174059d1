"""``[migrations]``: where a service keeps the migrations of its database, and whose SQL they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway.config.model import Migrations
from sluiceway.config.settings import nearest, typed, unknown_keys
from sluiceway.errors import ConfigurationError
from sluiceway.migrations.dialect import Dialect

__all__ = ["migrations"]

_USES = "uses.toml"
_DEFAULTS: Mapping[str, Any] = {
    "folder": "migrations",
    "dialect": "postgres",
    "layout": "auto",
    "uses": "",
}


def migrations(
    document: Mapping[str, Any], path: Path, origins: dict[str, str]
) -> Migrations | None:
    """Return the checked table; ``None`` where there is none: then the service has no database.

    The folder and the file are read by a release only: whoever promotes need not have them.
    """
    if "migrations" not in document:
        return None
    table, where = document["migrations"], f"{path.name} [migrations]"
    unknown_keys(table, _DEFAULTS, where)
    origins.update({f"migrations.{key}": path.name for key in table})
    values = {
        key: typed(table[key], default, f"{where} {key}") if key in table else default
        for key, default in _DEFAULTS.items()
    }
    folder = path.parent / values["folder"]
    return Migrations(
        folder=folder,
        dialect=_dialect(values["dialect"], where),
        layout=values["layout"],
        uses=_uses(values["uses"], folder, path.parent),
    )


def _dialect(word: str, where: str) -> Dialect:
    try:
        return Dialect(word)
    except ValueError:
        guess = nearest(word, Dialect)
        raise ConfigurationError(
            f"{where} dialect is {word!r}, which is none that is known",
            remedy=(f"Did you mean {guess!r}? " if guess else "")
            + f"Choose one of: {', '.join(Dialect)}.",
            code="configuration.type",
        ) from None


def _uses(name: str, folder: Path, root: Path) -> Path | None:
    usual = folder / _USES
    return root / name if name else usual if usual.is_file() else None
