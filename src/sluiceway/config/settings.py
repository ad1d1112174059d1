"""Reading one table of ``sluiceway.toml`` strictly: every key is known and of the right type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sluiceway.errors import ConfigurationError

__all__ = ["nearest", "take", "typed", "unknown_keys"]

_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}


def take(settings: Mapping[str, Any], plugin: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return *settings* completed by *defaults*.

    Args:
        settings: The plugin's own ``[plugins.<name>]`` table.
        plugin: The plugin's name, for messages (``scan-osv``).
        defaults: Every key that the plugin knows, with a default of the type it must have. A
            default of ``None`` accepts any type.

    Raises:
        ConfigurationError: For an unknown key (naming the nearest right one) or a wrong type.
    """
    where = f"[plugins.{plugin}]"
    unknown_keys(settings, defaults, where)
    return {
        key: typed(settings[key], default, f"{where} {key}") if key in settings else default
        for key, default in defaults.items()
    }


def unknown_keys(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise :class:`ConfigurationError` when *table* has a key that is not among *known*."""
    known = tuple(known)
    for key in table:
        if key not in known:
            raise ConfigurationError(
                f"{where} has no key {key!r}",
                means="A misspelt key would silently leave its default in force, so it is refused.",
                remedy=_suggestion(key, known),
                code="configuration.unknown-key",
            )


def typed(value: Any, default: Any, where: str) -> Any:
    """Return *value* when it has the type of *default* (an int is taken for a float)."""
    if default is None:
        return value
    wanted = type(default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        return value
    raise ConfigurationError(
        f"{where} is {value!r}, which is not {_TYPE_NAMES.get(wanted, wanted.__name__)}",
        remedy=f"Write it as {_TYPE_NAMES.get(wanted, wanted.__name__)}, for example {default!r}.",
        code="configuration.type",
    )


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """Return the known word nearest to *word*, or ``""`` when none is nearer than *cutoff* (to 1)."""
    from difflib import get_close_matches  # a word in a hundred is mistyped

    matches = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return matches[0] if matches else ""


def _suggestion(key: str, known: tuple[str, ...]) -> str:
    guess = nearest(key, known)
    listed = ", ".join(sorted(known)) or "none at all"
    return f"Did you mean {guess!r}? Known keys: {listed}." if guess else f"Known keys: {listed}."
