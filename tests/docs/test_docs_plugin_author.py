"""The plugin in docs/plugin-author.md is a plugin: registered strictly, and it does what is said."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import ModuleType

import pluggy
import pytest

from sluiceway import hookspecs
from sluiceway.errors import ConfigurationError
from sluiceway.model import CheckStatus, GateRequest, Image, Project, Status

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "plugin-author.md").read_text()


@pytest.fixture
def manager():
    (source,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    module = ModuleType("sluiceway_gate_freeze")
    exec(compile(source, "docs/plugin-author.md", "exec"), vars(module))
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name="gate-freeze")
    manager.check_pending()
    return manager


@pytest.fixture
def project(tmp_path):
    return Project(service="settlement", root=tmp_path, state=tmp_path, environ={})


REQUEST = GateRequest(
    image=Image(repository="127.0.0.1:5555/settlement", digest="sha256:" + "0" * 64, media_type=""),
    source="dev",
    target="staging",
    source_url="",
)


def evidence(manager, project, settings):
    ((found,),) = manager.hook.sluiceway_evidence(
        project=project, request=REQUEST, settings=settings
    )
    return found


def test_it_answers_in_three_ways(manager, project):
    assert evidence(manager, project, {}).status is Status.OK
    (project.root / "FREEZE").write_text("year's end\n")
    frozen = evidence(manager, project, {})
    assert (frozen.status, frozen.facts["reason"]) == (Status.FAILED, "year's end")
    (project.root / "folder").mkdir()
    assert evidence(manager, project, {"file": "folder"}).status is Status.ERROR


def test_its_settings_are_checked(manager, project):
    with pytest.raises(ConfigurationError, match="fiel"):
        evidence(manager, project, {"fiel": "FREEZE"})


def test_its_doctor_answers(manager, project):
    ((check,),) = manager.hook.sluiceway_doctor(project=project, settings={})
    assert check.status is CheckStatus.OK


def test_its_distribution_registers_it():
    (source,) = re.findall(r"^```toml\n# pyproject.toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    points = tomllib.loads(source)["project"]["entry-points"][hookspecs.GROUP]
    assert points == {"gate-freeze": "sluiceway_gate_freeze"}
