"""`policy.eval` decides one gate by hand, by the policies that a run would use, pins included."""

from __future__ import annotations

import io
import json
import shutil

import pytest
from tests.policy.waivers_kit import WAIVER

from sluiceway.errors import ExitCode
from sluiceway.model import digest_of
from sluiceway.policy import bundled_policies, load_bundle
from sluiceway.policy.archive import archive


def given(site, name="input.json", **changes) -> str:
    (site.root / name).write_text(json.dumps({**site.passing, **changes}))
    return f"--input={name}"


def configure(site, text: str) -> None:
    path = site.root / "sluiceway.toml"
    first = '[service]\nname = "settlement"\n\n[policy]\ndata = ["data.json"]\n'
    path.write_text(first + text + "\n")


def codes(document) -> list[str]:
    return [finding["code"] for finding in document["decision"]["findings"]]


def test_an_input_that_passes_is_allowed(site):
    code, document = site.run("policy.eval", "promotion", given(site))
    assert code == 0
    decision = document["decision"]
    assert (decision["allow"], decision["findings"]) == (True, [])
    assert decision["at"] == site.passing["now"]
    assert decision["input_digest"] == digest_of(site.passing)
    assert decision["policy_digest"] == site.bench.bundle().digest


def test_a_refusal_ends_with_three_and_says_why(site):
    wanted = given(site, actor={**site.passing["actor"], "name": "anna"})
    code, document = site.run("policy.eval", "promotion", wanted)
    assert (code, codes(document)) == (ExitCode.REFUSED, ["promotion.role"])
    code, out, _ = site.shown("policy.eval", "promotion", wanted)
    assert code == ExitCode.REFUSED
    assert "Gate promotion: refused, 1 reason" in out
    assert "promotion.role" in out


def test_the_input_may_come_from_stdin(site, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(site.passing)))
    assert site.run("policy.eval", "promotion")[0] == 0


@pytest.mark.parametrize("whole", [True, False])
def test_an_entry_of_the_history_is_an_input_too(site, whole):
    recorded = site.decide("promote-1", (("actor", "name"), "anna"))
    _, history = site.run("history")
    (entry,) = history["entries"]
    (site.root / "entry.json").write_text(json.dumps(entry if whole else entry["body"]))
    code, document = site.run("policy.eval", "promotion", "--input=entry.json")
    assert (code, codes(document)) == (ExitCode.REFUSED, ["promotion.role"])
    assert document["decision"]["input_digest"] == recorded["input_digest"]


def test_waivers_count_as_in_a_run(site):
    scan = json.loads(json.dumps(site.passing["evidence"]["scan"]))
    scan["facts"]["vulnerabilities"][0]["severity"] = "CRITICAL"
    scan["facts"]["counts"] |= {"CRITICAL": 1, "MEDIUM": 0}
    wanted = given(site, evidence={**site.passing["evidence"], "scan": scan})
    code, document = site.run("policy.eval", "promotion", wanted)
    assert (code, codes(document)) == (ExitCode.REFUSED, ["image.vulnerability"])
    vulnerability = scan["facts"]["vulnerabilities"][0]["id"]
    waiver = {**WAIVER, "code": f"image.vulnerability/{vulnerability}"}
    waived = {**json.loads((site.root / "input.json").read_text()), "waivers": [waiver]}
    code, document = site.run("policy.eval", "promotion", given(site, **waived))
    assert code == 0, document
    assert document["decision"]["findings"][0]["waived"]["owner"] == "rita"


def test_another_gate_than_there_is_or_another_input_is_a_mistake(site):
    code, document = site.run("policy.eval", "promotoin", given(site))
    assert (code, document["error"]["code"]) == (ExitCode.USAGE, "policy.unknown-gate")
    assert "Did you mean promotion?" in document["error"]["remedy"]
    code, document = site.run("policy.eval", "promotion", "--input=none.json")
    assert (code, document["error"]["code"]) == (ExitCode.USAGE, "policy.input")


def test_an_input_that_the_schema_does_not_know_is_refused(site):
    code, document = site.run("policy.eval", "promotion", given(site, image=1))
    assert (code, codes(document)) == (ExitCode.REFUSED, ["input.schema"])


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_pinned_policies_decide_only_as_they_were(site, kind):
    path = site.root / ("rules" if kind == "folder" else "rules.tar.gz")
    if kind == "folder":
        shutil.copytree(bundled_policies(), path)
    else:
        path.write_bytes(archive(load_bundle([bundled_policies()])))
    digest = load_bundle([path], [site.root / "data.json"]).digest
    configure(site, f'path = "{path.name}"\ndigest = "{digest}"')
    code, document = site.run("policy.eval", "promotion", given(site))
    assert (code, document["decision"]["policy_digest"]) == (0, digest)

    # A file of the site's data decides as well, and so it is pinned as well.
    data = (site.root / "data.json").read_text()
    (site.root / "data.json").write_text(data.replace("anna", "mallory"))
    code, document = site.run("policy.eval", "promotion", given(site))
    assert (code, codes(document)) == (ExitCode.REFUSED, ["policy.bundle-changed"])
    if kind == "folder":
        code, checked = site.run("policy.check")
        assert code == 0
        assert checked["digest"] in document["decision"]["findings"][0]["message"]
    (site.root / "data.json").write_text(data)
    assert site.run("policy.eval", "promotion", given(site))[0] == 0


def test_the_bundled_policies_can_be_pinned_too(site):
    configure(site, f'digest = "sha256:{"0" * 64}"')
    code, document = site.run("policy.eval", "promotion", given(site))
    assert (code, codes(document)) == (ExitCode.REFUSED, ["policy.bundle-changed"])


def test_into_a_tar_no_rule_is_written(site):
    (site.root / "rules.tar.gz").write_bytes(archive(load_bundle([bundled_policies()])))
    configure(site, 'path = "rules.tar.gz"')
    code, document = site.run("policy.new", "promotion.freeze")
    assert (code, document["error"]["code"]) == (ExitCode.USAGE, "policy.bundled")
