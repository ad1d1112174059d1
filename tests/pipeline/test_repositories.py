"""An environment with a repository of its own, in another registry that is a real one."""

from __future__ import annotations

import pytest
from tests.registry_kit import real_registry

from sluiceway import oci
from sluiceway.errors import ExitCode
from sluiceway.gates import SPDX, VERIFICATION_SUMMARY, VULNERABILITIES, signature_evidence
from sluiceway.model import Status

pytestmark = [pytest.mark.slow, pytest.mark.real_tool("docker-registry")]


@pytest.fixture
def apart(shop, tmp_path):
    """The shop with its staging in a repository elsewhere; yields that repository's name."""
    with real_registry("docker-registry", tmp_path / "elsewhere") as address:
        repository = f"{address}/live/settlement"
        path = shop.root / "sluiceway.toml"
        table = "[environments.staging]\n"
        path.write_text(path.read_text().replace(table, f'{table}repository = "{repository}"\n'))
        yield repository


def test_a_release_goes_to_another_registry_and_back(shop, apart):
    first = shop.ship("dev", "staging")
    bench = shop.bench()
    assert bench.config.repository_of("staging") == apart
    assert bench.registry.resolve("staging") is None  # the service's own has no such tag
    there = bench.registry_of("staging")
    assert there.repository == apart
    assert there.resolve("staging") == bench.registry.manifest(first)
    assert there.resolve(f"build-{first[7:19]}").digest == first  # no clean-up takes it away
    image = bench.image(first, "staging")
    assert image.repository == apart
    assert signature_evidence(bench, image).status is Status.OK
    attested = bench.plugins.one("sluiceway_attestations", image=image, registry=there)
    assert {SPDX, VULNERABILITIES, VERIFICATION_SUMMARY} <= {
        item.predicate_type for item in attested if item.verified
    }
    # Why it stands there is said where it stands.
    assert f"oci://{apart}:staging" in {item.predicate.get("resourceUri") for item in attested}

    (shop.root / "service" / "RELEASE").write_text("1.9.0\n")
    second = shop.ship("dev", "staging")
    code, again, err = shop.run("dana", "promote", "--to=staging")
    assert (code, again["changed"]) == (0, True), err  # asked again: done again, to the same end
    assert again["image"] == {**again["image"], "repository": apart, "digest": second}
    code, board, _ = shop.run("ci", "status")
    row = next(row for row in board["environments"] if row["environment"] == "staging")
    assert (row["digest"], row["serving"], row["problem"]) == (second, second, "")

    code, back, err = shop.run("lena", "rollback", "--env=staging", "--reason=test")
    assert code == 0, err
    assert back["image"] == {**back["image"], "repository": apart, "digest": first}
    assert shop.bench().held("staging") == first
    assert shop.state()["serving"]["staging"][0][1] == first


def test_an_image_without_its_signatures_gets_no_tag_there(shop, apart, monkeypatch, tmp_path):
    """What a copying tool leaves behind: the image arrives, and what was said about it does not."""
    digest = shop.ship("dev")
    before = shop.state()

    def copied(source, target, digest):
        layout = oci.pull_layout(source, digest, tmp_path / "layout")
        manifest = oci.push_layout(target, layout.folder)
        return oci.Carried(manifest=manifest, manifests=1, mounted=0, copied=1, size=1, left=())

    monkeypatch.setattr(oci, "carry_image", copied)
    code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == ExitCode.UNABLE
    assert document["error"]["code"] == "promotion.not-carried"
    assert document["changed"] is False
    assert apart in document["error"]["what"]
    assert shop.state() == before
    monkeypatch.undo()
    assert shop.bench().registry_of("staging").manifest(digest) is not None


def test_a_source_that_moved_leaves_the_other_registry_untagged(shop, apart, monkeypatch):
    shop.ship("dev")
    from sluiceway.runs import promote

    genuine = promote.carry

    def carried_then_moved(bench, request, found):
        carried = genuine(bench, request, found)
        bench.registry.put_manifest("dev", _other(bench.registry))
        return carried

    monkeypatch.setattr(promote, "carry", carried_then_moved)
    code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == ExitCode.UNABLE
    assert document["error"]["code"] == "promotion.source-moved"
    state = shop.state()
    assert state["tags"]["staging"] == ""
    assert state["serving"]["staging"] == []


def _other(registry):
    body = (
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
    )
    manifest = oci.manifest_from(body, "application/vnd.oci.image.index.v1+json")
    registry.put_manifest(manifest.digest, manifest)
    return manifest
