"""What tests of whole watches share: the real engine and policies, and a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from tests.watching_kit import Clock, World

from sluiceway import policy
from sluiceway.runs import looking, telling, watching
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedEngine]:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def bundle() -> policy.Bundle:
    return policy.load_bundle([policy.bundled_policies()], [])


@pytest.fixture
def world(engine: EmbeddedEngine, bundle: policy.Bundle, monkeypatch: pytest.MonkeyPatch) -> World:
    clock = Clock()

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Now:
            return cls.fromtimestamp(clock.seconds, tz)

    for module in (looking, watching):
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(module, "datetime", Now)
    monkeypatch.setattr(telling, "_messengers", {})
    return World(engine, bundle, clock)
