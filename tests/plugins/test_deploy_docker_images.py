"""How an image comes into an engine, and that nothing but its digest is ever run."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.registry_kit import real_registry

from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import Image, Manifest
from sluiceway.oci import open_registry
from sluiceway_deploy_docker import images
from sluiceway_deploy_docker.container import Spec, network_name, owner, port_of, user_of
from sluiceway_deploy_docker.engine import Engine
from sluiceway_deploy_docker.settings import host_of, read

from .deploy_docker_kit import docker, opened
from .deploy_local_kit import ask, digest, layer

INDEX = "application/vnd.oci.image.index.v1+json"


@contextmanager
def doorkeeper(behind):
    """Yield the address of a registry that shows what *behind* has to ``bot`` with its password."""
    secret = "Basic " + base64.b64encode(b"bot:hunter2!").decode()
    host, _, port = behind.partition(":")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.headers.get("Authorization") != secret:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="shop"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            asked = http.client.HTTPConnection(host, int(port), timeout=20)
            accept = ", ".join(self.headers.get_all("Accept") or ["*/*"])
            asked.request(self.command, self.path, headers={"Accept": accept})
            answer = asked.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())
            asked.close()

        do_HEAD = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:  # or a test that fails is waited for without end
            server.shutdown()
            thread.join()


@pytest.mark.slow
@pytest.mark.usefixtures("docker_engine")
@pytest.mark.real_tool("docker-registry")
def test_the_engine_pulls_by_digest_with_the_password_and_else_is_given_the_image(tmp_path):
    with (
        real_registry("docker-registry", tmp_path / "registry", in_memory=True) as behind,
        doorkeeper(behind) as address,
        opened(tmp_path / "site", pull="engine") as site,
    ):
        site.registry = open_registry(f"{behind}/team/shop")
        stored = site.image("one")
        environ = {
            **site.project.environ,
            "REGISTRY_USERNAME": "bot",
            "REGISTRY_PASSWORD": "wrong-word",
        }
        site.registry = open_registry(f"{address}/team/shop", environ=environ)
        image = Image(
            repository=f"{address}/team/shop", digest=stored.digest, media_type=stored.media_type
        )
        site.registry = open_registry(f"{behind}/team/shop")
        site.project = replace(site.project, environ=environ)
        with pytest.raises(ActionFailed) as caught:
            site.deploy(image)
        assert caught.value.code == "deploy.pull"
        assert "wrong-word" not in str(caught.value.diagnostics())
        assert site.containers() == []

        environ["REGISTRY_PASSWORD"] = "hunter2!"
        try:
            site.deploy(image)
            assert ask(site.port()) == (200, "one 0")
            (known,) = json.loads(docker("inspect", site.container()["Image"]))
            assert f"{address}/team/shop@{image.digest}" in known["RepoDigests"]
            assert "hunter2!" not in json.dumps(site.state_file())

            # An engine without a way to the registry is given what this side can read.
            site.settings["pull"] = "auto"
            site.project = replace(site.project, environ={**environ, "REGISTRY_PASSWORD": "lost"})
            two = site.image("two")
            site.deploy(replace(image, digest=two.digest))
            assert ask(site.port()) == (200, "two 0")
        finally:
            docker("rmi", "--force", f"{address}/team/shop@{image.digest}")


@pytest.mark.slow
@pytest.mark.usefixtures("docker_engine")
def test_an_altered_image_is_never_started(tmp_path):
    with opened(tmp_path) as site:
        files = [layer({"app/x": "one"})]
        config = {"User": "10001", "ExposedPorts": {"80/tcp": {}}, "Entrypoint": ["/app/x"]}
        image = site.push(files, config, zipped=True)
        document = json.loads(site.registry.manifest(image.digest).body)
        other = site.registry.put_blob(layer({"app/x": "two"}))
        document["layers"] = [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": other.digest,
                "size": other.size,
            }
        ]
        body = json.dumps(document).encode()
        altered = Manifest(body=body, media_type=image.media_type, digest=digest(body))
        site.registry.put_manifest(altered.digest, altered)
        with pytest.raises(ActionFailed) as caught:
            site.deploy(replace(image, digest=altered.digest))
        assert caught.value.code == "deploy.image-refused"
        assert "layer" in caught.value.what
        assert site.containers() == []
        with pytest.raises(ActionFailed) as caught:
            site.deploy(replace(image, digest="sha256:" + "0" * 64))
        assert caught.value.code == "deploy.no-image"
        # It is the right one, zipped, and its program cannot be run: the engine's word is passed on.
        with pytest.raises(ActionFailed) as caught:
            site.deploy(image)
        assert caught.value.code == "deploy.unhealthy"
        assert "/app/x" in caught.value.means
        assert site.containers() == []


class Lying(Engine):
    """An engine that has something else wherever it is asked."""

    def __init__(self):
        """Talk to nobody."""

    def image(self, _name):
        return {"Id": "sha256:" + "e" * 64}

    def pull(self, _name, _auth):
        yield {"status": "done"}

    def load(self, _archive):
        yield {"stream": "Loaded"}


@pytest.mark.parametrize("pull", ["engine", "load"])
def test_what_the_engine_has_instead_is_refused(tmp_path, pull):
    from sluiceway.model import Project

    from .deploy_docker_kit import DockerSite

    project = Project(service="shop", root=tmp_path, state=tmp_path, environ={})
    site = DockerSite(project=project)
    image = site.push([layer({"x": "1"})], {})
    asked = images.wanted(image, site.registry, "amd64")
    options = read({"pull": pull})
    with pytest.raises(ActionFailed) as caught:
        images.held(Lying(), asked, site.registry, project, options, "mine", tmp_path)
    assert caught.value.code == "deploy.wrong-image"
    assert "e" * 64 in caught.value.what


def test_an_index_is_the_manifest_for_the_engines_machine(tmp_path):
    from sluiceway.model import Project

    from .deploy_docker_kit import DockerSite

    site = DockerSite(project=Project(service="s", root=tmp_path, state=tmp_path, environ={}))
    image = site.push([layer({"x": "1"})], {"User": "7"})
    size = len(site.registry.manifest(image.digest).body)
    child = {"mediaType": image.media_type, "digest": image.digest, "size": size}
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{**child, "platform": {"os": "linux", "architecture": "amd64"}}],
        }
    ).encode()
    index = Manifest(body=body, media_type=INDEX, digest=digest(body))
    site.registry.put_manifest(index.digest, index)
    whole = Image(repository=image.repository, digest=index.digest, media_type=INDEX)
    asked = images.wanted(whole, site.registry, "amd64")
    assert asked.config == {"User": "7"}
    assert {image.digest, index.digest} < asked.ids
    with pytest.raises(ActionFailed) as caught:
        images.wanted(whole, site.registry, "arm64")
    assert "linux/arm64" in caught.value.what


@pytest.mark.parametrize(
    ("said", "settings", "answer"),
    [
        ("1001", {}, "1001"),
        ("1001:1001", {}, "1001:1001"),
        ("node", {"user": "1000:1000"}, "1000:1000"),
        ("", {"user": "5"}, "5"),
        ("", {"root": True}, "0"),
        ("node", {"root": True}, "node"),
        ("", {}, "deploy.root"),
        ("root", {}, "deploy.root"),
        ("0", {}, "deploy.root"),
        ("00:1001", {}, "deploy.root"),
        ("root:users", {}, "deploy.root"),
        ("1001", {"user": "0:5"}, "deploy.root"),
        ("node", {}, "deploy.user"),
        ("1001:staff", {}, "deploy.user"),
    ],
)
def test_root_is_refused_and_so_is_a_name_that_may_be_root(said, settings, answer):
    options = read(settings)
    if not answer.startswith("deploy."):
        assert user_of({"User": said}, options) == answer
        return
    with pytest.raises(ActionFailed) as caught:
        user_of({"User": said}, options)
    assert caught.value.code == answer


def test_the_port_is_the_one_that_is_exposed_or_said():
    assert port_of({"ExposedPorts": {"8080/tcp": {}, "53/udp": {}}}, read({})) == 8080
    assert port_of({"ExposedPorts": {"9000": {}}}, read({})) == 9000
    assert port_of({}, read({"container_port": 81})) == 81
    several: tuple[dict[str, object], ...] = ({}, {"80/tcp": {}, "443/tcp": {}})
    for exposed in several:
        with pytest.raises(ActionFailed) as caught:
            port_of({"ExposedPorts": exposed}, read({}))
        assert caught.value.code == "deploy.container-port"


@pytest.mark.parametrize(
    "settings",
    [
        {"pull": "always"},
        {"user": "node"},
        {"container_port": 65536},
        {"memory_bytes": 1024},
        {"cpus": 0.0},
        {"cpus": float("nan")},
        {"pids": 0},
        {"stop_seconds": -5.0},
        {"memory": "512m"},
        {"pass_environment": ["COSIGN_PASSWORD"]},
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_name(settings):
    with pytest.raises(ConfigurationError) as caught:
        read(settings)
    assert "[plugins.deploy-docker]" in caught.value.what


def test_an_engine_of_another_machine_is_refused():
    for host in ("unix:///run/docker.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2376"):
        assert host_of(read({"host": host}), {}) == host
    assert host_of(read({}), {"DOCKER_HOST": "unix:///mine"}) == "unix:///mine"
    for host in ("tcp://docker:2375", "ssh://me@there", "tcp://127.0.0.1.example.com:1"):
        with pytest.raises(ConfigurationError) as caught:
            host_of(read({}), {"DOCKER_HOST": host})
        assert caught.value.code == "deploy.engine-elsewhere"


def test_a_specification_survives_being_written_and_names_are_fit_for_the_engine(tmp_path):
    spec = Spec(
        host="unix:///x",
        image="sha256:1",
        digest="sha256:2",
        service="Shop & Co",
        environment="live",
        route="live",
        owner=owner(tmp_path),
        port=8080,
        user="7",
        env={"A": "1", "PORT": "99"},
        passed=("GIVEN",),
        memory_bytes=1,
        cpus=0.25,
        pids=3,
        tmpfs_bytes=4,
        log_bytes=5,
        stop_seconds=6.0,
    )
    assert Spec.from_text(spec.to_text()) == spec
    assert spec.name("abc") == "sluiceway-Shop-Co-live-abc"
    assert network_name("Shop & Co", "o") == "sluiceway-Shop-Co-o"
    made = spec.configuration({"GIVEN": "g", "SECRET": "s", "FF_X": "on"}, {"slot": "canary"})
    assert made["environment"] == {"A": "1", "PORT": "8080", "GIVEN": "g", "FF_X": "on"}
    assert made["labels"]["sluiceway.slot"] == "canary"
    assert owner(tmp_path) != owner(tmp_path / "other")
