"""Keys that never leave where they are: a real PKCS #11 token signs, and cosign verifies.

Cloud services cannot be reached here: for them only addresses, extras and refusals are shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.plugins.sign_kit import Cosign, open_kind, push

import sluiceway_sign_key as plugin
from sluiceway import events
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.model import CheckStatus, Project, Status
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_sign_key import kept

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
LABEL = "release token"
PIN = "314159"
KEY, OTHER_CURVE, MISSING = "hsm:2?label=release+token", "hsm:3?label=release+token", "hsm:9"
VSA = "https://slsa.dev/verification_summary/v1"

MAKE_KEYS = """
import sys, pkcs11
from pkcs11.util.ec import encode_named_curve_parameters
token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])
with token.open(rw=True, user_pin=sys.argv[3]) as session:
    for number, curve in ((2, "secp256r1"), (3, "secp384r1")):
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC,
            {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)},
            local=True,
        )
        parameters.generate_keypair(id=bytes([number]), label="release", store=True)
"""


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """Make a token with a P-256 key (2) and a P-384 key (3), both made inside it."""
    if not LIBRARY.is_file():
        pytest.skip(f"there is no {LIBRARY}; to run this test, apt-get install softhsm2")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    # The library reads its configuration once in a process, so the whole module shares one token.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(config))
        patch.setenv("PYKCS11LIB", str(LIBRARY))
        for command in (
            ["softhsm2-util", "--init-token", "--free", f"--label={LABEL}", f"--pin={PIN}",
             "--so-pin=271828"],
            [sys.executable, "-c", MAKE_KEYS, str(LIBRARY), LABEL, PIN],
        ):  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
        yield folder


@pytest.fixture
def project(tmp_path, token):
    environ = {"SLUICEWAY_HSM_PIN": PIN, "PYKCS11LIB": os.environ["PYKCS11LIB"]}
    return Project(service="app", root=tmp_path, state=tmp_path, environ=environ)


@pytest.fixture
def exported(project):
    """Return the public half as somebody exports it for others to trust."""
    done = subprocess.run(
        [sys.executable, "-m", "sluiceway_sign_key", KEY],
        env={**os.environ, **project.environ},
        capture_output=True,
        check=True,
        timeout=60,
    )
    path = project.root / "cosign.pub"
    path.write_bytes(done.stdout)
    return path


@pytest.mark.real_tool("softhsm2-util")
@pytest.mark.real_tool("cosign")
def test_a_token_signs_and_cosign_verifies_with_the_exported_key(project, exported, tmp_path):
    settings = {"key": KEY}
    cosign = Cosign("cosign", tmp_path)
    with open_kind("embedded", tmp_path) as registry:
        image, manifest = push(registry)
        assert cosign.verify(exported, image).returncode != 0
        heard: list[events.Event] = []
        with events.subscribed(heard.append):
            first = plugin.sluiceway_sign(project, image, manifest, registry, settings)
        assert first.status is Status.OK, first.summary
        assert (first.facts["present"], first.facts["verified"]) == (2, 2)
        assert PIN not in str(heard)
        again = plugin.sluiceway_sign(project, image, manifest, registry, settings)
        assert again.facts == first.facts
        made = [
            plugin.sluiceway_attest(project, image, manifest, registry, VSA, {"n": 1}, settings)
            for _ in range(2)
        ]
        assert made[0] == made[1]
        assert cosign.verify(exported, image).returncode == 0
        assert cosign.verify_attestation(exported, image, VSA).returncode == 0
        # Whoever verifies needs neither token nor PIN.
        reader = replace(project, environ={})
        assert plugin.sluiceway_verify(reader, image, registry, settings).status is Status.OK


@pytest.mark.real_tool("softhsm2-util")
@pytest.mark.parametrize(
    ("address", "pin", "error", "code"),
    [
        (KEY, "000000", ActionFailed, "sign.kept-key"),
        (MISSING, PIN, ActionFailed, "sign.kept-key"),
        ("hsm:2?label=another+token", PIN, ActionFailed, "sign.kept-key"),
        (OTHER_CURVE, PIN, ConfigurationError, "sign.key-kind"),
        (KEY, "", ConfigurationError, "sign.no-pin"),
        ("hsm:two", PIN, ConfigurationError, "sign.key-address"),
    ],
)
def test_a_token_that_cannot_sign_says_why_and_shows_no_pin(project, address, pin, error, code):
    registry = MemoryRegistry("127.0.0.1:5555/team/app")
    image, manifest = push(registry)
    project = replace(project, environ=project.environ | {"SLUICEWAY_HSM_PIN": pin})
    with pytest.raises(error) as caught:
        plugin.sluiceway_sign(project, image, manifest, registry, {"key": address})
    assert caught.value.code == code
    assert not pin or pin not in str(caught.value.diagnostics())
    assert registry.referrers(image.digest) == ()


@pytest.mark.real_tool("softhsm2-util")
def test_a_token_that_is_not_trusted_signs_nothing(project, exported, tmp_path):
    from sluiceway_sign_key.keys import generate_key_pair

    registry = MemoryRegistry("127.0.0.1:5555/team/app")
    image, manifest = push(registry)
    _, stranger = generate_key_pair(tmp_path / "stranger", "")
    settings = {"key": KEY, "public_keys": [str(stranger)]}
    with pytest.raises(ConfigurationError) as caught:
        plugin.sluiceway_sign(project, image, manifest, registry, settings)
    assert caught.value.code == "sign.untrusted-key"


@pytest.mark.real_tool("softhsm2-util")
def test_the_doctor_does_not_open_the_token(project, exported):
    trusted, signing = plugin.sluiceway_doctor(project, {"key": KEY})
    assert (trusted.status, signing.status) == (CheckStatus.OK, CheckStatus.OK)
    project = replace(project, environ={})
    assert plugin.sluiceway_doctor(project, {"key": KEY})[1].status is CheckStatus.FAIL


def test_whoever_has_no_public_half_is_told_how_to_export_it(tmp_path):
    project = Project(service="app", root=tmp_path, state=tmp_path, environ={})
    trusted, _ = plugin.sluiceway_doctor(project, {"key": KEY})
    assert trusted.status is CheckStatus.FAIL
    assert f"python -m sluiceway_sign_key '{KEY}' > cosign.pub" in trusted.remedy


@pytest.mark.parametrize(
    ("address", "module"),
    [
        ("awskms:///alias/release", "boto3"),
        ("awskms:1234abcd-12ab-34cd-56ef-1234567890ab", "boto3"),
        ("azurekms://acme.vault.azure.net/keys/release", "azure.keyvault"),
        (
            "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "google.cloud.kms",
        ),
    ],
)
def test_a_missing_cloud_library_names_the_extra(address, module):
    if kept._installed(module):
        pytest.skip(f"{module} is installed")
    with pytest.raises(PluginError, match=module) as caught:
        kept.check_kept(address, {})
    assert caught.value.remedy == "pip install 'sluiceway[kms]'"


@pytest.mark.parametrize(
    "address",
    ["awskms:", "awskms:///", "awskms://endpoint.example/key", "azurekms://vault/release",
     "gcpkms://projects/p", "hsm:x"],
)  # fmt: skip
def test_an_address_in_another_form_is_refused_with_an_example(address):
    with pytest.raises(ConfigurationError, match="not the address") as caught:
        kept.check_kept(address, {})
    assert caught.value.remedy.startswith("Write it like ")


@pytest.mark.parametrize("address", ["hv:release/1", "hashivault://release"])
def test_a_vault_key_is_refused_with_the_reason(address):
    with pytest.raises(ConfigurationError, match="Vault") as caught:
        kept.check_kept(address, {})
    assert "Ed25519" in caught.value.means


@pytest.mark.parametrize("text", ["cosign.key", "keys/hsm:key", "/a/b", "C:key", ""])
def test_a_path_is_no_address(text):
    assert not kept.is_kept(text)
