"""A release is built once: what was built from a commit is found again, if it is surely that."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluiceway import events, oci
from sluiceway.gates.provenance import PROVENANCE
from sluiceway.model import Image
from sluiceway.runs import building
from sluiceway.runs import source as sources

pytestmark = pytest.mark.slow


def git(folder, *arguments):
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def commit(folder):
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "x", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def committed(shop):
    """The shop with its service under version control, and the commit."""
    git(shop.root / "service", "init", "--quiet")
    return shop, commit(shop.root / "service")


def released(shop, *arguments, code=0):
    """Release; return the document and what was said on the way."""
    said: list[events.Event] = []
    with events.subscribed(said.append):
        ended, document, err = shop.run("ci", "release", *arguments)
    assert ended == code, json.dumps(document) + err
    reasons = [event.data["reason"] for event in said if event.kind == "build.anew"]
    return document, reasons


def attested(shop, digest):
    bench = shop.bench()
    manifest = bench.registry.manifest(digest)
    image = Image(
        repository=bench.registry.repository, digest=digest, media_type=manifest.media_type
    )
    return bench.plugins.one("sluiceway_attestations", image=image, registry=bench.registry)


def named(bench, tag):
    """The digest that the registry's *tag* names; no environment has this name."""
    manifest = bench.registry.resolve(tag)
    return "" if manifest is None else manifest.digest


def kinds(shop, digest):
    return sorted(item.predicate_type for item in attested(shop, digest))


def test_a_release_leaves_a_workflow_its_summary(committed, monkeypatch, tmp_path):
    shop, _ = committed
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    document, _ = released(shop)
    text = (tmp_path / "summary").read_text()
    assert text.startswith("### Released ")
    assert document["image_digest"] in text


def test_the_second_release_of_a_commit_is_the_first_ones_image(committed):
    shop, revision = committed
    first, reasons = released(shop)
    assert reasons == ["no finished release of this commit is here"]
    assert (first["reused"], first["revision"]) == (False, revision)
    Path(first["sbom_path"]).unlink()
    before = kinds(shop, first["image_digest"])
    second, reasons = released(shop)
    assert (second["reused"], reasons) == (True, [])
    assert second["image_digest"] == first["image_digest"]
    assert second["reproducible"] == first["reproducible"] == "yes"
    assert second["packages"] == first["packages"]
    assert Path(second["sbom_path"]).is_file()
    # Signed and inventoried already; scanned again, because advisories are news.
    vulnerabilities = "https://cosign.sigstore.dev/attestation/vuln/v1"
    assert kinds(shop, first["image_digest"]) == sorted([*before, vulnerabilities])
    (newest, oldest) = shop.bench().ledger.entries(kinds=("release",), newest_first=True)
    assert (newest.body["reused"], newest.body["revision"]) == (True, revision)
    assert (oldest.body["reused"], oldest.body["revision"]) == (False, revision)


def test_what_a_person_reads_says_that_nothing_was_built(committed, capsys, monkeypatch):
    from invoke.program import Program

    from sluiceway.cli import namespace

    shop, revision = committed
    released(shop)
    for name, value in shop.environ("ci").items():
        monkeypatch.setenv(name, value)
    Program(namespace=namespace()).run(["sluiceway", "release"])
    out, err = capsys.readouterr()
    assert f"before, and not again, from {revision}" in out
    assert "not built again" in err


def test_force_builds_again(committed):
    shop, _ = committed
    released(shop)
    again, reasons = released(shop, "--force")
    assert (again["reused"], reasons) == (False, ["--force was given"])


def test_provenance_says_what_was_built_from_what(committed):
    shop, revision = committed
    document, _ = released(shop)
    (statement,) = [
        item
        for item in attested(shop, document["image_digest"])
        if item.predicate_type == PROVENANCE
    ]
    assert statement.verified
    definition = statement.predicate["buildDefinition"]
    assert definition["resolvedDependencies"] == [
        {"name": "source", "digest": {"gitCommit": revision}}
    ]
    (branch,) = sources.describe(shop.bench()).branches
    assert definition["internalParameters"] == {"reproducible": "yes", "branches": [branch]}
    assert branch.startswith("refs/heads/")
    external = definition["externalParameters"]
    assert external["service"] == "settlement"
    assert (external["revision"], external["dockerfile"]) == (revision, "Dockerfile")
    details = statement.predicate["runDetails"]
    assert details["builder"]["id"] == "urn:sluiceway:builder:build-layers"
    assert details["metadata"]["invocationId"] == document["run"]


