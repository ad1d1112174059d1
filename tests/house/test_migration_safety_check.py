"""tools/migration-safety-check, as it is, for somebody who has a folder of SQL and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the script beside an environment that is this test's own."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "tools").mkdir()
    shutil.copy2(ROOT / "tools" / "migration-safety-check", root / "tools")
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "sluiceway").symlink_to(Path(sys.executable).with_name("sluiceway"))
    return root / "tools" / "migration-safety-check"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with migrations of which one blocks, and no CI."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "1.sql").write_text("CREATE TABLE a (id int);\n")
    (tmp_path / "db" / "2.sql").write_text("DROP TABLE b;\n")
    return tmp_path


def ran(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_it_says_what_would_break_and_what_it_takes(script: Path, desk: Path) -> None:
    found = ran(script, "db", "--json")
    assert found.returncode == 3, found.stderr
    assert [each["code"] for each in json.loads(found.stdout)["findings"]] == [
        "migration.drop-table"
    ]
    usage = ran(script, "--help")
    assert usage.returncode == 0
    for flag in ("--dialect", "--layout", "--format", "--strict", "--no-advice", "--no-cache"):
        assert flag in usage.stdout
    assert "0 when nothing blocks" in usage.stdout
    assert "set -eu" not in usage.stdout


def test_an_earlier_check_is_not_asked_where_it_is_not_wanted(
    script: Path, desk: Path, isolated_environment: Path
) -> None:
    kept = isolated_environment / ".cache" / "sluiceway" / "migrations"
    without = ran(script, "--no-cache", "db/1.sql")
    assert without.returncode == 0, without.stderr
    assert not kept.exists()
    assert ran(script, "db/1.sql").stdout == without.stdout
    assert len(list(kept.iterdir())) == 1


@pytest.mark.parametrize("since", [["--since", "staging"], ["--since=staging"]])
def test_what_is_new_is_asked_of_the_project(script: Path, desk: Path, since: list[str]) -> None:
    alone = ran(script, *since)
    assert alone.returncode == 2
    assert "sluiceway.toml" in alone.stderr
    with_path = ran(script, "db", *since)
    assert with_path.returncode == 2
    assert "--since takes no path" in with_path.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage:"),
        (["--no-cache"], "Usage:"),
        (["db", "--nocache"], "there is no option --nocache"),
        (["db", "--since"], "--since needs a word"),
    ],
)
def test_a_wrong_call_is_refused(script: Path, desk: Path, arguments: list[str], says: str) -> None:
    refused = ran(script, *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert says in refused.stderr
