"""buildx: its command line, what it reports, and real builds where it is installed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import sluiceway_build_docker as plugin
from sluiceway import process
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.model import Pushed
from sluiceway.oci import Layout, manifest_from
from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_MANIFEST
from sluiceway_build_docker import buildx, faults
from sluiceway_build_docker.options import options

from .builders_kit import (
    configuration,
    context,
    labels_are_ours,
    project,
    registry,
    request_for,
    said,
)

__all__ = ["context", "project", "registry", "request_for", "said"]  # fixtures

ID, MANIFEST = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SOLVED = "ERROR: failed to solve: "


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"builder": "kaniko"}, "configuration.range"),
        ({"pull": "never"}, "configuration.range"),
        ({"network": "--privileged"}, "configuration.range"),
        ({"target": "a b"}, "configuration.range"),
        ({"platform": "linux/amd64,linux/arm64"}, "build.platform"),
        ({"timeout_seconds": 0}, "configuration.range"),
        ({"args": {"N": 1}}, "configuration.type"),
        ({"args": {"A=B": "1"}}, "configuration.type"),
        ({"args": {"NPM_TOKEN": "x"}}, "build.secret-argument"),
        ({"args": {"db_password": "x"}}, "build.secret-argument"),
        ({"args": {"SIGNING_KEY": "x"}}, "build.secret-argument"),
        ({"args": {"HARMLESS": "at hunter2!"}}, "build.secret-argument"),
        ({"cache": "yes"}, "configuration.type"),
    ],
)
def test_settings_that_cannot_be_right(settings, code):
    with pytest.raises(ConfigurationError) as caught:
        options(settings, {"REGISTRY_PASSWORD": "hunter2"})
    assert caught.value.code == code
    assert "hunter2" not in str(caught.value.diagnostics())


@pytest.mark.parametrize("name", ["CHANNEL", "PASSENGERS", "KEYBOARD", "MONKEY", "AUTHOR"])
def test_ordinary_arguments_are_none(name):
    assert options({"args": {name: "x"}}, {}).args == {name: "x"}


def test_the_command_line():
    chosen = options({"target": "run", "pull": "always", "args": {"A": "1"}, "cache": False}, {})
    words = buildx.arguments(chosen, 17, {"l": "v"}, "sub/Dockerfile", Path("/m.json"))
    assert words[:3] == ["docker", "buildx", "build"]
    for word in (
        "--metadata-file=/m.json",
        "--provenance=false",
        "--file=sub/Dockerfile",
        "--label=l=v",
        "--build-arg=SOURCE_DATE_EPOCH=17",
        "--build-arg=A=1",
        "--target=run",
        "--pull",
        "--no-cache",
    ):
        assert word in words
    assert not [word for word in words if word.startswith(("--network", "--builder", "--platform"))]


@pytest.mark.parametrize(
    ("metadata", "identifier"),
    [
        # Recorded: buildx 0.13.1 inside engine 20.10, where the one digest is the configuration's.
        ({"buildx.build.ref": "default/default/u", "containerimage.digest": ID}, ID),
        # By BuildKit's documentation: newer engines report both.
        ({"containerimage.config.digest": ID, "containerimage.digest": MANIFEST}, ID),
        ({}, ""),
        ({"containerimage.digest": 7}, ""),
    ],
)
def test_which_image_the_metadata_means(metadata, identifier):
    assert buildx.image_of(metadata) == identifier


def test_the_driver_is_read_from_what_inspect_prints():
    text = "Name:   default\nDriver: docker-container\n\nNodes:\nName:             default\n"
    assert buildx.driver_of(text) == "docker-container"
    assert buildx.driver_of("ERROR: no builder") == ""


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            f"{SOLVED}dockerfile parse error on line 2: unknown instruction: COPPY",
            "build.dockerfile",
        ),
        (f'{SOLVED}target stage "x" could not be found', "build.target"),
        (
            f'{SOLVED}process "/bin/sh -c false" did not complete successfully: exit code: 1',
            "build.step-failed",
        ),
        (
            f"{SOLVED}executor failed running [/bin/sh -c false]: exit code: 1",
            "build.step-failed",
        ),
        (
            f"{SOLVED}nosuch:1: failed to resolve source metadata for docker.io/library/nosuch:1",
            "build.base-image",
        ),
        ("", "build.failed"),
    ],
)
def test_what_a_message_means(message, code):
    assert faults.build_failed(message, ["a line"], "Dockerfile").code == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("unauthorized: authentication required", "build.push-denied"),
        ("denied: requested access to the resource is denied", "build.push-denied"),
        ("no basic auth credentials", "build.push-denied"),
        ("http: server gave HTTP response to HTTPS client", "build.push-unreachable"),
        ("dial tcp: lookup r.invalid: no such host", "build.push-unreachable"),
        ("blob upload unknown", "build.push-failed"),
    ],
)
def test_what_a_refused_push_means(message, code):
    assert faults.push_failed(message, "r.invalid/x:pushed", "").code == code


def test_a_layout_is_compared_with_the_reported_digest(project, request_for, monkeypatch):
    """A BuildKit of its own is not on every machine: what it leaves is written here by hand."""
    chosen = options({}, {})
    tool = buildx.Tool(environ={}, driver="docker-container")

    def outcome(reported):
        request = request_for("FROM scratch\n")

        def run(words, **_):
            assert (
                f"--output=type=oci,dest={request.layout},tar=false,rewrite-timestamp=true" in words
            )
            layout = Layout.create(request.layout)
            config = layout.write_blob(b'{"config": {"Labels": {"a": "b"}}}', IMAGE_CONFIG)
            body = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": IMAGE_MANIFEST,
                    "config": {
                        "mediaType": IMAGE_CONFIG,
                        "digest": config.digest,
                        "size": config.size,
                    },
                    "layers": [],
                }
            ).encode()
            manifest = manifest_from(body, IMAGE_MANIFEST)
            layout.write_manifest(manifest)
            archive.with_name("metadata.json").write_text(
                json.dumps({"containerimage.digest": reported or manifest.digest})
            )
            return process.Completed(argv=(), code=0, stdout="", stderr="")

        archive = request.layout.with_name("context.tar")
        monkeypatch.setattr(process, "stream", run)
        return buildx.to_layout(tool, chosen, request, {}, archive, "Dockerfile")

    built = outcome("")
    assert (built.labels, built.reproducible) == ({"a": "b"}, "unknown")
    with pytest.raises(ActionFailed) as caught:
        outcome(MANIFEST)
    assert caught.value.code == "build.digest-mismatch"


def test_buildx_that_is_asked_for_and_missing(project, tmp_path):
    empty = replace(project, environ={**project.environ, "DOCKER_CONFIG": str(tmp_path)})
    chosen = options({"builder": "buildx", "buildx_builder": "no-such-builder"}, {})
    with pytest.raises(PluginError) as caught:
        buildx.found(chosen, empty)
    assert caught.value.code == "build.no-buildx"
    assert buildx.found(options({"builder": "engine"}, {}), empty) is None


@pytest.fixture
def with_buildx(project, tmp_path):
    """The project with buildx as docker's plugin, in a configuration of its own."""
    folder = tmp_path / "docker-config" / "cli-plugins"
    folder.mkdir(parents=True)
    (folder / "docker-buildx").symlink_to(str(shutil.which("docker-buildx")))
    return replace(project, environ={**project.environ, "DOCKER_CONFIG": str(folder.parent)})


