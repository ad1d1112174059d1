"""What every test stands on: real tools by marker, and an environment that is nobody's own."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test measures how quick the machine is, and it may be busy with other things.
settings.register_profile("sluiceway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sluiceway")

_ENABLE = "put {name} on PATH, for example with tools/install-tools"
_REQUIRE = "SLUICEWAY_REQUIRE_TOOLS"

# Settings of the developer's (or the runner's) machine that would change what a test sees.
_FOREIGN = (
    "SLUICEWAY_",
    "COSIGN_",
    "REGISTRY_",
    "GITHUB_",
    "GIT_",  # set while a git hook runs the tests: would redirect every git of ours
    "FF_",
    "OSV_SCALIBR_",
    "OSV_SCANNER_",
    "TRIVY_",
    "GRYPE_",
    "NPM_CONFIG_",
    "npm_config_",
    "DBOS_",
    "INVOKE_",
)
_FOREIGN_NAMES = frozenset(
    {
        "CANARY_DEPLOY_URL",
        "DOCKER_CONFIG",
        "ROLLBACK_WEBHOOK",
        "SOURCE_DATE_EPOCH",
        "SSH_AUTH_SOCK",
        "STAGING_DATABASE_URL",
    }
)


# A shell starts what runs in its background with Ctrl-C ignored, nohup with SIGHUP, and children
# inherit that: a test that interrupts a program would wait for it in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several workers share the tests, begin with the long ones.

    One that begins last is waited for by a worker that has nothing left to take.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose real tool is absent, or fail it where that tool is required.

    ``SLUICEWAY_REQUIRE_TOOLS`` is ``1`` for every tool, or their names with commas between.
    """
    required = os.environ.get(_REQUIRE, "").split(",")
    for marker in item.iter_markers("real_tool"):
        for name in marker.args:
            if shutil.which(name) is None:
                reason = f"{name} is not on PATH; to run this test, {_ENABLE.format(name=name)}"
                if "1" in required or name in required:
                    pytest.fail(reason, pytrace=False)
                pytest.skip(reason)


@pytest.fixture
def docker_engine(docker_answers: None) -> Iterator[None]:
    """Have Docker's engine for one test at a time, in whichever worker that runs.

    What a test finds in the engine, and takes out of it again, others may have put there: images of the
    same content are one.
    """
    name = f"sluiceway-tests-docker-{os.getuid()}.lock"
    with (Path(tempfile.gettempdir()) / name).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the file, and with the process
        yield


@pytest.fixture(scope="session")
def docker_answers() -> None:
    """Skip where no Docker engine answers (or fail where ``docker`` is required)."""
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=30)
        reason = "" if asked.returncode == 0 else "no Docker engine answers `docker info`"
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"`docker info` cannot be asked: {error}"
    if reason:
        required = os.environ.get(_REQUIRE, "").split(",")
        remedy = "install one (Debian: apt-get install docker.io) and start it"
        if "1" in required or "docker" in required:
            pytest.fail(f"{reason}; {remedy}", pytrace=False)
        pytest.skip(f"{reason}; to run this test, {remedy}")


@pytest.fixture(scope="session")
def new_homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders for thousands of tests: pytest's own numbering reads all there are for each new one."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def isolated_environment(new_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home of its own and none of this machine's settings; return that home.

    Tests start real programs that inherit ``os.environ``: a developer's keys, registries and
    flags must neither help a test to pass nor be touched by it.
    """
    home = next(new_homes)
    home.mkdir(mode=0o700)
    for name in tuple(os.environ):
        if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR"):
        monkeypatch.delenv(f"XDG_{name}", raising=False)
    return home
