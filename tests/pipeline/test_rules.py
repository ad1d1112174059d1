"""Rules that a site sets by data, asked of a real release: its ledger, signatures and repository."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.slow


def setting(shop, **data):
    """Write the site's data anew: the people of the rehearsal, and *data* by gate."""
    path = shop.root / "people.json"
    people = json.loads(path.read_text())["promotion"]["people"]
    path.write_text(
        json.dumps({**data, "promotion": {"people": people, **data.get("promotion", {})}})
    )


def refused(shop, *arguments):
    """Promote the newest release to dev; return code to message of what denies."""
    code, document, err = shop.run("ci", "promote", "--to=dev", *arguments)
    assert code in (0, 3), (document, err)
    findings = document["decision"]["findings"]
    denied = {each["code"]: each["message"] for each in findings if each["level"] == "deny"}
    assert (code == 3) is bool(denied)
    return denied


def row(**more):
    return {"roles": ["ci"], "approvals": 0, "canary": False, "evidence": [], **more}


def test_freeze_soak_signer_and_paths_of_ones_own(shop):
    shop.release()
    now = datetime.now(UTC)
    freeze = {
        "name": "year end",
        "reason": "The books are closed.",
        "environments": ["dev"],
        "roles": [],
        "from": (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "to": (now + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    setting(shop, promotion={"freezes": [freeze]})
    assert f"dev is frozen until {freeze['to']}" in refused(shop)["promotion.freeze"]

    # The ledger says since when the build is there, so that it is told how long still.
    setting(shop, promotion={"paths": {"build": {"dev": row(soak_hours=24)}}})
    soak = refused(shop)["promotion.soak"]
    assert re.search(r"it came at .*Z, so (24 h 0|23 h 5\d) min more\.$", soak)

    setting(shop, promotion={"services": {"settlement": {"paths": {"build": {"staging": row()}}}}})
    assert "an image goes to staging" in refused(shop)["promotion.path"]

    signers = [{"environments": ["dev"], "keys": ["SHA256:somebody-else"]}]
    setting(shop, image={"signers": signers})
    _, verified, _ = shop.run("ci", "verify")
    (key,) = verified["evidence"]["facts"]["keys"]
    assert key in refused(shop)["image.signer"]
    setting(shop, image={"signers": [{"environments": ["dev"], "keys": [key]}]})
    assert refused(shop) == {}


def test_a_revision_counts_as_merged_only_where_git_knows_it_to_be(shop):
    service = shop.root / "service"

    def git(*arguments):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
        done = subprocess.run(
            ["git", *who, *arguments],
            cwd=service,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=x")
    git("checkout", "--quiet", "-b", "feature")
    (service / "NOTES").write_text("more\n")
    git("add", ".")
    git("commit", "--quiet", "--message=y")
    setting(shop, image={"provenance": {"branches": ["refs/heads/main"]}})
    digest = shop.release()
    assert "is on refs/heads/feature, and on none of" in refused(shop)["image.branch"]

    # Merged afterwards: the same image, whose provenance says so from its next release on.
    git("branch", "--force", "main", "feature")
    assert "image.branch" in refused(shop)
    assert shop.release() == digest
    assert refused(shop) == {}

    (service / "NOTES").write_text("not committed\n")
    shop.release()
    assert "is on no branch that is known" in refused(shop)["image.branch"]


def test_an_image_that_no_release_made_goes_nowhere(shop):
    shop.release()
    (shop.root / "service" / "RELEASE").write_text("9.9.9\n")
    code, built, err = shop.run("ci", "build")
    assert code == 0, err
    digest = built["image"]["digest"]
    for part in ("sign", "sbom", "scan"):
        shop.run("ci", part, f"--digest={digest}")
    assert "image.provenance" in refused(shop, "--from=build", f"--digest={digest}")
