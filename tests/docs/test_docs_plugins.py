"""The settings in a plugin's README are ones that the plugin itself takes."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from sluiceway.errors import SluicewayError
from sluiceway.model import Project

ROOT = Path(__file__).parents[2]
PLUGINS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "entry-points"
]["sluiceway"]
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
# How sluiceway.config.settings words the remedy for an unknown key and for a wrong type.
_REMEDIES = ("Known keys:", "Write it as")


def blocks(name: str) -> list[dict[str, object]]:
    """Return the ``[plugins.<name>]`` tables in the plugin's README."""
    text = (ROOT / "plugins" / PLUGINS[name] / "README.md").read_text()
    documents = [tomllib.loads(block) for block in BLOCK.findall(text)]
    return [
        document["plugins"][name] for document in documents if name in document.get("plugins", {})
    ]


def refusals(name: str, project: Project, settings: dict[str, object]) -> list[str]:
    """Return what the plugin's doctor holds against *settings* as such.

    It may raise, or answer with a failed check; a tool, key or file that this machine does not
    have is not about the settings.
    """
    doctor = importlib.import_module(PLUGINS[name]).sluiceway_doctor
    try:
        checks = doctor(project=project, settings=settings) or ()
    except SluicewayError as error:
        return [error.what] if error.remedy and any(r in error.remedy for r in _REMEDIES) else []
    return [check.detail for check in checks if any(r in check.remedy for r in _REMEDIES)]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "state").mkdir()
    return Project(service="settlement", root=tmp_path, state=tmp_path / "state", environ={})


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_the_settings_in_a_readme_are_taken(name, project):
    found = blocks(name)
    if not hasattr(importlib.import_module(PLUGINS[name]), "sluiceway_doctor"):
        assert not found, "a plugin with settings looks at them in sluiceway_doctor"
        return
    if not found:  # then it has no settings at all, and says so
        assert "no settings" in (ROOT / "plugins" / PLUGINS[name] / "README.md").read_text()
    for settings in found or [{}]:
        assert refusals(name, project, settings) == []
        (wrong,) = refusals(name, project, {**settings, "no_such_setting": 1})
        assert "no_such_setting" in wrong
