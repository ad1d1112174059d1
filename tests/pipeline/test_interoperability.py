"""What we release, used by the tools that people already have."""

import json
import subprocess

import pytest

pytestmark = pytest.mark.slow


def tool(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def removed_afterwards():
    """Collect references; they are removed from the engine at the end."""
    references: list[str] = []
    yield references
    for reference in references:
        subprocess.run(["docker", "rmi", "-f", reference], capture_output=True, check=False)


@pytest.mark.usefixtures("docker_engine")
def test_docker_pulls_by_digest_what_we_released(shop, removed_afterwards):
    digest = shop.ship("dev")
    repository = shop.bench().config.repository
    for reference in (f"{repository}@{digest}", f"{repository}:dev"):
        removed_afterwards.append(reference)
        tool("docker", "pull", reference)
        (seen,) = json.loads(tool("docker", "image", "inspect", reference))
        assert f"{repository}@{digest}" in seen["RepoDigests"]
        assert seen["Config"]["User"] == "1001"
        assert seen["Config"]["Entrypoint"] == ["python3", "-m", "settlement"]


@pytest.mark.usefixtures("docker_engine")
def test_we_promote_by_digest_what_docker_pushed(shop, removed_afterwards, tmp_path):
    """An image that docker built is another media type, and stays byte for byte what it is."""
    (tmp_path / "hello").write_text("hello")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY hello /hello\n")
    bench = shop.bench()
    bench.registry.ping()
    reference = f"{bench.config.repository}:pushed"
    removed_afterwards.append(reference)
    tool("docker", "build", "--quiet", "--tag", reference, str(tmp_path))
    tool("docker", "push", "--quiet", reference)
    from sluiceway import oci

    pushed = bench.registry.resolve("pushed")
    promoted = oci.promote_tag(bench.registry, "pushed", pushed.digest, "moved")
    assert (promoted.body, promoted.media_type) == (pushed.body, pushed.media_type)
    assert "docker" in promoted.media_type
    again = f"{bench.config.repository}:moved"
    removed_afterwards.append(again)
    assert pushed.digest in tool("docker", "pull", again)


@pytest.mark.real_tool("skopeo")
def test_skopeo_inspects_what_every_environment_holds(shop):
    digest = shop.ship("dev", "staging")
    repository = shop.bench().config.repository
    for tag in ("build", "dev", "staging"):
        seen = json.loads(
            tool("skopeo", "inspect", "--tls-verify=false", f"docker://{repository}:{tag}")
        )
        assert seen["Digest"] == digest
        assert seen["Labels"]["org.opencontainers.image.title"] == "settlement"


@pytest.mark.real_tool("cosign")
def test_cosign_accepts_what_a_release_signed_and_attested(shop):
    digest = shop.release()
    reference = f"{shop.bench().config.repository}@{digest}"
    key = str(shop.root / ".sluiceway" / "cosign.pub")
    offline = ("--insecure-ignore-tlog=true", "--allow-http-registry", "--key", key)
    tool("cosign", "verify", *offline, reference)
    for kind in ("spdxjson", "vuln"):
        tool("cosign", "verify-attestation", "--type", kind, *offline, reference)
