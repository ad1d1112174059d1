"""The engine that policies are tested with: the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sluiceway.policy import Bundle, bundled_policies, load_bundle
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here


def make_engine() -> EmbeddedEngine:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    assert default_library().is_file(), "run: python -m sluiceway_policy_embedded.install"
    return EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)


@pytest.fixture(scope="session")
def engine() -> Iterator[EmbeddedEngine]:
    engine = make_engine()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def engine_factory() -> Callable[[], EmbeddedEngine]:
    return make_engine


@pytest.fixture(scope="session")
def policies() -> Bundle:
    return load_bundle([bundled_policies()])


@pytest.fixture(scope="session")
def people() -> dict[str, Any]:
    """Who is who in the inputs of the Rego tests."""
    return {
        "robot": ["ci"],
        "anna": ["developer"],
        "tom": ["tech-lead"],
        "rita": ["release-manager"],
    }


@pytest.fixture(scope="session")
def staffed(policies: Bundle, people: dict[str, Any]) -> Bundle:
    """The policies with people who have roles, as a site's data file gives them."""
    data = {**policies.data, "promotion": {**policies.data["promotion"], "people": people}}
    return Bundle(
        modules=policies.modules,
        data=data,
        schemas=policies.schemas,
        digest="sha256:" + "5" * 64,
        origin="test",
    )


@pytest.fixture(scope="session")
def passing(engine: EmbeddedEngine) -> dict[str, dict[str, Any]]:
    """Gate to an input that passes: the same that the Rego tests start from."""
    tests = load_bundle([bundled_policies()], tests=True)
    gates = ("promotion", "image", "rollback", "migration", "canary")
    return {gate: engine.evaluate(tests, f"lib_test.{gate}", {}) for gate in gates}


@pytest.fixture(scope="session")
def waiver(engine: EmbeddedEngine) -> dict[str, Any]:
    """One that counts for missing smoke tests on the way to production."""
    tests = load_bundle([bundled_policies()], tests=True)
    return dict(engine.evaluate(tests, "lib_test.waiver", {}))
