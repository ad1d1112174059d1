"""What editors and OPA itself make of the folder: schemas, form and tests, by the real program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sluiceway.policy import bundled_policies


def opa(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["opa", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.real_tool("opa")
def test_opa_checks_tests_and_formats_the_folder_as_it_is() -> None:
    folder = str(bundled_policies())
    for arguments in (
        ["check", "--strict", folder],
        ["check", "--strict", "--schema", f"{folder}/schemas", folder],
        ["test", "--timeout=60s", folder],
    ):
        done = opa(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert opa("fmt", "--list", folder).stdout == ""


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("promotion/source/source.rego", "input.source_holds ==", "input.source_hold =="),
        ("rollback/unknown/unknown.rego", "input.deployed_before", "input.deployed"),
        ("image/scan/scan.rego", 'lib.present("scan")', "input.imag.digest"),
    ],
)
def test_a_misspelt_input_is_underlined_by_the_schema(
    tmp_path: Path, file: str, old: str, new: str
) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(bundled_policies(), folder)
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    done = opa("check", "--schema", str(folder / "schemas"), str(folder))
    assert done.returncode != 0
    assert "undefined ref" in done.stderr
    assert file in done.stderr
