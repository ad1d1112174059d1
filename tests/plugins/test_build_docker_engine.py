"""Builds by a real engine: what is pushed, what is said when it fails, and what is left behind."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tarfile
import threading
import time
import uuid
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import sluiceway_build_docker as plugin
from sluiceway import process
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError, SluicewayError

from .builders_kit import (
    EPOCH,
    configuration,
    context,
    labels_are_ours,
    project,
    registry,
    request_for,
    root_of_busybox,
    said,
)

__all__ = ["context", "project", "registry", "request_for", "said"]  # fixtures

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.slow]

CLASSIC = {"builder": "engine", "network": "none", "cache": False}


def docker(*arguments, **more):
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=False, timeout=120, **more
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Return the name of an image with a shell, in the engine for this module only."""
    folder = root_of_busybox(tmp_path_factory.mktemp("base") / "root")
    archive = folder.with_name("root.tar")
    with tarfile.open(archive, "w") as sink:
        sink.add(folder, arcname=".")
    mark = uuid.uuid4().hex
    name, label = f"sluiceway-test-base:{mark}", f"sluiceway-test={mark}"
    changes = ("--change", "ENV PATH=/bin", "--change", f"LABEL {label}")
    docker("import", *changes, str(archive), name)
    yield name
    docker("image", "rm", "--force", name)
    docker("image", "prune", "--force", "--filter", f"label={label}")  # what failed builds left


