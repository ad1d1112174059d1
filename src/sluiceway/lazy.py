"""What is imported when something of it is first used.

A command uses one or two of many pages and kinds of work; reading the others took longer than most
commands do.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["LazyModule", "later"]


class LazyModule:
    """Stands in a module's place.

    Args:
        name: The module's full name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        """Import the module and return what it has under that name."""
        return getattr(importlib.import_module(self._name), attribute)


def later(package: str, rooms: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for *package* (PEP 562) that imports a name's module when it is asked for.

    Args:
        package: Its ``__name__``.
        rooms: Name to the module inside of the package that has it. None may be called as its module
            is: importing that would take the name.
    """

    def find(name: str) -> Any:
        if name not in rooms:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = getattr(importlib.import_module(f"{package}.{rooms[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
