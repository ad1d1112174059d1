"""Modules that are imported when something of theirs is first used.

A command uses one or two of many pages and kinds of work; reading the others took longer than most
commands do.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["LazyModule"]


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
