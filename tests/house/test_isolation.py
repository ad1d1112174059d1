"""The house rules of the test suite itself: real tools and the machine's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


@pytest.fixture
def inner(tmp_path):
    """Return a function that runs *body* under our conftest and returns pytest's output."""
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = real_tool(name): a tool\n")

    def run(body: str, **environ: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_inner.py").write_text(body)
        # With folders of its own: in the usual place it would first remove what older runs have left.
        own = ("-p", "no:cacheprovider", f"--basetemp={tmp_path / 'made'}")
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-rs", "-q", *own, tmp_path],
            cwd=tmp_path,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


NEEDS_A_TOOL = """
import pytest
@pytest.mark.real_tool("no-such-tool-anywhere")
def test_it():
    pass
"""


def test_an_absent_tool_skips_with_the_way_to_get_it(inner):
    done = inner(NEEDS_A_TOOL, SLUICEWAY_REQUIRE_TOOLS="cosign")
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    assert "no-such-tool-anywhere is not on PATH" in done.stdout
    assert "tools/install-tools" in done.stdout


@pytest.mark.parametrize("required", ["1", "cosign,no-such-tool-anywhere"])
def test_an_absent_tool_fails_where_it_is_required(inner, required):
    done = inner(NEEDS_A_TOOL, SLUICEWAY_REQUIRE_TOOLS=required)
    assert done.returncode == 1, done.stdout
    assert "no-such-tool-anywhere is not on PATH" in done.stdout


def test_a_present_tool_runs_the_test(inner, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "no-such-tool-anywhere"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    done = inner(NEEDS_A_TOOL, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert "1 passed" in done.stdout, done.stdout


def test_nothing_of_this_machine_reaches_a_test(inner):
    body = """
import os
from pathlib import Path
def test_it():
    assert not [n for n in os.environ if n.startswith(("COSIGN_", "REGISTRY_", "GITHUB_", "FF_"))]
    assert "ROLLBACK_WEBHOOK" not in os.environ
    assert Path.home() != Path("/developer")
    assert list(Path.home().iterdir()) == []
"""
    done = inner(
        body,
        HOME="/developer",
        COSIGN_PASSWORD="x",
        REGISTRY_URL="registry.invalid",
        GITHUB_OUTPUT="/nowhere",
        FF_NEW="on",
        ROLLBACK_WEBHOOK="http://127.0.0.1:1/",
    )
    assert "1 passed" in done.stdout, done.stdout