@pytest.mark.slow
@pytest.mark.real_tool("docker-buildx")
@pytest.mark.usefixtures("docker_engine")
def test_a_real_buildx_builds_inside_the_engine(with_buildx, request_for, registry, said):
    settings = {"builder": "buildx", "network": "none", "cache": False}
    (check,) = plugin.sluiceway_doctor(with_buildx, settings)
    assert (check.status, "by buildx" in check.detail) == ("ok", True), check
    request = request_for("FROM scratch\nCOPY . /app/\n")
    pushed = plugin.sluiceway_build(with_buildx, request, registry, settings)
    assert isinstance(pushed, Pushed)
    found = configuration(registry, pushed.digest)
    assert labels_are_ours(found["config"]["Labels"])
    steps = [event.data["text"] for event in said if event.kind == "build.step"]
    assert any("COPY . /app/" in step for step in steps)
    # Named for the push alone; nothing of it stays.
    listed = process.run(
        ["docker", "images", "--digests", "--quiet", request.repository], timeout=30
    )
    assert listed.stdout == ""


@pytest.mark.slow
@pytest.mark.real_tool("docker-buildx")
@pytest.mark.usefixtures("docker_engine")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FROM scratch\nCOPPY hello /\n", "build.dockerfile"),
        ("FROM scratch\nCOPY nothing /\n", "build.failed"),
        ("FROM scratch\nCOPY hello /\nRUN false\n", "build.step-failed"),
    ],
)
def test_what_a_real_buildx_cannot_build(with_buildx, request_for, registry, text, code):
    with pytest.raises((ActionFailed, ConfigurationError)) as caught:
        plugin.sluiceway_build(
            with_buildx, request_for(text), registry, {"builder": "buildx", "network": "none"}
        )
    assert caught.value.code == code, caught.value.diagnostics()
    assert registry.tags() == ()
