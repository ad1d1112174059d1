"""``invoke scan``: of an image by several scanners, and of a source tree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluiceway import gates
from sluiceway.gates import evidence
from sluiceway.model import Image
from sluiceway.runs import release

from ..plugins.npm_kit import ADVISORY, answering  # noqa: TID252 - a kit of tests, no package
from ..plugins.scan_kit import grype_cache, trivy_cache  # noqa: TID252 - a kit of tests, no package
from .conftest import Shop

Run = Callable[..., tuple[int, dict[str, Any], str]]
PYSEC = {
    "id": "PYSEC-1",
    "modified": "2026-11-01T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "tool"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
        }
    ],
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that calls `invoke scan ARGUMENTS --json` in a folder with advisories."""
    folder = tmp_path / "db" / "PyPI"
    folder.mkdir(parents=True)
    (folder / "PYSEC-1.json").write_text(json.dumps(PYSEC))
    monkeypatch.setenv("OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY", str(tmp_path / "db"))
    monkeypatch.setattr(sys, "argv", ["invoke"])
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, dict[str, Any], str]:
        from invoke.program import Program

        from sluiceway.cli import namespace

        code = 0
        try:
            Program(namespace=namespace()).run(["sluiceway", "scan", *arguments, "--json"])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return call


def tree(root: Path, *pins: str) -> Path:
    folder = root / "tree"
    folder.mkdir()
    (folder / "requirements.txt").write_text("\n".join(pins))
    return folder


def configured(root: Path, *scanners: str, more: str = "") -> None:
    names = ", ".join(f'"{name}"' for name in scanners)
    (root / "sluiceway.toml").write_text(
        f'[service]\nname = "s"\nrepository = "127.0.0.1:5999/s"\n\n[stages]\nscan = [{names}]\n{more}'
    )


# --- source trees -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pins", "code", "clean"),
    [(("tool==2.0",), 0, True), (("tool==1.0",), 3, False), (("other>=1",), 3, False)],
)
def test_a_source_tree_needs_no_project(
    tmp_path: Path, run: Run, pins: tuple[str, ...], code: int, clean: Any
) -> None:
    folder = tree(tmp_path, *pins)
    ended, document, _ = run("--fs", "tree")
    assert (ended, document["clean"], document["folder"]) == (code, clean, "tree")
    (scan,) = document["scans"]
    assert scan["subject"] == folder.as_uri()
    assert scan["maker"]["plugin"] == "scan-osv"
    assert not (tmp_path / ".sluiceway" / "ledger.sqlite").exists()  # nothing is written down


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fs", "nowhere"), "nowhere is not there"),
        (("--fs", "file"), "file is a file"),
        (("--fs", "empty"), "empty is empty"),
        (("--fs="), "--fs names no folder"),  # "$UNSET" must not scan the newest image instead
        (("--fs", "empty", "--digest", "sha256:aa"), "which of them?"),
    ],
)
def test_a_wrong_path_is_a_usage_error(
    tmp_path: Path, run: Run, arguments: Any, words: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    arguments = (arguments,) if isinstance(arguments, str) else arguments
    code, document, _ = run(*arguments)
    assert code == 2
    assert words in document["error"]["what"]


def test_scanners_that_do_not_look_at_trees_refuse(tmp_path: Path, run: Run) -> None:
    tree(tmp_path, "tool==2.0")
    configured(tmp_path)
    code, document, _ = run("--fs", "tree")
    assert (code, document["error"]["code"]) == (3, "scan.none")


def test_one_that_cannot_run_is_an_error_beside_the_others(tmp_path: Path, run: Run) -> None:
    tree(tmp_path, "tool==1.0")
    configured(tmp_path, "trivy", "osv", more='[plugins.scan-trivy]\nprogram = "no-such-trivy"\n')
    code, document, _ = run("--fs", "tree")
    assert code == 3
    assert [(scan["maker"]["tool"], scan["status"]) for scan in document["scans"]] == [
        ("trivy", "error"),
        ("osv", "ok"),
    ]
    assert "Install trivy" in document["scans"][0]["summary"]
    assert len(document["scans"][1]["vulnerabilities"]) == 1


def test_when_none_can_run_the_first_error_is_the_command_s(tmp_path: Path, run: Run) -> None:
    tree(tmp_path, "tool==1.0")
    configured(tmp_path, "trivy", more='[plugins.scan-trivy]\nprogram = "no-such-trivy"\n')
    code, document, _ = run("--fs", "tree")
    assert (code, document["error"]["code"]) == (2, "plugin.tool")


def test_settings_that_cannot_be_used_end_the_command(tmp_path: Path, run: Run) -> None:
    tree(tmp_path, "tool==1.0")
    configured(tmp_path, "osv", "trivy", more='[plugins.scan-trivy]\nlook_at = "moon"\n')
    code, document, _ = run("--fs", "tree")
    assert (code, document["error"]["code"]) == (2, "configuration.choice")


# --- images -----------------------------------------------------------------------------------


def test_an_image_that_one_scanner_could_not_judge_is_not_promoted(shop: Shop) -> None:
    shop.release()
    path = shop.root / "sluiceway.toml"
    path.write_text(
        path.read_text()
        + '\n[stages]\nscan = ["osv", "trivy"]\n'
        + '\n[plugins.scan-trivy]\nprogram = "no-such-trivy"\n'
    )
    code, document, _ = shop.run("ci", "scan")
    assert code == 3
    assert [(scan["maker"]["tool"], scan["status"]) for scan in document["scans"]] == [
        ("osv", "ok"),
        ("trivy", "error"),
    ]
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == 3
    assert "image.scan-missing" in json.dumps(document)


@pytest.mark.real_tool("trivy")
@pytest.mark.real_tool("osv-scanner")
@pytest.mark.real_tool("grype")
def test_a_release_judged_by_four_scanners(shop: Shop) -> None:
    trivy_cache(shop.root / "trivy")
    grype_cache(shop.root / "grype")
    path = shop.root / "sluiceway.toml"
    path.write_text(
        path.read_text()
        + '\n[stages]\nscan = ["osv", "osv-scanner", "trivy", "grype"]\n'
        + '\n[plugins.scan-osv-scanner]\ndatabase = "advisories"\n'
        + '\n[plugins.scan-trivy]\ncache = "trivy"\n'
        + '\n[plugins.scan-grype]\ncache = "grype"\n'
    )
    shop.release()
    code, document, err = shop.run("ci", "scan")
    assert code == 0, json.dumps(document) + err
    assert [
        (scan["maker"]["tool"], scan["status"], scan["vulnerabilities"], scan["uncovered"])
        for scan in document["scans"]
    ] == [
        ("osv", "ok", [], []),
        ("osv-scanner", "ok", [], []),
        ("trivy", "ok", [], []),
        ("grype", "ok", [], []),
    ]
    assert str(shop.root) not in json.dumps(document["scans"])
    code, document, err = shop.run("ci", "promote", "--to=dev")
    assert code == 0, json.dumps(document) + err


def test_the_newest_inventory_is_scanned_whatever_lies_beside_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of attestations is not signed: whoever may push decides which is read last."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    digest = shop.release()
    bench = shop.bench()
    manifest = bench.registry.manifest(digest)
    assert manifest is not None
    image = Image(
        repository=bench.registry.repository, digest=digest, media_type=manifest.media_type
    )
    attestations = bench.plugins.one("sluiceway_attestations", image=image, registry=bench.registry)
    newest = evidence.newest_sbom(attestations, digest)
    assert newest is not None
    (subject, *_) = newest.predicate["packages"]
    older = {
        **newest.predicate,
        "creationInfo": {**newest.predicate["creationInfo"], "created": "2001-01-01T00:00:00Z"},
        "packages": [subject],
    }
    release.attest(bench, image, manifest, gates.SPDX, older)
    code, document, err = shop.run("ci", "scan")
    assert code == 0, json.dumps(document) + err
    assert [scan["status"] for scan in document["scans"]] == ["ok"]
    assert denials(shop) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_scanner_does_not_outlive_the_command(tmp_path: Path, number: int) -> None:
    tree(tmp_path, "tool==1.0")
    started = tmp_path / "pid"
    scanner = tmp_path / "trivy"
    scanner.write_text(
        f"#!/bin/sh\necho $$ > {started}.new; mv {started}.new {started}\nexec sleep 60\n"
    )
    scanner.chmod(0o755)
    configured(tmp_path, "trivy", more=f'[plugins.scan-trivy]\nprogram = "{scanner}"\n')
    command = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from sluiceway.cli.program import main; main()",
            "scan",
            "--fs=tree",
        ],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not started.exists():
            assert command.poll() is None
            time.sleep(0.02)
        command.send_signal(number)
        assert command.wait(30) == 130
        with pytest.raises(ProcessLookupError):
            os.kill(int(started.read_text()), 0)
    finally:
        command.kill()
        command.wait()


