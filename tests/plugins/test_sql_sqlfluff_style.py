"""How SQL is written: sqlfluff's own rules, over what was changed, deciding nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluiceway.errors import ConfigurationError, UsageError
from sluiceway.migrations.changed import changed
from sluiceway.migrations.records import Dialect
from sluiceway_sql_sqlfluff.style import remarks

UGLY = "select A from b"


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "db").mkdir()
    for name in ("old.sql", "kept.sql", "gone.sql"):
        (tmp_path / "db" / name).write_text("SELECT 1;\n", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "checkout", "-qb", "feature")
    return tmp_path


def names(files: tuple[Path, ...]) -> list[str]:
    return [file.name for file in files]


def test_only_what_the_branch_changed(tree):
    db = tree / "db"
    (db / "old.sql").write_text("SELECT 2;\n", encoding="utf-8")
    (db / "gone.sql").unlink()
    git(tree, "commit", "-qam", "second")
    (db / "new in work.sql").write_text("SELECT 3;\n", encoding="utf-8")
    (db / "notes.txt").write_text("no SQL", encoding="utf-8")
    assert names(changed([db])) == ["new in work.sql", "old.sql"]
    assert names(changed([db], "HEAD")) == ["new in work.sql"]
    assert names(changed([db / "old.sql"])) == ["old.sql"]
    assert names(changed([db / "kept.sql"])) == []


def test_what_main_changed_meanwhile_does_not_count(tree):
    git(tree, "checkout", "-q", "main")
    (tree / "db" / "old.sql").write_text("SELECT 2;\n", encoding="utf-8")
    git(tree, "commit", "-qam", "meanwhile")
    git(tree, "checkout", "-q", "feature")
    assert changed([tree / "db"]) == ()


def test_a_base_that_is_not_there(tree, tmp_path_factory):
    with pytest.raises(UsageError) as caught:
        changed([tree], "nowhere")
    assert caught.value.code == "migrations.base"
    with pytest.raises(UsageError):
        changed([tmp_path_factory.mktemp("no-git")])


def test_the_repositorys_own_configuration_holds(tmp_path):
    file = tmp_path / "a.sql"
    file.write_text(UGLY, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        remarks([file], None)
    assert caught.value.code == "sql.style"
    assert [each.code for each in remarks([file], Dialect.MYSQL)] == ["CP02", "LT12"]
    configured = tmp_path / "configured"
    configured.mkdir()
    (configured / ".sqlfluff").write_text(
        "[sqlfluff]\ndialect = mysql\nexclude_rules = LT12\n", encoding="utf-8"
    )
    other = configured / "a.sql"
    other.write_text(UGLY, encoding="utf-8")
    (remark,) = remarks([other], None)
    assert (remark.path, remark.line, remark.column, remark.code) == (other, 1, 15, "CP02")


def test_the_command_decides_nothing(tree):
    (tree / "db" / "new.sql").write_text("DROP TABEL x; " + UGLY, encoding="utf-8")
    script = "from sluiceway.cli.program import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "migrations.lint", "db", "--dialect=mysql", "--json"],
        cwd=tree, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["files"] == ["db/new.sql"]
    assert "PRS" in [remark["code"] for remark in document["remarks"]]
