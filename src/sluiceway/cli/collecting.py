"""When garbage is looked for."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["begun"]

_NEW = 10_000
"""How many new objects are let come before they are looked through; Python's default of 700 is for
machines of its youth. An import makes thousands, and none of them is garbage."""


@contextmanager
def begun() -> Iterator[None]:
    """Begin a program inside: garbage is looked for afterwards, and not in what is there by then.

    What is imported stays until the end. Looking through it again and again, while more of it comes,
    takes a tenth of a start. What was there at the first such beginning is left alone for ever.
    """
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.set_threshold(_NEW)
        if looked:
            gc.enable()
