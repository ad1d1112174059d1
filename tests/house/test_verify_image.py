"""tools/verify-image, as it is, for somebody who holds a reference and a key and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.plugins.sign_kit import PASSWORD, open_kind, project_in, push

import sluiceway_sign_key as signer
from sluiceway import gates
from sluiceway.model import Maker, Scan, Status, Vulnerability
from sluiceway_sign_key.keys import generate_key_pair

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """Return the script beside an environment that is this test's own."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "tools").mkdir()
    shutil.copy2(ROOT / "tools" / "verify-image", root / "tools")
    (root / ".venv" / "bin").mkdir(parents=True)
    command = Path(sys.executable).with_name("sluiceway")
    (root / ".venv" / "bin" / "sluiceway").symlink_to(command)
    return root / "tools" / "verify-image"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Yield a registry with images of each kind, and the project that signed them."""
    folder = tmp_path_factory.mktemp("shop")
    project = project_in(folder)
    with open_kind("embedded", folder) as registry:
        for word, severities in (
            ("clean", ("LOW",)),
            ("grave", ("HIGH", "CRITICAL")),
            ("unrated", ("UNKNOWN",)),
            ("unscanned", None),
        ):
            image, manifest = push(registry, word)
            signer.sluiceway_sign(project, image, manifest, registry, {})
            if severities is not None:
                attest_scan(project, image, manifest, registry, severities)
        push(registry, "unsigned")
        image, manifest = push(registry, "attested-only")
        attest_scan(project, image, manifest, registry, ())
        yield registry, project


def attest_scan(project, image, manifest, registry, severities):
    scan = Scan(
        status=Status.OK,
        subject=image.digest,
        made_at=datetime.now(UTC) - timedelta(hours=5),
        maker=Maker(plugin="scan-osv", tool="osv", version="1"),
        vulnerabilities=tuple(
            Vulnerability(
                id=f"GHSA-{number}", aliases=(), package="pkg:pypi/a@1", severity=text, fixed=()
            )
            for number, text in enumerate(severities, 1)
        ),
        database={},
        uncovered=(),
        summary="scanned",
    )
    predicate = gates.vulnerability_predicate(scan)
    signer.sluiceway_attest(
        project, image, manifest, registry, gates.VULNERABILITIES, predicate, {}
    )


@pytest.fixture
def run(script, tmp_path):
    def call(*arguments, cwd=None, **environ):
        return subprocess.run(
            [str(script), *arguments],
            cwd=cwd or tmp_path,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return call


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("clean", 0, ["signature  ok 2 of 2 signatures verify", "scan       ok no CRITICAL, HIGH"]),
        ("grave", 3, ["signature  ok", "scan       FAILED 1 CRITICAL, 1 HIGH: GHSA-2"]),
        ("unrated", 3, ["signature  ok", "scan       FAILED 1 UNKNOWN"]),
        ("unscanned", 3, ["signature  ok", "scan       FAILED nobody attested a scan"]),
        ("unsigned", 3, ["signature  FAILED not signed", "scan       FAILED"]),
        ("attested-only", 3, ["signature  FAILED not signed", "scan       ok"]),
    ],
)
def test_two_ticks_or_the_reason(shop, run, word, code, said):
    registry, project = shop
    done = run(f"{registry.repository}:{word}", "--key", str(project.state / "cosign.pub"))
    assert done.returncode == code, done.stderr
    for text in said:
        assert text in done.stdout
    manifest = registry.resolve(word)
    assert f"{registry.repository}@{manifest.digest}" in done.stdout


def test_the_digest_counts_where_both_are_named(shop, run):
    registry, project = shop
    digest = registry.resolve("clean").digest
    done = run(
        "--key", str(project.state / "cosign.pub"), f"{registry.repository}:unsigned@{digest}"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_key_may_be_named_in_three_ways(shop, run, tmp_path):
    registry, project = shop
    reference = f"{registry.repository}:clean"
    public = project.state / "cosign.pub"
    assert "sign.no-public-key" in run(reference).stderr
    assert run(reference, COSIGN_PUBLIC_KEY=str(public)).returncode == 0
    assert run(reference, COSIGN_PUBLIC_KEY=public.read_text()).returncode == 0
    shutil.copy(public, tmp_path)
    assert run(reference).returncode == 0
    _, stranger = generate_key_pair(tmp_path / "stranger", PASSWORD)
    done = run(reference, f"--key={stranger}")
    assert done.returncode == 3
    assert "none of 2 signatures verifies" in done.stdout
    assert "none verified" in done.stdout


def test_in_a_services_folder_its_configuration_says_who_is_trusted(shop, run, tmp_path):
    registry, project = shop
    shutil.copy(project.state / "cosign.pub", tmp_path / "release.pub")
    host = registry.repository.partition("/")[0]
    (tmp_path / "sluiceway.toml").write_text(
        '[service]\nname = "app"\n'
        f'repository = "{host}/team/other"\n'
        '[plugins.sign-key]\npublic_keys = ["release.pub"]\n'
    )
    # A stranger's key that happens to lie about is not what the service trusts.
    _, stranger = generate_key_pair(tmp_path / "stranger", PASSWORD)
    shutil.copy(stranger, tmp_path / "cosign.pub")
    done = run(f"{registry.repository}:clean")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"whom the service in {tmp_path} trusts" in done.stdout


def test_json_is_one_document_with_both_pieces_of_evidence(shop, run):
    registry, project = shop
    key = f"--key={project.state / 'cosign.pub'}"
    document = json.loads(run("--json", key, f"{registry.repository}:grave").stdout)
    assert document["verified"] is False
    assert [(check["name"], check["good"]) for check in document["checks"]] == [
        ("signature", True),
        ("scan", False),
    ]
    assert document["scan"]["facts"]["counts"]["HIGH"] == 1
    assert document["image"]["digest"] == registry.resolve("grave").digest
    document = json.loads(run("--json", key, f"{registry.repository}:unscanned").stdout)
    assert document["scan"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Usage:"),
        (["--key"], "--key needs"),
        (["--kex=a", "127.0.0.1:1/a:b"], "no option --kex=a"),
        (["127.0.0.1:1/a:b", "127.0.0.1:1/a:c"], "one image at a time"),
        (["team/app:dev", "--key=k"], "is not a repository"),
        (["127.0.0.1:1/team/app", "--key=k"], "names no image"),
        (["127.0.0.1:1/team/app@sha256:12", "--key=k"], "is not an image digest"),
        (["127.0.0.1:1/team/app:a", "--key=missing.pub"], "cannot be read"),
    ],
)
def test_a_wrong_call_ends_with_two_and_says_how(run, arguments, said):
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_a_missing_image_and_a_silent_registry_are_told_apart(shop, run):
    registry, project = shop
    key = f"--key={project.state / 'cosign.pub'}"
    done = run(key, f"{registry.repository}:nothing")
    assert (done.returncode, "image.unknown" in done.stderr) == (2, True)
    done = run(key, "127.0.0.1:1/team/app:dev")
    assert (done.returncode, "registry.unreachable" in done.stderr) == (5, True)


def test_help_is_the_scripts_own_head(run):
    done = run("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: tools/verify-image REFERENCE")
    assert "set -eu" not in done.stdout


def test_a_signature_by_another_member_still_counts(shop, run, tmp_path):
    """Somebody else's signature beside ours is said, and costs nothing."""
    registry, project = shop
    image, manifest = push(registry, "both")
    signer.sluiceway_sign(project, image, manifest, registry, {})
    generate_key_pair(tmp_path / "state", PASSWORD)
    stranger = replace(project, root=tmp_path, state=tmp_path / "state")
    signer.sluiceway_sign(stranger, image, manifest, registry, {})
    done = run(f"{registry.repository}:both", f"--key={project.state / 'cosign.pub'}")
    assert "signature  ok 2 of 4 signatures verify" in done.stdout
    assert "problem 1" in done.stdout
