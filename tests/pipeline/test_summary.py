"""Each gate leaves its reasons beside the image, signed, for whoever has the public key."""

import base64
import json
import subprocess
from dataclasses import replace

import pytest

from sluiceway import gates
from sluiceway.errors import ExitCode

pytestmark = pytest.mark.slow


def summaries(shop, digest):
    bench = shop.bench()
    found = bench.plugins.one(
        "sluiceway_attestations", image=bench.image(digest), registry=bench.registry
    )
    return [item for item in found if item.predicate_type == gates.VERIFICATION_SUMMARY]


def configure(shop, word):
    path = shop.root / "sluiceway.toml"
    path.write_text(
        path.read_text().replace("[policy]\n", f'[policy]\nverification_summary = "{word}"\n')
    )


def test_every_gate_that_allowed_is_summarised_once(shop):
    digest = shop.ship("dev", "staging")
    found = summaries(shop, digest)
    assert all(item.verified for item in found)
    predicates = [item.predicate for item in found]
    assert [item["resourceUri"].rpartition(":")[2] for item in predicates] == ["dev", "staging"]
    decisions = shop.bench().ledger.entries(kinds=("decision",), digest=digest)
    for predicate, entry in zip(predicates, decisions, strict=True):
        decision = entry.body["decision"]
        assert predicate["verificationResult"] == "PASSED"
        assert predicate["timeVerified"] == decision["at"]
        assert predicate["policy"]["digest"] == {
            "sha256": decision["policy_digest"].removeprefix("sha256:")
        }
        assert predicate["urn:sluiceway:decision"]["input_digest"] == decision["input_digest"]


def test_what_it_was_read_from_is_beside_the_image(shop):
    digest = shop.ship("dev")
    (summary,) = summaries(shop, digest)
    named = {
        f"sha256:{item['digest']['sha256']}" for item in summary.predicate["inputAttestations"]
    }
    bench = shop.bench()
    beside = {item.digest for item in bench.registry.referrers(digest)}
    assert len(named) == 3  # of provenance, SBOM and scan
    assert named <= beside


def test_a_refusal_leaves_none(shop):
    digest = shop.ship("dev")
    code, _, _ = shop.run("ci", "promote", "--to=staging")
    assert code == ExitCode.REFUSED
    assert len(summaries(shop, digest)) == 1


def test_whoever_has_no_signing_key_is_told_and_promotes(shop):
    digest = shop.release()
    shop.workspace = replace(shop.workspace, password="not the password")
    code, document, err = shop.run("ci", "promote", "--to=dev")
    assert code == 0, err
    assert "COSIGN_PASSWORD" in document["verification_summary"]["problem"]
    assert summaries(shop, digest) == []


def test_where_it_is_required_nothing_moves_without_it(shop):
    shop.release()
    configure(shop, "required")
    (shop.root / ".sluiceway" / "cosign.key").unlink()
    before = shop.state()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.USAGE
    assert document["error"]["code"] == "sign.no-key"
    assert document["changed"] is False
    assert shop.state() == before


def test_it_can_be_switched_off_and_not_misspelt(shop):
    digest = shop.release()
    configure(shop, "off")
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert (code, document["verification_summary"]) == (0, None)
    assert summaries(shop, digest) == []
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text().replace('summary = "off"', 'summary = "never"'))
    code, document, _ = shop.run("ci", "status")
    assert code == ExitCode.USAGE
    assert "if-possible" in document["error"]["remedy"]
    path.write_text(path.read_text().replace('"never"', '"off"'))


@pytest.mark.real_tool("cosign")
def test_cosign_alone_says_why_a_digest_may_stand_there(shop):
    digest = shop.ship("dev", "staging")
    done = subprocess.run(
        [
            *("cosign", "verify-attestation", "--insecure-ignore-tlog=true"),
            *("--allow-http-registry", "--type", gates.VERIFICATION_SUMMARY),
            *("--key", str(shop.root / ".sluiceway" / "cosign.pub")),
            f"{shop.bench().config.repository}@{digest}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    statements = [
        json.loads(base64.b64decode(json.loads(line)["payload"]))
        for line in done.stdout.splitlines()
        if line.startswith("{")
    ]
    assert {item["predicate"]["resourceUri"].rpartition(":")[2] for item in statements} == {
        "dev",
        "staging",
    }
    assert {item["predicate"]["verificationResult"] for item in statements} == {"PASSED"}
