"""Rules that hold for every file and every plugin, whoever wrote it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "entry-points"
]["sluiceway"]
FOLDERS = sorted(path for path in (ROOT / "plugins").glob("sluiceway_*") if path.is_dir())
LONGEST = 500

# Each costs more to import than everything that `invoke --list` needs.
HEAVY = (
    "alembic",
    "cryptography",
    "dbos",
    "httpx",
    "nacl",
    "numpy",
    "packageurl",
    "psycopg",
    "rich",
    "securesystemslib",
    "sigstore",
    "sqlalchemy",
    "sqlfluff",
    "sqlfluffrs",
)


def imported(statement: str, *also: str) -> set[str]:
    """Return which heavy modules, and which of *also*, a fresh interpreter has after *statement*."""
    asked = {*HEAVY, *also}
    script = f"{statement}\nimport sys\nprint(*sorted(set(sys.modules) & {asked!r}))"
    paths = [str(ROOT / "src"), str(ROOT / "plugins"), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{script}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_the_probe_sees_a_heavy_import():
    assert "httpx" in imported("import httpx")


def test_listing_the_commands_imports_nothing_heavy():
    listing = "from sluiceway.cli import namespace; namespace()"
    # The records are ours, and yet half of what a list may cost.
    assert imported(listing, "sluiceway.model", "sluiceway.config") == set()


def test_judging_by_hand_imports_nothing_of_the_rest_of_the_pipeline(tmp_path):
    (tmp_path / "input.json").write_text('{"gate": "promotion"}')
    words = ["sluiceway", "policy.eval", "promotion", f"--input={tmp_path}/input.json", "--json"]
    judging = (
        "from invoke.program import Program; from sluiceway.cli import namespace; import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    Program(namespace=namespace()).run({words!r}, exit=False)"
    )
    rest = {
        "sluiceway.console.rows",
        "sluiceway.ledger",
        "sluiceway.migrations.records",
        "sluiceway.model.approval",
        "sluiceway.model.evidence",
        "sluiceway.model.image",
        "sluiceway.model.release",
        "sluiceway.oci",
        "tarfile",
        *PLUGINS.values(),
    }
    also = {"sluiceway.policy.decide", "sluiceway_policy_embedded"}
    # The policies' own plugins are asked which of them has an engine here.
    asked = {module for module in PLUGINS.values() if module.startswith("sluiceway_policy_")}
    assert also <= imported(judging, *rest, *also) <= also | asked


def test_a_board_takes_no_judge_along():
    board = "import sluiceway.cli.board, sluiceway.runs.under_way, sluiceway.runs.waiver"
    rest = ("sluiceway.analysis", "sluiceway.gates.decide", "sluiceway.policy", "sluiceway.runs")
    assert imported(board, *rest) & set(rest) == {"sluiceway.runs"}


def test_judging_migrations_imports_nothing_heavy():
    assert imported("import sluiceway.migrations.judging") == set()


@pytest.mark.parametrize("module", sorted(PLUGINS.values()))
def test_a_plugin_imports_nothing_heavy(module):
    assert imported(f"import {module}") == set()


def test_every_plugin_folder_is_registered_under_its_own_name():
    assert sorted(PLUGINS.values()) == [folder.name for folder in FOLDERS]
    for name, module in PLUGINS.items():
        assert module == f"sluiceway_{name.replace('-', '_')}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_plugin_has_a_page_that_begins_with_its_name(folder):
    lines = (folder / "README.md").read_text().splitlines()
    name = folder.name.removeprefix("sluiceway_").replace("_", "-")
    assert lines[0].startswith("# ")
    assert name in lines[0]


def test_no_file_is_too_long_to_read_at_once():
    files = [
        path
        for folder in ("src", "plugins", "tests", "tools", "benchmarks", "policies", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".rego")
    ]
    assert len(files) > 50
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
