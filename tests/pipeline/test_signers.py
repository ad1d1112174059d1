"""A release goes its way whoever signs: cosign, an identity; and a gate refuses what they refuse."""

from __future__ import annotations

import os

import pytest
from tests.plugins.sigstore_kit import running

ME = "https://github.com/acme/settlement/.github/workflows/release.yml@refs/heads/main"


def configure(shop, text):
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    "program",
    [pytest.param(name, marks=pytest.mark.real_tool(name)) for name in ("cosign-2", "cosign")],
)
def test_cosign_signs_a_release_and_the_gates_take_it(shop, program):
    configure(shop, f'\n[stages]\nsign = "cosign"\n[plugins.sign-cosign]\nprogram = "{program}"\n')
    digest = shop.ship("dev")
    code, document, err = shop.run("dana", "verify", f"--digest={digest}", "--scanned")
    assert code == 0, (document, err)
    assert document["signature"]["maker"]["tool"] == "cosign"
    assert [check["good"] for check in document["checks"]] == [True, True]
    # The key pair's own plugin reads the same stores and judges alike.
    text = (shop.root / "sluiceway.toml").read_text().replace('sign = "cosign"', 'sign = "key"')
    (shop.root / "sluiceway.toml").write_text(text)
    code, document, _ = shop.run("dana", "verify", f"--digest={digest}", "--scanned")
    assert (code, document["signature"]["facts"]["verified"]) == (0, 2)


def test_an_identity_signs_a_release_and_only_that_identity_passes(shop):
    with running() as instance:
        (shop.root / "trust.json").write_text(instance.trust_config())
        configure(
            shop,
            '\n[stages]\nsign = "keyless"\n[plugins.sign-keyless]\ntrust_config = "trust.json"\n'
            f'[[plugins.sign-keyless.identities]]\nidentity = "{ME}"\n'
            f'issuer = "{instance.address}/issuer"\n',
        )
        shop.monkeypatch.setenv("SIGSTORE_ID_TOKEN", instance.token(ME))
        shop.release()
        shop.monkeypatch.delenv("SIGSTORE_ID_TOKEN")
        code, document, err = shop.run("ci", "promote", "--to=dev")
        assert code == 0, (document, err)
        assert "SIGSTORE_ID_TOKEN" not in os.environ
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text().replace("settlement/.github", "another/.github"))
    code, document, _ = shop.run("dana", "promote", "--to=staging")
    assert code == 3
    codes = {finding["code"] for finding in document["decision"]["findings"]}
    assert any(text.startswith("image.signature") for text in codes), codes
