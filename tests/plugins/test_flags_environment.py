"""FF_<NAME> variables to flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sluiceway_flags_environment
from sluiceway.errors import ConfigurationError
from sluiceway.model import CheckStatus, Project


def project(**environ: str) -> Project:
    return Project(service="s", root=Path("/"), state=Path("/"), environ=environ)


def flags(**environ: str) -> dict[str, Any]:
    return dict(sluiceway_flags_environment.sluiceway_flags(project(**environ), {}))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("1", True),
        ("ON", True),
        ("Yes", True),
        (" false ", False),
        ("0", False),
        ("off", False),
        ("no", False),
        ("blue", "blue"),
        ("10", "10"),
        ("Trueish", "Trueish"),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = flags(FF_X=text)
    assert found == {"x": value}
    assert type(found["x"]) is type(value)


def test_names_and_order() -> None:
    found = flags(FF_NEW_FEE_SCHEDULE="on", FF_B2="x", FF_EMPTY="", FFX="1", PATH="/bin")
    assert list(found.items()) == [("b2", "x"), ("new-fee-schedule", True)]


@pytest.mark.parametrize("name", ["FF_new", "FF_", "FF_A__B", "FF_1", "FF_A_", "FF_A-B"])
def test_a_variable_that_cannot_be_a_flag_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        flags(**{name: "on"})
    (line,) = sluiceway_flags_environment.sluiceway_doctor(project(**{name: "on"}), {}) or ()
    assert line.status is CheckStatus.FAIL


def test_there_are_no_settings() -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        sluiceway_flags_environment.sluiceway_flags(project(), {"prefix": "X_"})


def test_doctor() -> None:
    (line,) = sluiceway_flags_environment.sluiceway_doctor(project(FF_A="1", FF_B="x"), {}) or ()
    assert (line.status, line.detail) == (CheckStatus.OK, "2 flags set: a, b")
