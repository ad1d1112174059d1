"""The console script."""

from __future__ import annotations

import gc

import pytest
from invoke.program import Program

from sluiceway.cli import namespace
from sluiceway.cli.program import main


@pytest.fixture(autouse=True)
def collected():
    """What Python looks through, and when, is as it was afterwards."""
    gc.unfreeze()
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    gc.enable()


def test_garbage_is_collected_again_once_a_command_runs(monkeypatch):
    seen = []
    monkeypatch.setattr(
        Program, "run", lambda _: seen.append((gc.isenabled(), gc.get_freeze_count()))
    )
    main()
    ((enabled, frozen),) = seen
    assert enabled
    assert frozen > 10_000  # what was imported is not looked through again


def test_invoke_s_own_program_begins_as_ours_does():
    namespace()
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    assert frozen > 10_000
    namespace()
    assert gc.get_freeze_count() <= frozen, "what is made later is looked through"


def test_whoever_looks_for_no_garbage_is_left_so():
    gc.disable()
    namespace()
    assert not gc.isenabled()