def npm_release(shop: Shop, advisories: Any) -> None:
    """Release an image with a package of npm's, audited by a registry that knows *advisories*."""
    installed = shop.root / "service" / "vendor" / "node_modules" / "lodash"
    installed.mkdir(parents=True)
    (installed / "package.json").write_text('{"name": "lodash", "version": "4.17.11"}')
    web = shop.root / "web"
    web.mkdir()
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": {"lodash": "4.17.11"}},
            "node_modules/lodash": {"version": "4.17.11"},
        },
    }
    (web / "package-lock.json").write_text(json.dumps(lock))
    with answering() as endpoint:
        endpoint.body = advisories
        path = shop.root / "sluiceway.toml"
        path.write_text(
            path.read_text()
            + '\n[stages]\nscan = ["osv", "npm-audit"]\n'
            + f'\n[plugins.scan-npm-audit]\nfolder = "web"\nregistry = "{endpoint.url}"\n'
        )
        shop.release()


def denials(shop: Shop) -> dict[str, str]:
    """Return code to message of what keeps the release out of the first environment."""
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    findings = document["decision"]["findings"]
    denied = {each["code"]: each["message"] for each in findings if each["level"] == "deny"}
    assert code == (3 if denied else 0)
    return denied


@pytest.mark.real_tool("npm")
def test_npm_audit_reports_and_the_gate_blocks_what_is_critical(shop: Shop) -> None:
    npm_release(shop, {"lodash": [ADVISORY]})
    assert "CRITICAL" in denials(shop)["image.vulnerability"]


@pytest.mark.real_tool("npm")
def test_a_registry_that_knows_nothing_bad_is_believed_when_the_site_says_so(shop: Shop) -> None:
    npm_release(shop, {})
    assert list(denials(shop)) == ["image.database-stale"]  # nobody says how old its advisories are
    path = shop.root / "people.json"
    data = json.loads(path.read_text()) | {"image": {"undated_databases": ["npm-audit"]}}
    path.write_text(json.dumps(data))
    assert denials(shop) == {}
