"""A site that pins its policies: gates judge by them and by nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace

from sluiceway.errors import ExitCode
from sluiceway.policy import bundled_policies, load_bundle
from sluiceway.policy.artifact import push

LAX = 'package promotion\n\ndecision := {"deny": set(), "warn": set()}\n'


def pin(shop, text: str) -> None:
    """Let [policy] say *text* besides what it said at first."""
    path, first = shop.root / "sluiceway.toml", shop.root / "first.toml"
    if not first.exists():
        shutil.copy(path, first)
    path.write_text(first.read_text().replace("[policy]\n", f"[policy]\n{text}\n"))


def codes(document) -> set[str]:
    return {finding["code"] for finding in document["decision"]["findings"]}


def test_policies_of_a_registry_decide_and_are_recorded(shop):
    shop.release()
    code, pushed, err = shop.run("ci", "policy.push", "--tag=stable")
    assert code == 0, err
    assert pushed["bundle"] == f"{shop.bench().config.repository}/policies"
    assert pushed["tags"][1] == "stable"
    assert shop.run("ci", "policy.push")[1]["digest"] == pushed["digest"]
    artifact = f"{pushed['bundle']}@{pushed['digest']}"

    unpinned = f'bundle = "{pushed["bundle"]}:stable"'
    pin(shop, unpinned)
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    assert code == ExitCode.USAGE
    assert document["error"]["code"] == "policy.bundle-unpinned"

    pinned = f'bundle = "{pushed["bundle"]}"\ndigest = "{pushed["digest"]}"'
    pin(shop, pinned)
    code, promoted, err = shop.run("ci", "promote", "--to=dev")
    assert code == 0, err
    entry = shop.bench().ledger.entries(kinds=("decision",))[-1]
    assert entry.body["bundle"] == artifact
    assert entry.body["decision"]["policy_digest"] == promoted["decision"]["policy_digest"]
    # The site's data is laid over them, and so is part of what the decision names.
    assert promoted["decision"]["policy_digest"] != pushed["content"]
    assert shop.run("ci", "policy.check")[1]["digest"] == promoted["decision"]["policy_digest"]
    assert shop.run("ci", "policy.replay", "--fail-on-change")[0] == 0
    code, document, _ = shop.run("ci", "policy.push")
    assert (code, document["error"]["code"]) == (ExitCode.USAGE, "policy.bundled")

    # Other policies that nobody signed, which whoever may write there could have put there.
    lax = replace(load_bundle([bundled_policies()]), modules={"promotion/p.rego": LAX})
    unsigned = push(shop.bench().registry_at(pushed["bundle"]), lax)
    pin(shop, pinned.replace(pushed["digest"], unsigned.digest))
    held = shop.state()["tags"]
    code, refused, _ = shop.run("dana", "promote", "--to=staging")
    assert code == ExitCode.REFUSED
    assert codes(refused) == {"policy.bundle-unsigned"}
    assert refused["decision"]["policy_digest"] == ""
    assert shop.state()["tags"] == held
