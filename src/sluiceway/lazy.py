"""What is imported when something of it is first used.

A command uses one or two of many pages and kinds of work; reading the others took longer than most
commands do.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["LazyModule", "later", "without"]


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


@contextmanager
def without(name: str) -> Iterator[None]:
    """While a library is imported that can do without module *name*, let it, unless it is there already.

    Whoever imports the module afterwards gets it.
    """
    absent = name not in sys.modules
    if absent:
        sys.modules[name] = None  # type: ignore[assignment] # importing it is an ImportError (Python's reference, 5.3.1)
    try:
        yield
    finally:
        if absent:
            del sys.modules[name]
