"""`invoke approve` and `invoke approvals`, as people type them."""

from __future__ import annotations

import json
import subprocess

import pytest

from sluiceway.errors import ExitCode

from .conftest import Shop

pytestmark = [pytest.mark.slow, pytest.mark.real_tool("git")]


def commit(shop: Shop, email: str) -> None:
    who = ["-c", "user.name=x", "-c", f"user.email={email}"]
    for arguments in (["add", "."], ["commit", "--quiet", "--allow-empty", "--message=x"]):
        subprocess.run(["git", *who, *arguments], cwd=shop.root / "service", check=True)


def people(shop: Shop, **row: object) -> None:
    """Let somebody consent already to build → dev, so that nothing has to be deployed."""
    path = shop.root / "people.json"
    data = json.loads(path.read_text())
    data["promotion"]["emails"] = {"dana@example.org": "dana", "Ravi@example.org": "ravi"}
    data["promotion"]["paths"] = {
        "build": {"dev": {"approvals": 1, "approvers": ["tech-lead", "release-manager"], **row}}
    }
    path.write_text(json.dumps(data))


def test_consent_from_the_first_release_to_the_promotion(shop: Shop) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=shop.root / "service", check=True)
    people(shop)
    commit(shop, "dana@example.org")
    first = shop.release()
    code, document, _ = shop.run("lena", "approvals")
    assert (code, document["waiting_problem"], document["approvals"]) == (0, None, [])
    (waits,) = document["waiting"]
    assert (waits["source"], waits["target"], waits["digest"]) == ("build", "dev", first)
    assert (waits["needed"], waits["counted"], waits["ready"]) == (1, [], False)
    assert waits["could"] == ["lena", "ravi"]

    commit(shop, "ravi@example.ORG")
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    commit(shop, "dana@example.org")
    digest = shop.release()
    assert digest != first
    (entry,) = shop.bench().ledger.entries(kinds=("release",), digest=digest)
    recorded = entry.body["change"]
    assert {each["email"] for each in recorded["people"]} == {
        "dana@example.org",
        "ravi@example.ORG",
    }
    assert (recorded["commits"], recorded["first"]) == (2, False)

    # Who made a part of the change is told at once that it is in vain.
    code, document, _ = shop.run("ravi", "approve", digest, "--to=dev", "--reason=looks good")
    assert (code, document["approval"]["counts"]) == (0, False)
    assert document["approval"]["why_not"] == ["the person made the change"]
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.REFUSED
    (finding,) = [each for each in document["decision"]["findings"] if each["level"] == "deny"]
    assert "ravi: the person made the change" in finding["message"]

    code, document, _ = shop.run("lena", "approve", digest, "--to=dev", "--expires=90m")
    approval = document["approval"]
    assert (approval["counts"], approval["why_not"], approval["repeats"]) == (True, [], "")
    code, document, _ = shop.run("lena", "approve", f"--digest={digest}", "--to=dev")
    assert document["approval"]["repeats"] == approval["run"]

    code, document, _ = shop.run("dana", "approvals")
    (waits,) = document["waiting"]
    assert (waits["counted"], waits["ready"], waits["may_promote"]) == (["lena"], True, ["ci"])
    assert [each["counts"] for each in document["approvals"]] == [False, True, True]
    assert document["approvals"][0]["why_not"] == ["the person made the change"]

    # Any change of the policies asks again, and says so.
    people(shop, required_roles=["tech-lead"])
    code, document, _ = shop.run("dana", "approvals")
    (waits,) = document["waiting"]
    assert (waits["counted"], waits["roles_lacking"], waits["could"]) == (
        [],
        ["tech-lead"],
        ["lena"],
    )
    assert "it was given under other policies" in document["approvals"][1]["why_not"]
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert {
        each["code"] for each in document["decision"]["findings"] if each["level"] == "deny"
    } == {
        "promotion.approval",
        "promotion.approval-role",
    }
    shop.run("lena", "approve", digest, "--to=dev")
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == 0, document
    assert document["decision"]["policy_digest"] == approval_digest(shop, digest)

    for arguments, what in (
        (("approve", digest[:15], "--to=dev"), digest),  # the whole one is named
        (("approve", "abcdef0", "--to=dev"), "invoke approvals"),
        (("approve", "sha256:XYZ", "--to=dev"), "invoke status"),
        (("approve", "sha256:" + "0" * 64, "--to=dev"), "invoke status"),
        (("approve", digest, "--to=dve"), "'dev'"),
        (("approve", digest), "--to=production"),
        (("approve", digest, "--to=dev", "--expires=24"), "24h"),
        (("approve", digest, "--to=dev", "--expires=²h"), "24h"),
        (("approve", digest, "--to=dev", "--expires=31d"), "Approve again"),
        (("approve", digest, "--to=dev", "--expires=99999999999d"), "24h"),
    ):
        code, document, _ = shop.run("lena", *arguments)
        assert code == ExitCode.USAGE, arguments
        assert what in document["error"]["remedy"], (arguments, document)


def approval_digest(shop: Shop, digest: str) -> str:
    """The policies that the newest approval was given under."""
    entries = shop.bench().ledger.entries(kinds=("approval",), digest=digest, newest_first=True)
    return str(entries[0].body["statement"]["predicate"]["policy_digest"])


def test_without_policies_the_approvals_are_still_listed_and_none_is_given(shop: Shop) -> None:
    digest = shop.release()
    shop.run("ravi", "approve", digest, "--to=production")
    path = shop.root / "people.json"
    path.write_text("{")
    code, document, _ = shop.run("ravi", "approvals")
    assert (code, len(document["approvals"]), document["waiting"]) == (0, 1, [])
    assert document["waiting_problem"]["code"] == "policy.data"
    (why,) = document["approvals"][0]["why_not"]
    assert why == "nobody can tell whether it counts: the policies cannot be read"
    code, document, _ = shop.run("ravi", "approve", digest, "--to=production")
    assert (code, document["error"]["code"]) == (ExitCode.USAGE, "policy.data")


def test_a_secret_that_is_given_as_a_reason_is_written_down_nowhere(shop: Shop) -> None:
    """Of a command line that a script puts together, the reason may be what a variable holds."""
    secret = "a-password-of-nobody-7"
    shop.monkeypatch.setenv("REGISTRY_PASSWORD", secret)
    first = shop.ship("dev")
    (shop.root / "service" / "RELEASE").write_text("1.0.1\n")
    second = shop.ship("dev")
    code, rolled, _ = shop.run("lena", "rollback", "--env=dev", f"--reason=no {secret}")
    assert (code, rolled["image"]["digest"]) == (0, first)
    code, signed, _ = shop.run(
        "ravi", "approve", second, "--to=production", f"--reason={secret} is right"
    )
    assert (code, signed["approval"]["reason"]) == (0, "*** is right")
    code, waived, _ = shop.run("ravi", "waive", "gate.smoke", f"--reason={secret}")
    assert (code, waived["waiver"]["reason"]) == (0, "***")
    name = waived["waiver"]["id"]
    assert shop.run("ravi", "waivers", f"--withdraw={name}", f"--reason={secret}")[0] == 0
    shop.bench().close()
    state = shop.bench().project.state
    kept = [path for path in state.iterdir() if path.is_file()]
    assert any(path.name == "ledger.db" for path in kept)
    assert any(path.name == "runs.db" for path in kept)
    assert [path.name for path in kept if secret.encode() in path.read_bytes()] == []