@pytest.fixture
def unchanged():
    """See that the engine's images are afterwards what they were before."""
    listing = ("images", "--no-trunc", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
    before = set(docker(*listing).splitlines())
    yield
    mine = {line for line in set(docker(*listing).splitlines()) - before if "/team/app" in line}
    assert mine == set()


def build(project, request, registry, settings=CLASSIC):
    return plugin.sluiceway_build(project, request, registry, settings)


def refused(project, request, registry, settings=CLASSIC) -> SluicewayError:
    with pytest.raises(SluicewayError) as caught:
        build(project, request, registry, settings)
    return caught.value


@pytest.mark.usefixtures("unchanged")
def test_what_was_built_is_in_the_registry_under_the_reported_digest(
    project, request_for, registry, said
):
    request = request_for("FROM scratch\nCOPY . /app/\nUSER 1001\n")
    pushed = build(project, request, registry)
    assert registry.manifest(pushed.digest) is not None
    assert registry.resolve("pushed").digest == pushed.digest
    found = configuration(registry, pushed.digest)
    assert labels_are_ours(found["config"]["Labels"])
    assert labels_are_ours(pushed.labels)
    assert found["config"]["User"] == "1001"
    assert pushed.reproducible == "no"
    steps = [event.data["text"] for event in said if event.kind == "build.step"]
    assert any("COPY . /app/" in step for step in steps)
    assert any(step.startswith("push ") for step in steps)
    # The whole context was copied: our own state, with the key in it, is not part of it.
    names = _names(registry, pushed.digest)
    assert "app/hello" in names
    assert not [name for name in names if "sluiceway" in name or "cosign" in name]


@pytest.mark.real_tool("busybox")
@pytest.mark.usefixtures("unchanged")
def test_run_runs_and_its_lines_are_followed(project, request_for, registry, base, said):
    request = request_for(
        f"""
        FROM {base}
        ARG WHO
        RUN echo "made by $WHO" > /made && echo it runs
        """
    )
    pushed = build(project, request, registry, {**CLASSIC, "args": {"WHO": "us"}})
    assert "made" in _names(registry, pushed.digest)
    assert "it runs" in [event.data["text"] for event in said if event.kind == "build.output"]


@pytest.mark.real_tool("busybox")
def test_a_step_that_fails_shows_its_last_lines(project, request_for, registry, base):
    request = request_for(
        f"""
        FROM {base}
        RUN echo not this
        RUN for n in 1 2 3; do echo line $n; done; echo the reason >&2; exit 7
        """
    )
    error = refused(project, request, registry)
    assert (error.code, type(error)) == ("build.step-failed", ActionFailed)
    assert "non-zero code: 7" in error.what
    assert "line 3" in error.means
    assert "the reason" in error.means
    assert "not this" not in error.means
    assert registry.tags() == ()


@pytest.mark.parametrize(
    ("text", "settings", "code", "kind"),
    [
        ("FROM scratch\nCOPPY hello /\n", {}, "build.dockerfile", ConfigurationError),
        ("FROM scratch AS a\nCOPY hello /\n", {"target": "b"}, "build.target", ConfigurationError),
        ("FROM no-such-image.invalid/x:1\nCOPY hello /\n", {}, "build.base-image", ActionFailed),
        ("FROM scratch\nCOPY nothing /\n", {}, "build.failed", ActionFailed),
    ],
)
def test_what_cannot_be_built_has_a_code_and_pushes_nothing(
    project, request_for, registry, text, settings, code, kind
):
    error = refused(project, request_for(text), registry, {**CLASSIC, **settings})
    assert (error.code, type(error)) == (code, kind), error.diagnostics()
    assert error.remedy.startswith("Correct ")
    assert registry.tags() == ()


def test_an_image_for_another_platform_is_not_pushed(project):
    from sluiceway_build_docker import building
    from sluiceway_build_docker.options import options

    is_for = {"Os": "linux", "Architecture": "amd64"}
    building._check_platform(is_for, options({"platform": "linux/amd64"}, {}))
    building._check_platform(is_for, options({}, {}))
    with pytest.raises(ActionFailed) as caught:
        building._check_platform(is_for, options({"platform": "linux/arm64/v8"}, {}))
    assert caught.value.code == "build.platform"


def test_a_key_in_the_context_stops_the_build(project, request_for, registry, context):
    (context / "deploy.key").write_text("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n")
    error = refused(project, request_for("FROM scratch\nCOPY hello /\n"), registry)
    assert error.code == "build.signing-key"
    (context / "Dockerfile.dockerignore").write_text("# keys\n*.key\n")
    assert build(project, request_for("FROM scratch\nCOPY . /\n"), registry).digest


@pytest.mark.usefixtures("unchanged")
def test_a_registry_that_is_not_there(project, request_for, registry):
    request = request_for("FROM scratch\nCOPY hello /\n")
    error = refused(project, replace(request, repository="127.0.0.1:1/team/app"), registry)
    assert error.code == "build.push-unreachable"
    assert "127.0.0.1" in error.means


@pytest.fixture
def doorkeeper():
    """A registry that lets nobody in; ``asked`` holds the Authorization headers that it saw."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("Authorization", ""))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="nobody"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("unchanged")
def test_credentials_go_with_the_push_and_are_not_shown(
    project, request_for, registry, doorkeeper, said
):
    address, asked = doorkeeper
    environ = {**project.environ, "REGISTRY_USERNAME": "bot", "REGISTRY_PASSWORD": "hunter2!"}
    request = replace(request_for("FROM scratch\nCOPY hello /\n"), repository=f"{address}/team/app")
    error = refused(replace(project, environ=environ), request, registry)
    assert error.code == "build.push-denied"
    assert "REGISTRY_USERNAME and REGISTRY_PASSWORD" in error.means
    assert "Basic " + base64.b64encode(b"bot:hunter2!").decode() in asked
    assert "hunter2!" not in str(error.diagnostics()) + str([event.data for event in said])
    error = refused(project, request, registry)
    assert "no credentials" in error.means


def test_an_engine_that_is_missing_or_denies(project, request_for, registry, tmp_path):
    request = request_for("FROM scratch\nCOPY hello /\n")
    error = refused(project, request, registry, {**CLASSIC, "host": f"unix://{tmp_path}/none.sock"})
    assert (error.code, type(error)) == ("build.engine-missing", PluginError)
    assert "systemctl start docker" in error.remedy
    error = refused(project, request, registry, {**CLASSIC, "host": "tcp://127.0.0.1:1"})
    assert error.what == "no Docker engine answers at tcp://127.0.0.1:1: the connection is refused"
    (tmp_path / "none.sock").touch()
    error = refused(project, request, registry, {**CLASSIC, "host": f"unix://{tmp_path}/none.sock"})
    assert error.code == "build.engine-missing"
    (check,) = plugin.sluiceway_doctor(project, {"host": f"unix://{tmp_path}/none.sock"})
    assert check.status == "fail"
    (check,) = plugin.sluiceway_doctor(project, CLASSIC)
    assert (check.status, "engine" in check.detail) == ("ok", True)


@pytest.mark.real_tool("busybox")
@pytest.mark.parametrize("how", ["time", "stop"])
def test_a_build_that_is_broken_off_ends_in_the_engine_as_well(
    project, request_for, registry, base, how
):
    mark = uuid.uuid4().hex
    request = request_for(f"FROM {base}\nRUN echo {mark}; sleep 240\n")
    stop = threading.Event()

    def check():
        if how == "stop" and _running(mark):
            stop.set()
        if stop.is_set():
            raise ActionFailed("enough", code="interrupted")

    settings = {**CLASSIC, "timeout_seconds": 8 if how == "time" else 200}
    with process.stoppable(check), pytest.raises(ActionFailed) as caught:
        build(project, request, registry, settings)
    assert caught.value.code == ("build.timeout" if how == "time" else "interrupted")
    for _ in range(300):
        if not _running(mark):
            break
        time.sleep(0.1)
    assert not _running(mark)


def test_two_builds_at_once_are_not_taken_for_each_other(project, request_for, registry, context):
    """Both push under one name on one engine; each gets its own digest or an error, never the
    other's.
    """
    requests = []
    for number in range(2):
        folder = context.parent / f"context-{number}"
        folder.mkdir()
        (folder / "which").write_text(str(number))
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY which /\n")
        request = request_for("FROM scratch\n")
        requests.append(
            replace(request, context=folder, dockerfile=folder / "Dockerfile", revision=str(number))
        )
    answers = {}

    def one(number):
        try:
            answers[number] = build(project, requests[number], registry)
        except ActionFailed as error:
            answers[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    for number in range(2):
        answer = answers[number]
        if isinstance(answer, ActionFailed):
            assert answer.code in {"build.mixed-up", "build.push-failed"}
        else:
            found = configuration(registry, answer.digest)["config"]["Labels"]
            assert found["org.opencontainers.image.revision"] == str(number)


def test_a_digest_of_another_image_is_not_believed(project, request_for, registry, monkeypatch):
    from sluiceway_build_docker import building

    first = build(project, request_for("FROM scratch\nCOPY hello /one\n"), registry)
    monkeypatch.setattr(building, "_pushed", lambda *_: first.digest)
    error = refused(project, request_for("FROM scratch\nCOPY hello /two\n"), registry)
    assert error.code == "build.mixed-up"


def _running(mark):
    listed = docker("ps", "--no-trunc", "--format", "{{.Command}}")
    return mark in listed


def _names(registry, digest):
    names = set()
    for layer in json.loads(registry.manifest(digest).body)["layers"]:
        body = registry.blob(layer["digest"], limit=1 << 28)
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            for member in archive:
                names.add(member.name)
                if member.name == "app/hello":
                    assert (member.mtime, member.uid) == (EPOCH, 0)
    return names
