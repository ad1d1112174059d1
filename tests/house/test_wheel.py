"""The wheel is what a stranger installs: everything that runs is inside, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> set[str]:
    """Return the names of the files in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    script = f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_module_is_inside(names):
    for source in ("src", "plugins"):
        for path in (ROOT / source).rglob("*.py"):
            assert str(path.relative_to(ROOT / source)) in names


def test_every_registered_plugin_is_inside(names):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, module in project["entry-points"]["sluiceway"].items():
        assert f"{module}/__init__.py" in names, name


def test_policies_data_and_schemas_are_inside_and_their_tests_are_not(names):
    policies = [path for path in (ROOT / "policies").rglob("*") if path.is_file()]
    kept = [path for path in policies if not path.name.endswith("_test.rego")]
    assert kept
    for path in kept:
        assert f"sluiceway/_policies/{path.relative_to(ROOT / 'policies')}" in names
    assert not [name for name in names if name.endswith("_test.rego")]


def test_nothing_else_is_inside(names):
    tops = {name.split("/")[0] for name in names}
    assert all(top.startswith("sluiceway") for top in tops), tops
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
