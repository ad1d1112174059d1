"""Invoke without what no command of ours has a use for.

Importing Invoke was more than half of a small command's start, and most of that went to three things: the
standard library's mocks, which bring asyncio and TLS along and are there for tests of tasks
(``invoke.MockContext``); the reader of configuration files that are written in YAML; and Invoke's own
version, for which its METADATA is parsed, as e-mail is. All are imported when they are first used.
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


_WAIT = (
    "unittest.mock",
    "invoke.vendor.yaml",
    # Of importlib.metadata, which finds plugins without these: lists of files, and METADATA.
    "csv",
    "email",
    "importlib.metadata._adapters",
)


@contextmanager
def what_invoke_needs() -> Iterator[None]:
    """While Invoke is imported, let its rarely used modules wait.

    Whoever imports them afterwards gets them as they are.
    """
    waiting = [name for name in _WAIT if name not in sys.modules]
    sys.modules.update({name: _Later(name) for name in waiting})
    from importlib import metadata

    version = metadata.version
    metadata.version = lambda distribution_name: ""  # noqa: ARG005 - called as it is
    try:
        yield
    finally:
        metadata.version = version
        for name in waiting:
            del sys.modules[name]
    import invoke

    def find(attribute: str) -> str:
        if attribute != "__version__":
            msg = f"module {invoke.__name__!r} has no attribute {attribute!r}"
            raise AttributeError(msg)
        return version(invoke.__name__)

    vars(invoke).pop("__version__")
    vars(invoke)["__getattr__"] = find  # PEP 562