@pytest.mark.real_tool("cosign")
def test_cosign_reads_the_provenance(committed):
    shop, _ = committed
    document, _ = released(shop)
    key = str(shop.root / ".sluiceway" / "cosign.pub")
    reference = f"{document['image']['repository']}@{document['image_digest']}"
    offline = ("--insecure-ignore-tlog=true", "--allow-http-registry", "--key", key)
    done = subprocess.run(
        ["cosign", "verify-attestation", "--type", "slsaprovenance1", *offline, reference],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_tag_that_somebody_else_set_is_not_believed(committed):
    """Whoever may push can put any image, with any label, under the commit's tag."""
    shop, revision = committed
    bench = shop.bench()
    forged = building.built_json(bench)["image"]["digest"]  # right label, but nobody signed it
    registry = bench.registry
    assert revision in _configuration(registry, forged)["config"]["Labels"].values()
    # Other bytes, so that an honest build is another digest: it came from who knows where.
    document = json.loads(registry.manifest(forged).body) | {"annotations": {"by": "somebody"}}
    forged = oci.manifest_from(json.dumps(document).encode(), document["mediaType"])
    registry.put_manifest(forged.digest, forged)
    registry.put_manifest(f"source-{revision}", forged)
    document, reasons = released(shop)
    assert document["reused"] is False
    assert document["image_digest"] != forged.digest
    assert len(reasons) == 1
    assert "no provenance is attested to it" in reasons[0]
    assert named(bench, f"source-{revision}") == document["image_digest"]


def test_a_statement_by_a_key_that_is_not_trusted_is_not_believed(committed, tmp_path):
    shop, _ = committed
    first, _ = released(shop)
    # The attacker has a key, and may write to the registry; the site trusts its own key only.
    other = tmp_path / "other"
    other.mkdir()
    bench = shop.bench()
    bench.plugins.one("sluiceway_new_key", folder=other)
    bench.registry.put_manifest("build", bench.registry.manifest(first["image_digest"]))
    (shop.root / ".sluiceway" / "cosign.pub").write_bytes((other / "cosign.pub").read_bytes())
    (shop.root / ".sluiceway" / "cosign.key").write_bytes((other / "cosign.key").read_bytes())
    second, reasons = released(shop)
    assert second["reused"] is False
    assert "is not verified" in reasons[0]


@pytest.mark.parametrize("change", ["edited", "new", "other-commit", "settings", "epoch"])
def test_another_source_is_built(committed, monkeypatch, change):
    shop, revision = committed
    released(shop)
    service = shop.root / "service"
    expected = revision
    if change == "edited":
        (service / "RELEASE").write_text("9.9.9\n")
        expected = f"{revision}-dirty"
    elif change == "new":
        (service / "settlement" / "more.py").write_text("")
        expected = f"{revision}-dirty"
    elif change == "other-commit":
        expected = commit(service)
    elif change == "settings":
        with (shop.root / "sluiceway.toml").open("a") as file:
            file.write('\n[plugins.build-layers]\nplatform = "linux/arm64"\n')
    else:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    document, reasons = released(shop)
    assert (document["reused"], document["revision"], len(reasons)) == (False, expected, 1)
    labels = _configuration(shop.bench().registry, document["image_digest"])["config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == expected
    if change in {"edited", "new"}:
        assert "not committed" in reasons[0]
        assert named(shop.bench(), f"source-{revision}") != document["image_digest"]
        again, _ = released(shop)  # and it is not found by the next one either
        assert again["reused"] is False


def test_a_tag_moved_to_another_commits_image_is_not_believed(committed):
    shop, _ = committed
    old, _ = released(shop)
    (shop.root / "service" / "RELEASE").write_text("9.9.9\n")
    revision = commit(shop.root / "service")
    bench = shop.bench()
    manifest = bench.registry.manifest(old["image_digest"])
    bench.registry.put_manifest(f"source-{revision}", manifest)
    document, reasons = released(shop)
    assert document["reused"] is False
    assert document["image_digest"] != old["image_digest"]
    assert "its provenance has another" in reasons[0]


def test_without_version_control_nothing_is_reused(shop):
    first, reasons = released(shop)
    second, _ = released(shop)
    assert reasons == ["the source is not under version control"]
    assert (first["reused"], second["reused"], second["revision"]) == (False, False, "")
    assert not [tag for tag in shop.bench().registry.tags() if tag.startswith("source-")]


def test_a_repository_without_a_commit_is_told_apart_from_none(shop):
    git(shop.root / "service", "init", "--quiet")
    source = sources.describe(shop.bench())
    assert (source.revision, "git rev-parse HEAD" in source.problem) == ("", True)


def test_a_folder_that_its_repository_ignores_is_in_no_commit(shop):
    """Git calls such a work tree clean, and the commit says nothing about it."""
    (shop.root / ".gitignore").write_text("*\n")
    git(shop.root, "init", "--quiet")
    commit(shop.root)
    source = sources.describe(shop.bench())
    assert source.dirty
    assert "Dockerfile is not in the commit" in source.problem


def test_files_that_look_like_a_repository_do_not_make_git_run_anything(
    shop, tmp_path, monkeypatch
):
    """Anybody who may commit files can commit a repository, whose settings name programs."""
    service, ran = shop.root / "service", tmp_path / "ran"
    (service / "objects").mkdir()
    (service / "refs").mkdir()
    (service / "objects" / "keep").touch()
    (service / "refs" / "keep").touch()
    (service / "HEAD").write_text("ref: refs/heads/master\n")
    (service / "config").write_text(
        "[core]\nrepositoryformatversion = 0\nbare = false\nworktree = ..\n"
        f'fsmonitor = "echo $COSIGN_PASSWORD > {ran}; false"\n'
    )
    git(shop.root, "init", "--quiet")
    git(shop.root, "add", "--force", "service")
    git(shop.root, "commit", "--quiet", "--message", "x")
    revision = git(shop.root, "rev-parse", "HEAD")
    # What the settings name is run as soon as there is a commit to compare with.
    refs = service / "refs" / "heads"
    refs.mkdir()
    (refs / "master").write_text(revision)
    for folder in (shop.root / ".git" / "objects").iterdir():
        shutil.copytree(folder, service / "objects" / folder.name)
    monkeypatch.setenv("COSIGN_PASSWORD", "of the key")
    source = sources.describe(shop.bench())
    assert not ran.exists()
    assert source.commit in {"", revision}
    assert source.problem


@pytest.mark.parametrize("bit", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_was_told_not_to_look_at_is_not_surely_the_commits(committed, bit):
    shop, _ = committed
    assert not sources.describe(shop.bench()).dirty
    changed = next(path for path in (shop.root / "service").rglob("*.py"))
    git(shop.root / "service", "update-index", bit, str(changed))
    with changed.open("a") as file:
        file.write("# not in the commit\n")
    source = sources.describe(shop.bench())
    assert source.dirty
    assert changed.name in source.problem


def test_what_is_edited_during_the_build_is_not_that_commit(committed, monkeypatch):
    shop, revision = committed
    build = building._build

    def edited(bench, source):
        built = build(bench, source)
        (shop.root / "service" / "RELEASE").write_text("9.9.9\n")
        return built

    monkeypatch.setattr(building, "_build", edited)
    document, _ = released(shop)
    assert document["revision"] == f"{revision}-dirty"
    assert named(shop.bench(), f"source-{revision}") == ""


def test_a_release_that_was_killed_after_its_build_is_resumed_and_then_reused(committed):
    """Killed between build and provenance: nothing names the image until it says where it is from."""
    shop, revision = committed
    script = (
        "import os, signal, sys\n"
        "from sluiceway.runs import building\n"
        "def cut(*_, **__):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "building.provenance_json = cut\n"
        "from sluiceway.cli.program import main\n"
        "sys.argv = ['sluiceway', 'release']\n"
        "main()\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=shop.root,
        env={**os.environ, **shop.environ("ci")},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    bench = shop.bench()
    assert named(bench, f"source-{revision}") == ""
    assert bench.held("build") == ""
    code, document, err = shop.run("ci", "resume")
    assert code == 0, err + json.dumps(document)
    assert bench.held("build") == named(bench, f"source-{revision}") != ""
    again, _ = released(shop)
    assert again["reused"] is True


def test_ctrl_c_stops_what_a_builder_started(committed, tmp_path):
    """The first Ctrl-C ends the build, not only the run around it."""
    shop, _ = committed
    mark = tmp_path / "pid"
    script = (
        "import sys\n"
        "import sluiceway_build_layers as plugin\n"
        "from sluiceway import process\n"
        "from sluiceway.hookspecs import hookimpl\n"
        "@hookimpl\n"
        "def sluiceway_build(project, request, settings):\n"
        f"    process.stream(['sh', '-c', 'echo $$ > {mark}; sleep 300'],\n"
        "                   timeout=200, on_line=lambda line: None)\n"
        "plugin.sluiceway_build = sluiceway_build\n"
        "from sluiceway.cli.program import main\n"
        "sys.argv = ['sluiceway', 'release', '--json']\n"
        "main()\n"
    )
    release = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=shop.root,
        env={**os.environ, **shop.environ("ci")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        for _ in range(600):
            if mark.is_file() and mark.read_text().strip():
                break
            time.sleep(0.1)
        release.send_signal(signal.SIGINT)
        out, _ = release.communicate(timeout=60)
    finally:
        release.kill()
        release.wait()
    assert release.returncode == 130
    assert json.loads(out)["outcome"] == "interrupted"
    assert not Path(f"/proc/{mark.read_text().strip()}").exists()


def _configuration(registry, digest):
    document = json.loads(registry.manifest(digest).body)
    return json.loads(registry.blob(document["config"]["digest"], limit=1 << 20))
