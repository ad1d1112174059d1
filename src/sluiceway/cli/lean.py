"""Invoke without what no command of ours has a use for.

Importing Invoke was more than half of a small command's start, and half of that went to two modules: the
standard library's mocks, which bring asyncio and TLS along and are there for tests of tasks
(``invoke.MockContext``), and the reader of configuration files that are written in YAML. Both are
imported when they are first used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["what_invoke_needs"]


class _Later(ModuleType):
    """Stands for a module whose functions and classes are only ever called."""

    def __getattr__(self, attribute: str) -> Any:
        """Return a function that imports the module and calls what it has under that name."""
        if attribute.startswith("__"):  # asked for by Python's own imports
            raise AttributeError(attribute)

        def call(*arguments: Any, **options: Any) -> Any:
            return getattr(import_module(self.__name__), attribute)(*arguments, **options)

        return call


@contextmanager
def what_invoke_needs() -> Iterator[None]:
    """While Invoke is imported, let its rarely used modules wait.

    Whoever imports them afterwards gets them as they are.
    """
    waiting = [name for name in ("unittest.mock", "invoke.vendor.yaml") if name not in sys.modules]
    sys.modules.update({name: _Later(name) for name in waiting})
    try:
        yield
    finally:
        for name in waiting:
            del sys.modules[name]
