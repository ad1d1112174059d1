"""The plugin for any registry: settings, and what doctor sees."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

import sluiceway_registry_oci as plugin
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import CheckStatus, Project
from sluiceway.oci.client import RegistryClient
from sluiceway_registry_folder.server import FolderServer, bind
from sluiceway_registry_folder.storage import Store


def project_with(tmp_path, **environ):
    return Project(service="app", root=tmp_path, state=tmp_path, environ=environ)


def opened(project, repository):
    registry = plugin.sluiceway_registry(project, repository, {})
    assert isinstance(registry, RegistryClient)
    return registry


@pytest.fixture
def address(tmp_path):
    listener = bind("127.0.0.1", 0)
    server = FolderServer(Store.open(tmp_path / "store"), listener)
    stop = threading.Event()
    thread = threading.Thread(
        target=server.run, args=(stop, 3600.0), kwargs={"poll_seconds": 0.003}
    )
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    thread.join(10)
    server.server_close()


def test_it_opens_any_address(tmp_path, address):
    with opened(project_with(tmp_path), f"{address}/team/app") as registry:
        assert registry.repository == f"{address}/team/app"
        assert registry.tags() == ()


def test_opening_sends_nothing(tmp_path):
    with opened(project_with(tmp_path), "registry.example/app") as registry:
        assert registry.repository == "registry.example/app"


def test_nothing_there_is_an_error_with_a_remedy(tmp_path):
    listener = bind("127.0.0.1", 0)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    with (
        opened(project_with(tmp_path), f"{address}/app") as registry,
        pytest.raises(ActionFailed) as caught,
    ):
        registry.resolve("dev")
    assert caught.value.code == "registry.unreachable"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"insecur": True}, "configuration.unknown-key"),
        ({"insecure": "yes"}, "configuration.type"),
        ({"timeout_seconds": 0}, "configuration.range"),
        ({"ca_file": "missing.pem"}, "registry.ca-file"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path, settings, code):
    with pytest.raises(ConfigurationError) as caught:
        plugin.sluiceway_registry(project_with(tmp_path), "registry.example/app", settings)
    assert caught.value.code == code


def test_doctor_sees_a_registry_that_answers(tmp_path, address):
    checks = plugin.sluiceway_doctor(project_with(tmp_path, REGISTRY_URL=f"http://{address}"), {})
    assert [check.status for check in checks] == [CheckStatus.OK, CheckStatus.OK]
    assert address in checks[1].detail


def test_doctor_sees_what_is_wrong_and_shows_no_secret(tmp_path):
    listener = bind("127.0.0.1", 0)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    project = project_with(tmp_path, REGISTRY_URL=address, REGISTRY_PASSWORD="battery-staple")
    checks = plugin.sluiceway_doctor(project, {"insecure": True})
    assert [check.status for check in checks] == [
        CheckStatus.FAIL,
        CheckStatus.WARN,
        CheckStatus.FAIL,
    ]
    assert all(check.remedy for check in checks)
    assert "battery-staple" not in str(checks)


@pytest.mark.parametrize("name", ["sluiceway_registry_oci", "sluiceway_registry_folder"])
def test_importing_the_plugin_is_cheap(name):
    script = (
        f"import sys, {name}; heavy = {{'httpx', 'psutil', 'rich', 'sqlalchemy', 'cryptography',"
        " 'http.server'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, env=path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
