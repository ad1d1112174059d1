"""What a command has started stays when the command ends; a test ends it."""

from __future__ import annotations

from sluiceway.workbench import Workbench

__all__ = ["end_started"]


def end_started(bench: Workbench) -> None:
    """End every server and supervisor that belongs to the project of *bench*."""
    for name in bench.plugins.serving("sluiceway_shutdown"):
        bench.plugins.ask(name, "sluiceway_shutdown")
