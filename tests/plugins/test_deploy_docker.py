"""Real containers behind the real proxy: hardened, switched under load, seen when they end."""

from __future__ import annotations

import json
import os
import signal
from http import HTTPStatus

import psutil
import pytest

import sluiceway_deploy_docker as plugin
from sluiceway.errors import ActionFailed, ExitCode
from sluiceway_deploy_docker.container import label

from .deploy_docker_kit import docker, interpreter, opened
from .deploy_local_kit import Load, ask, until

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.slow]


@pytest.fixture
def site(tmp_path):
    with opened(tmp_path) as site:
        yield site


def keeper_of(container):
    pid, _, _ = container["Config"]["Labels"][label("keeper")].partition(":")
    return psutil.Process(int(pid))


def inside(container, script):
    python, _ = interpreter()
    return docker("exec", container["Id"], python, "-S", "-c", script)


def test_what_a_container_may_not_do_is_what_the_engine_says_and_what_the_kernel_does(site):
    image = site.image("one")
    site.settings |= {"memory_bytes": 96 << 20, "cpus": 0.5, "pids": 40, "tmpfs_bytes": 1 << 20}
    site.deploy(image, env={"COLOUR": "red"})
    found = site.container()
    host, config = found["HostConfig"], found["Config"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert (host["Memory"], host["MemorySwap"]) == (96 << 20, 96 << 20)
    assert (host["NanoCpus"], host["PidsLimit"]) == (500_000_000, 40)
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert host["RestartPolicy"]["Name"] == "no"
    assert not host["Binds"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["NONE"]
    (network,) = found["NetworkSettings"]["Networks"]
    (bridge,) = json.loads(docker("network", "inspect", network))
    assert bridge["Labels"][label("service")] == "shop"
    assert bridge["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    (published,) = found["NetworkSettings"]["Ports"]["8080/tcp"]
    assert published["HostIp"] == "127.0.0.1"
    labels = {name: config["Labels"][label(name)] for name in ("service", "route", "slot", "fence")}
    assert labels == {"service": "shop", "route": "production", "slot": "stable", "fence": "1"}
    assert config["Labels"][label("digest")] == image.digest
    assert config["Labels"][label("run")] == "run-1"
    configuration = json.loads(site.registry.manifest(image.digest).body)["config"]["digest"]
    assert found["Image"] in (configuration, image.digest)

    status = dict(
        line.split(":\t", 1)
        for line in inside(found, "print(open('/proc/self/status').read())").splitlines()
        if ":\t" in line
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    answer = inside(
        found,
        "import errno\n"
        "for name in ('/x', '/app/x', '/tmp/x'):\n"
        "    try: open(name, 'w').write('x'); print('written')\n"
        "    except OSError as error: print(errno.errorcode[error.errno])",
    )
    assert answer.split() == ["EROFS", "EROFS", "written"]
    given = json.loads(ask(site.port(), "/environment")[1])
    assert (given["COLOUR"], given["FF_DARK"], given["PORT"]) == ("red", "on", "8080")
    assert not [name for name in given if name.startswith("SLUICEWAY")]
    assert site.deploy(image, env={"COLOUR": "red"}, token=9).changed is False
    assert site.container()["Id"] == found["Id"], "another run's fence is no other container"


def test_no_request_is_dropped_and_a_canary_has_its_weight_until_its_container_ends(site):
    site.deploy("one")
    port = site.port()
    with Load(port) as load:
        site.deploy("two")
        load.more(50)
        site.deploy("three", "canary")
        assert site.weights() == {"stable": 100, "canary": 0}
        site.weigh(25)
        before = site.observe()
        load.more(200)
        after = site.observe()
        canary = after.canary.requests - before.canary.requests
        stable = after.stable.requests - before.stable.requests
        assert abs(canary / (canary + stable) - 0.25) < 0.02
        assert after.health_ok
        # Its last requests may fail: it is killed in the middle of them.
        site.weigh(0)
        load.more(20)
        docker("kill", site.container("canary")["Id"])
        assert until(lambda: not site.observe().canary_alive)
        load.more(20)
    assert load.failed == []
    assert set(load.seen) == {"one", "two", "three"}
    assert site.inspect()["shed"]["reason"] == "canary-exited"
    assert site.weigh(50).slot("canary").weight == 0, "what has ended gets nothing"
    assert len(site.containers()) == 1, "of what has ended nothing is left"
    (line,) = [
        line
        for log in (site.project.state / "docker" / "local" / "logs").glob("*.log")
        for line in log.read_text().splitlines()
        if line.startswith("sluiceway:")
    ]
    assert line == "sluiceway: the container ended with code 137"
    assert len(site.drain().slots) == 1
    assert ask(port) == (200, "two 0")


def test_what_serves_is_started_again_and_a_lease_ends_without_the_task(site):
    site.lease = 1.0
    site.settings["memory_bytes"] = 96 << 20
    site.deploy("one")
    first = site.container()["Id"]
    assert ask(site.port(), "/memory")[0] == HTTPStatus.BAD_GATEWAY
    assert until(lambda: site.inspect()["slots"][0]["restarts"] == 1)
    assert until(lambda: site.inspect()["slots"][0]["healthy"])
    assert ask(site.port()) == (200, "one 0")
    assert site.container()["Id"] != first
    assert len(site.containers()) == 1
    logs = [path.read_text() for path in (site.project.state / "docker/local/logs").glob("*.log")]
    assert any("it used more than memory_bytes = 100663296" in text for text in logs)

    site.deploy("two", "canary")
    assert site.weigh(50).slot("canary").weight == 50
    assert until(lambda: site.weights()["canary"] == 0)
    assert site.inspect()["shed"]["reason"] == "lease of 1 s not renewed by run run-1"
    assert site.observe().canary_alive


def test_what_does_not_become_healthy_is_stopped_and_what_serves_still_serves(site):
    site.token = 2
    site.deploy("one")
    for version, more, lack in (
        ("two", {"env": {"SICK": "yes"}, "ready_seconds": 4}, "it was not ready within 4 s"),
        ("dies", {}, "it ended with code 1 before it was ready"),
    ):
        with pytest.raises(ActionFailed) as caught:
            site.deploy(version, **more)
        assert caught.value.code == "deploy.unhealthy"
        assert lack in caught.value.what
        assert len(site.containers()) == 1
    assert "no such table: trades" in caught.value.means, "what it printed is shown"
    assert ask(site.port()) == (200, "one 0")
    site.deploy("two", "canary")
    site.weigh(50)
    rolled = site.roll_back("one", "canary")
    assert [(slot.digest, slot.weight) for slot in rolled.traffic.slots] == [
        (site.image("one").digest, 100)
    ]
    with pytest.raises(ActionFailed) as caught:
        site.deploy("three", token=1)
    assert caught.value.code == "fence.stale"


def test_blue_and_green_change_places_there_and_back_under_load(site):
    site.deploy("one", "live")
    site.switch("blue", settled=True)
    site.deploy("two", "live")
    blue, green = site.container("blue")["Id"], site.container("green")["Id"]
    with Load(site.port()) as load:
        for slot, version in (("green", "two"), ("blue", "one"), ("green", "two")):
            assert site.switch(slot).live.name == slot
            load.more(30)
            assert ask(site.port()) == (200, f"{version} 0")
        site.switch("green", settled=True)
    assert load.failed == []
    assert site.container("blue")["Id"] == blue, "the other slot stays warm"
    assert site.container("green")["Id"] == green
    assert [slot.name for slot in site.drain("live").slots] == ["green"]
    assert [item["Id"] for item in site.containers()] == [green]


def test_whoever_is_killed_containers_go_on_and_nothing_stays_for_ever(site):
    site.deploy("one")
    first = site.container()
    others = ("--label", f"{label('owner')}=another", "--label", f"{label('service')}=shop")
    stranger = docker("create", *others, first["Image"])
    try:
        supervisor = site.supervisor()
        supervisor.kill()
        supervisor.wait(10)
        assert docker("inspect", "--format={{.State.Running}}", first["Id"]) == "true"
        site.deploy("one", token=2)
        assert site.container()["Id"] == first["Id"], "it was taken over, not started again"
        assert ask(site.port()) == (200, "one 0")

        keeper_of(first).kill()
        assert until(lambda: [item["Id"] for item in site.containers()] not in ([], [first["Id"]]))
        assert until(lambda: site.inspect()["slots"][0]["healthy"])
        assert len(site.containers()) == 1, "the next keeper removed what the killed one had"

        supervisor, keeper = site.supervisor(), keeper_of(site.container())
        supervisor.kill()
        supervisor.wait(10)
        keeper.send_signal(signal.SIGKILL)
        assert len(site.containers()) == 1
        stopped = plugin.sluiceway_shutdown(site.project, site.settings)
        assert any("container" in line for line in stopped)
        assert site.containers() == []
        assert not plugin.sluiceway_shutdown(site.project, site.settings)
        assert docker("inspect", "--format={{.State.Status}}", stranger) == "created"
    finally:
        docker("rm", "--force", stranger)


def test_without_an_engine_nothing_changes_and_the_error_says_so(site, tmp_path):
    site.settings["host"] = f"unix://{tmp_path}/none.sock"
    with pytest.raises(ActionFailed) as caught:
        site.deploy("one")
    assert (caught.value.code, caught.value.exit_code) == (
        "deploy.engine-missing",
        ExitCode.UNABLE,
    )
    assert "systemctl start docker" in caught.value.remedy
    (check,) = plugin.sluiceway_doctor(site.project, site.settings)
    assert check.status == "fail"
    del site.settings["host"]
    engine, supervisor = plugin.sluiceway_doctor(site.project, site.settings)
    assert (engine.status, supervisor.status) == ("ok", "ok")
    assert os.environ.get("DOCKER_HOST", "docker.sock") in engine.detail
