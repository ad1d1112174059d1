"""requirements.lock is what tools/run installs: complete, hashed, and from nowhere in particular."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def locked() -> dict[str, tuple[Requirement, list[str]]]:
    """Return name to (pinned requirement with its marker, hashes)."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", "")
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            pin, *hashes = line.split("--hash=")
            requirement = Requirement(pin.strip())
            assert canonicalize_name(requirement.name) not in found, "one version for all Pythons"
            found[canonicalize_name(requirement.name)] = (requirement, [h.strip() for h in hashes])
    return found


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [
        Requirement(text)
        for text in (
            *project["project"]["dependencies"],
            *project["dependency-groups"]["dev"],
            *project["build-system"]["requires"],
        )
    ]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_the_lock_holds_what_the_project_asks_for(requirement):
    pinned, _ = locked()[canonicalize_name(requirement.name)]
    (specifier,) = pinned.specifier
    assert specifier.operator == "=="
    assert Version(specifier.version) in requirement.specifier, "run tools/lock"


@pytest.mark.parametrize("python", PYTHONS)
def test_a_direct_dependency_is_installed_on_every_python_that_we_name(python):
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    pins = locked()
    for requirement in wanted():
        marker = pins[canonicalize_name(requirement.name)][0].marker
        assert marker is None or marker.evaluate(environment), f"{requirement} on {python}"


def test_every_pin_has_whole_hashes():
    for name, (_, hashes) in locked().items():
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in hashes), name


def test_the_lock_names_no_index():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
