"""The console script."""

from __future__ import annotations

import gc

from invoke.program import Program

from sluiceway.cli.program import main


def test_garbage_is_collected_again_once_a_command_runs(monkeypatch):
    seen = []
    monkeypatch.setattr(
        Program, "run", lambda _: seen.append((gc.isenabled(), gc.get_freeze_count()))
    )
    try:
        main()
        ((enabled, frozen),) = seen
        assert enabled
        assert frozen > 10_000  # what was imported is not looked through again
    finally:
        gc.unfreeze()
        gc.enable()
