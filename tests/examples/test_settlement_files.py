"""The example's files: what the image, the SBOM and the scanner find in it."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from packaging.version import Version

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "settlement"
ADVISORIES = sorted((EXAMPLE / "advisories" / "PyPI").glob("*.json"))
MIGRATIONS = sorted((EXAMPLE / "migrations").iterdir())


def test_the_vendored_distribution_is_what_its_record_says() -> None:
    vendor = EXAMPLE / "vendor"
    (distribution,) = importlib.metadata.distributions(path=[str(vendor)])
    assert (distribution.name, distribution.version) == ("settlement-rounding", "1.2.0")
    listed = set()
    for name, digest, size in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        listed.add(name)
        if not digest:
            assert name.endswith("/RECORD")
            continue
        body = (vendor / name).read_bytes()
        found = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={found}", str(len(body))), name
    present = {
        path.relative_to(vendor).as_posix()
        for path in vendor.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert listed == present
    source = (vendor / "settlement_rounding" / "__init__.py").read_text()
    assert f'__version__ = "{distribution.version}"' in source


@pytest.mark.parametrize("path", ADVISORIES, ids=lambda path: path.stem)
def test_an_advisory_is_osv_and_says_that_it_is_made_up(path: Path) -> None:
    advisory = json.loads(path.read_bytes())
    assert advisory["id"] == path.stem
    assert advisory["summary"].startswith("MADE UP")
    assert advisory["database_specific"]["made_up"] is True
    for affected in advisory["affected"]:
        assert affected["package"]["ecosystem"] == path.parent.name


def test_one_advisory_hits_the_older_version_and_none_the_one_in_use() -> None:
    def hits(version: str) -> list[str]:
        found = []
        for path in ADVISORIES:
            advisory = json.loads(path.read_bytes())
            for affected in advisory["affected"]:
                for span in affected["ranges"]:
                    bounds = {
                        name: bound for event in span["events"] for name, bound in event.items()
                    }
                    inside = Version(bounds["introduced"]) <= Version(version)
                    if "fixed" in bounds:
                        inside = inside and Version(version) < Version(bounds["fixed"])
                    if "last_affected" in bounds:
                        inside = inside and Version(version) <= Version(bounds["last_affected"])
                    if inside and "withdrawn" not in advisory:
                        found.append(advisory["id"])
        return found

    assert hits("1.1.0") == ["EXAMPLE-2026-0001"]
    assert hits("1.2.0") == []


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name.partition("_")[0]) for path in MIGRATIONS]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_only_expands(path: Path) -> None:
    sql = re.sub(r"--[^\n]*", "", path.read_text()).upper()
    for word in ("DROP", "RENAME", "TRUNCATE", "DELETE", "SET NOT NULL", "ALTER COLUMN"):
        assert not re.search(rf"\b{word}\b", sql), word
    statements = [part.strip() for part in sql.split(";") if part.strip()]
    if "CONCURRENTLY" in sql:
        assert len(statements) == 1, "CONCURRENTLY cannot share a transaction"
    else:
        assert statements[0].startswith("SET LOCK_TIMEOUT")


def test_the_dockerfile_copies_what_exists_and_runs_nothing() -> None:
    text = (EXAMPLE / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    allowed = {
        "FROM",
        "LABEL",
        "WORKDIR",
        "COPY",
        "ENV",
        "USER",
        "EXPOSE",
        "HEALTHCHECK",
        "ENTRYPOINT",
    }
    assert {words[0] for words in lines} <= allowed
    for words in lines:
        if words[0] == "COPY":
            assert all((EXAMPLE / source).exists() for source in words[1:-1]), words
    assert ["FROM", "scratch"] in lines
