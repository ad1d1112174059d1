"""Promotions through the real pipeline: real registry, real policies, real processes."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest

from sluiceway import gates
from sluiceway.errors import ExitCode
from sluiceway.model import Manifest, digest_of

from .conftest import QUICK

pytestmark = pytest.mark.slow


def codes(document):
    return [finding["code"] for finding in document["decision"]["findings"]]


def denials(document):
    return [
        finding["code"]
        for finding in document["decision"]["findings"]
        if finding["level"] == "deny" and not finding["waived"]
    ]


def test_a_release_moves_by_digest_and_the_board_says_so(shop):
    digest = shop.ship("dev", "staging")
    code, board, _ = shop.run("ci", "status")
    assert code == 0
    rows = {row["environment"]: row for row in board["environments"]}
    for name, who in (("dev", "ci"), ("staging", "dana")):
        assert rows[name]["digest"] == rows[name]["serving"] == digest
        assert rows[name]["healthy"] is True
        assert rows[name]["by"] == who
        assert rows[name]["version"] == (shop.root / "service" / "RELEASE").read_text().strip()
        assert not rows[name]["problem"]
    assert rows["production"]["digest"] == ""
    bench = shop.bench()
    manifests = {name: bench.registry.resolve(name) for name in ("build", "dev", "staging")}
    assert {each.digest for each in manifests.values()} == {digest}
    assert len({(each.body, each.media_type) for each in manifests.values()}) == 1
    code, audit, _ = shop.run("ci", "audit.verify")
    assert (code, audit["intact"]) == (0, True)


def test_the_contracts_decision(shop):
    shop.ship("dev")
    code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == 0
    assert set(document) >= {"decision", "image", "source", "target", "changed", "run"}
    decision = document["decision"]
    assert list(decision) == [
        "gate",
        "allow",
        "findings",
        "policy_digest",
        "input_digest",
        "engine",
        "at",
    ]
    assert (decision["gate"], decision["allow"]) == ("promotion", True)
    assert document["changed"] is True
    assert (document["source"], document["target"]) == ("dev", "staging")
    # The decision can be replayed: the ledger has the very input that it was made from.
    (entry,) = shop.bench().ledger.entries(kinds=("decision",), run=document["run"])
    assert digest_of(entry.body["input"]) == decision["input_digest"]


def test_skipping_the_path_is_refused_and_changes_nothing(shop):
    shop.ship("dev")
    before = shop.state()
    code, document, _ = shop.run("lena", "promote", "--to=production", "--from=dev")
    assert code == ExitCode.REFUSED
    assert "promotion.path" in denials(document)
    assert document["changed"] is False
    finding = next(
        each for each in document["decision"]["findings"] if each["code"] == "promotion.path"
    )
    assert finding["message"]
    assert finding["solution"]
    assert shop.state() == before


def test_who_may_not_is_refused(shop):
    shop.ship("dev")
    before = shop.state()
    code, document, _ = shop.run("ci", "promote", "--to=staging")
    assert code == ExitCode.REFUSED
    assert denials(document) == ["promotion.role"]
    assert shop.state() == before


def test_promoting_from_an_environment_that_holds_nothing_is_refused(shop):
    shop.release()
    code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == ExitCode.REFUSED
    assert "promotion.source" in denials(document)


def test_a_digest_that_the_source_does_not_hold_now_is_refused(shop):
    old = shop.ship("dev")
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    new = shop.ship("dev")
    assert old != new
    before = shop.state()
    code, document, _ = shop.run("dana", "promote", "--to=staging", f"--digest={old}")
    assert code == ExitCode.REFUSED
    assert "promotion.source" in denials(document)
    assert shop.state() == before


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("promote", "--to=prodution"), "'production'"),
        (("promote",), "--to=staging"),
        (("promote", "--to=staging", "--from=stagin"), "'staging'"),
        (("promote", "--to=dev", "--digest=sha256:abc"), "invoke status"),
        (("promote", "--to=canary", "--traffic-percent=lots"), "--traffic-percent"),
        (("rollback", "--env=nowhere"), "environment"),
        (("rollback", "--env=production"), "--to-digest"),
        (("resume", "--run=promote-1"), "invoke resume"),
        (("resume", "--run=promote-1"), "`invoke status` names every run that was cut off"),
    ],
)
def test_wrong_usage_ends_with_two_and_a_remedy(shop, arguments, what):
    shop.release()
    before = shop.state()
    code, document, err = shop.run("ci", *arguments)
    assert code == ExitCode.USAGE
    error = document["error"]
    assert what in error["remedy"] + error["what"] + error["means"]
    assert error["remedy"] in " ".join(err.split()) or error["remedy"].split()[0] in err
    assert shop.state() == before


def test_a_misspelt_key_is_named(shop):
    path = shop.root / "sluiceway.toml"
    good = path.read_text()
    assert good.count("[canary]\n") == 1
    path.write_text(good.replace("[canary]\n", "[canary]\ntrafic_percent = 5\n"))
    code, document, err = shop.run("ci", "status")
    assert code == ExitCode.USAGE
    assert "'trafic_percent'" in document["error"]["what"]
    assert "'traffic_percent'" in document["error"]["remedy"]
    assert "traffic_percent" in err


def test_an_unsigned_digest_is_refused(shop):
    code, document, _ = shop.run("ci", "build")
    assert code == 0
    bench = shop.bench()
    manifest = bench.registry.manifest(document["image"]["digest"])
    bench.registry.put_manifest("build", manifest)
    before = shop.state()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert {"image.signature", "image.sbom", "image.scan-missing"} <= set(denials(document))
    assert shop.state() == before


def test_a_signature_by_another_key_is_refused(shop, tmp_path):
    from sluiceway_sign_key.keys import generate_key_pair

    shop.release()
    other = tmp_path / "other"
    other.mkdir()
    generate_key_pair(other, shop.workspace.password)
    text = (shop.root / "sluiceway.toml").read_text()
    (shop.root / "sluiceway.toml").write_text(
        text + f'\n[plugins.sign-key]\npublic_keys = ["{other / "cosign.pub"}"]\n'
    )
    before = shop.state()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert "image.signature" in denials(document)
    assert shop.state() == before


def test_a_missing_sbom_is_refused(shop):
    code, document, _ = shop.run("ci", "build")
    digest = document["image"]["digest"]
    assert shop.run("ci", "sign", f"--digest={digest}")[0] == 0
    bench = shop.bench()
    bench.registry.put_manifest("build", bench.registry.manifest(digest))
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert "image.sbom" in denials(document)
    assert "image.signature" not in denials(document)


def test_a_stale_scan_is_refused(shop, monkeypatch):
    genuine = gates.vulnerability_predicate
    long_ago = datetime.now(UTC) - timedelta(days=30)

    def aged(*arguments, **named):
        predicate = genuine(*arguments, **named)
        for key in predicate["metadata"]:
            predicate["metadata"][key] = long_ago.isoformat().replace("+00:00", "Z")
        return predicate

    monkeypatch.setattr(gates, "vulnerability_predicate", aged)
    shop.release()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert denials(document) == ["image.scan-stale"]


def test_no_advisory_database_is_not_scanned_and_refused_unless_waived(shop):
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text().replace('database = "advisories"', 'database = "nothing"'))
    shop.release()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert denials(document) == ["image.scan-unscanned"]
    waive = ("waive", "image.scan-unscanned", "--reason=the feed is down", "--environment=dev")
    code, document, _ = shop.run("dana", *waive)
    assert (code, document["error"]["code"]) == (ExitCode.REFUSED, "waiver.refused")
    code, document, _ = shop.run("lena", *waive, "--expires=6d")
    assert code == 0, document
    name = document["waiver"]["id"]
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == 0
    (waived,) = [each for each in document["decision"]["findings"] if each["waived"]]
    assert (waived["waived"]["id"], waived["waived"]["owner"]) == (name, "lena")
    assert waived["waived"]["signed"] is True
    # Meant to be short, it is not said to end soon from its first minute on.
    assert "waiver.expiring" not in {each["code"] for each in document["decision"]["findings"]}
    _, board, _ = shop.run("ci", "status")
    (standing,) = board["waivers"]
    assert (standing["state"], standing["used"]) == ("in-force", document["run"])
    resting = {each["environment"]: each["waivers"] for each in board["environments"]}
    assert [each["id"] for each in resting["dev"]] == [name]
    assert resting["staging"] == []
    code, document, _ = shop.run("dana", "waivers", f"--withdraw={name}", "--reason=it is back")
    assert (code, document["withdrawn"]["by"]) == (0, "dana")
    before = shop.state()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    (finding,) = [each for each in document["decision"]["findings"] if each["level"] == "deny"]
    assert f"The waiver {name} by lena does not count" in finding["message"]
    assert "dana withdrew it" in finding["message"]
    assert shop.state() == before


def test_a_known_vulnerability_is_refused(shop):
    advisory = {
        "schema_version": "1.6.0",
        "id": "EXAMPLE-2026-9999",
        "modified": "2026-11-01T00:00:00Z",
        "summary": "made up for this test",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "settlement-rounding"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
            }
        ],
        "database_specific": {"severity": "HIGH"},
    }
    (shop.root / "advisories" / "PyPI" / "EXAMPLE-2026-9999.json").write_text(json.dumps(advisory))
    shop.release()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert "image.vulnerability" in denials(document)


def test_a_tampered_blob_is_not_deployed(shop):
    digest = shop.release()
    bench = shop.bench()
    layers = json.loads(bench.registry.manifest(digest).body)["layers"]
    blobs = [
        path
        for path in (shop.root / ".sluiceway" / "registry").rglob("*")
        if path.is_file() and digest_of(path.read_bytes()) == layers[-1]["digest"]
    ]
    assert blobs
    for blob in blobs:
        blob.chmod(0o644)
        blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    before = shop.state()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.UNABLE
    assert document["changed"] is False
    assert document["error"]["what"]
    assert shop.state() == before


def test_a_source_tag_that_moves_between_check_and_use_promotes_nothing(shop, monkeypatch):
    shop.ship("dev")
    other = Manifest(
        body=(
            body
            := b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
        ),
        media_type="application/vnd.oci.image.index.v1+json",
        digest=digest_of(body),
    )
    from sluiceway.runs import promote

    genuine = promote.judge

    def judged_then_moved(bench, *arguments):
        decision = genuine(bench, *arguments)
        bench.registry.put_manifest("dev", other)
        return decision

    monkeypatch.setattr(promote, "judge", judged_then_moved)
    code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == ExitCode.UNABLE
    assert document["error"]["code"] == "promotion.source-moved"
    state = shop.state()
    assert state["tags"]["staging"] == ""
    assert state["serving"]["staging"] == []


def test_a_policy_with_a_syntax_error_refuses_with_its_place(shop):
    import shutil

    from sluiceway import policy

    shutil.copytree(policy.bundled_policies(), shop.root / "policies")
    (shop.root / "policies" / "promotion" / "broken.rego").write_text("package promotion\n\ndeny {")
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text().replace("[policy]\n", '[policy]\npath = "policies"\n'))
    shop.release()
    before = shop.state()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert denials(document) == ["policy.syntax"]
    assert "broken.rego:3" in document["decision"]["findings"][0]["message"]
    assert shop.state() == before


def test_no_policy_engine_refuses_and_says_the_line_that_helps(shop):
    path = shop.root / "sluiceway.toml"
    nowhere = (
        '\n[plugins.policy-embedded]\nlibrary = "nowhere.so"\n'
        '\n[plugins.policy-cli]\nprogram = "./nowhere"\n'
    )
    path.write_text(path.read_text() + nowhere)
    shop.release()
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    assert denials(document) == ["policy.engine-missing"]
    assert "invoke policy.engine --install" in document["decision"]["findings"][0]["solution"]


def test_an_unreachable_registry_changes_nothing(shop):
    shop.ship("dev")
    shop.monkeypatch.setenv("REGISTRY_URL", "127.0.0.1:9")
    code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == ExitCode.UNABLE
    assert document["error"]["code"] == "registry.unreachable"
    assert document["error"]["remedy"]
    shop.monkeypatch.delenv("REGISTRY_URL")
    assert shop.state()["tags"]["staging"] == ""


def test_a_taken_port_changes_nothing(shop):
    import socket

    from sluiceway.runs.recorded import recorded

    shop.ship("dev")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = shop.root / "sluiceway.toml"
        path.write_text(
            path.read_text().replace(
                "[environments.staging]", f"[environments.staging]\nport = {port}"
            )
        )
        code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == ExitCode.UNABLE
    assert document["error"]["code"] == "deploy.port-taken"
    assert str(port) in document["error"]["what"]
    kept = recorded(shop.bench().project.state, document["run"])
    assert kept is not None
    assert "re-tag" not in [step.name for step in kept.steps], "found before the tag moves"
    state = shop.state()
    assert state["tags"]["staging"] == ""
    assert state["serving"]["staging"] == []


def test_a_release_that_does_not_come_up_leaves_the_old_one_serving(shop):
    good = shop.ship("dev")
    (shop.root / "service" / "settlement" / "flags.py").write_text("raise SystemExit('no')\n")
    shop.release()
    path = shop.root / "sluiceway.toml"
    path.write_text(
        path.read_text().replace("[environments.dev]", "[environments.dev]\nready_seconds = 5.0")
    )
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.UNABLE
    assert document["error"]["code"] == "deploy.unhealthy"
    state = shop.state()
    assert state["tags"]["dev"] == good
    assert [slot[1] for slot in state["serving"]["dev"]] == [good]


def test_of_two_promotions_at_once_one_goes_and_the_other_is_told_who_holds_it(shop):
    from sluiceway.errors import Busy
    from sluiceway.runs.start import begin

    shop.ship("dev")
    bench = shop.bench("dana")
    lease = bench.ledger.acquire(
        "settlement/staging", run="promote-other", holder="elsewhere:1:1.00", seconds=30
    )
    code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == ExitCode.UNABLE
    assert document["error"]["code"] == "busy"
    assert "promote-other" in document["error"]["what"]
    bench.ledger.release(lease)
    bench.ledger.acquire("settlement/staging", run="a", holder="elsewhere:1:1", seconds=30)
    with pytest.raises(Busy):
        begin(bench, "promote", source="dev", target="staging")
    assert shop.state()["tags"]["staging"] == ""


def test_the_canary_of_a_first_release_and_the_approval_for_production(shop):
    digest = shop.ship("dev", "staging")
    stop = threading.Event()
    clients = threading.Thread(target=_clients, args=(shop.workspace.url, stop), daemon=True)
    clients.start()
    try:
        code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    finally:
        stop.set()
        clients.join()
    assert code == 0, (document, err)
    assert document["canary"]["verdict"] == "pass"
    assert document["canary"]["requests"] >= 50
    code, document, _ = shop.run("lena", "promote", "--to=production")
    assert code == ExitCode.REFUSED
    assert denials(document) == ["promotion.approval"]
    assert shop.run("lena", "approve", digest, "--to=production")[0] == 0
    code, document, _ = shop.run("lena", "promote", "--to=production")
    assert denials(document) == ["promotion.approval"], "nobody approves their own request"
    code, document, _ = shop.run("ravi", "approve", digest, "--to=production", "--reason=checked")
    assert document["approval"]["approver"]["proven"] is True
    code, document, _ = shop.run("lena", "promote", "--to=production")
    assert code == 0
    state = shop.state()
    assert state["tags"]["production"] == digest
    assert ("stable", digest, 100.0) in state["serving"]["production"]


def _clients(url, stop):
    import http.client
    from urllib.parse import urlsplit

    where = urlsplit(url).netloc
    while not stop.wait(0.01):
        connection = http.client.HTTPConnection(where, timeout=5)
        try:
            connection.request("GET", "/api/version")
            connection.getresponse().read()
        except OSError:
            pass
        finally:
            connection.close()
