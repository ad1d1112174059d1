"""Key pairs: made once, opened with their password only, of the supported kinds only."""

from __future__ import annotations

import base64
import json
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sluiceway.errors import ConfigurationError
from sluiceway.signing.dsse import MalformedError, pae, read_envelope, strict_json
from sluiceway.signing.public_key import load_public_key
from sluiceway_sign_key import keys

PASSWORD = "tr0ub4dor"
END = b"-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return keys.generate_key_pair(tmp_path_factory.mktemp("pair") / "new", PASSWORD)


def public_pem(private):
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def rewritten(pem, change):
    """Return the key file with its JSON changed."""
    lines = pem.decode().split("\n")
    document = json.loads(base64.b64decode("".join(lines[1:-2])))
    change(document)
    body = base64.b64encode(json.dumps(document).encode()).decode()
    return "\n".join([lines[0], body, *lines[-2:]]).encode()


def test_a_pair_is_private_encrypted_and_belongs_together(pair):
    private_path, public_path = pair
    assert stat.S_IMODE(private_path.stat().st_mode) == 0o600
    assert sorted(path.name for path in private_path.parent.iterdir()) == [
        "cosign.key",
        "cosign.pub",
    ]
    assert private_path.read_bytes().startswith(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    private = keys.load_private_key(private_path.read_bytes(), PASSWORD, "the key")
    public = load_public_key(public_path.read_bytes(), "the key")
    assert public.fingerprint == private.public.fingerprint
    signature = private.sign(b"message")
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"massage")
    assert not public.verifies(signature[:-1], b"message")


@pytest.mark.parametrize("present", ["cosign.key", "cosign.pub"])
def test_nothing_is_overwritten(tmp_path, present):
    (tmp_path / present).write_text("precious")
    with pytest.raises(ConfigurationError) as caught:
        keys.generate_key_pair(tmp_path, PASSWORD)
    assert caught.value.code == "sign.key-exists"
    assert [path.name for path in tmp_path.iterdir()] == [present]
    assert (tmp_path / present).read_text() == "precious"


def test_a_pair_of_which_one_half_appears_meanwhile_leaves_no_half(tmp_path, monkeypatch):
    create = keys._create

    def racing(path, body, mode):
        if path.name == "cosign.pub":
            path.write_text("somebody else's")
        create(path, body, mode)

    monkeypatch.setattr(keys, "_create", racing)
    with pytest.raises(ConfigurationError) as caught:
        keys.generate_key_pair(tmp_path, PASSWORD)
    assert caught.value.code == "sign.key-exists"
    assert [path.name for path in tmp_path.iterdir()] == ["cosign.pub"]
    assert (tmp_path / "cosign.pub").read_text() == "somebody else's"


def test_a_wrong_password_is_a_configuration_error_without_secrets(pair):
    with pytest.raises(ConfigurationError) as caught:
        keys.load_private_key(pair[0].read_bytes(), "a wrong guess", "cosign.key")
    error = caught.value
    assert error.code == "sign.password"
    assert "guess" not in json.dumps(error.diagnostics())
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_the_key_is_derived_once(pair, monkeypatch):
    calls = []
    derive = keys._derive

    def counted(*given):
        calls.append(given)
        return derive(*given)

    monkeypatch.setattr(keys, "_derive", counted)
    monkeypatch.setattr(keys, "_cache", {})
    first = keys.load_private_key(pair[0].read_bytes(), PASSWORD, "the key")
    assert keys.load_private_key(pair[0].read_bytes(), PASSWORD, "the key") is first
    assert len(calls) == 1


def test_a_key_file_cannot_ask_for_more_memory(pair, monkeypatch):
    monkeypatch.setattr(keys, "_derive", lambda *given: pytest.fail("it derived"))

    def greedy(document):
        document["kdf"]["params"]["N"] = 1 << 24

    with pytest.raises(ConfigurationError) as caught:
        keys.load_private_key(rewritten(pair[0].read_bytes(), greedy), PASSWORD, "the key")
    assert caught.value.code == "sign.key-malformed"
    assert "scrypt parameters" in caught.value.what


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["kdf"].update(name="pbkdf2"),
        lambda document: document["kdf"].update(salt="AAAA"),
        lambda document: document["cipher"].update(nonce="not base64"),
        lambda document: document.pop("ciphertext"),
        lambda document: document["kdf"]["params"].update(N=65536.0),
        lambda document: document["kdf"].update(params={"N": [], "r": 8, "p": 1}),
    ],
)
def test_a_malformed_key_file_is_named(pair, change):
    with pytest.raises(ConfigurationError) as caught:
        keys.load_private_key(rewritten(pair[0].read_bytes(), change), PASSWORD, "the key")
    assert caught.value.code == "sign.key-malformed"


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a key",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----",
        b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n!!\n%s" % END,
        b"\xff" * 100_000,
    ],
)
def test_what_is_no_key_file_is_refused(pem):
    with pytest.raises(ConfigurationError) as caught:
        keys.load_private_key(pem, PASSWORD, "the key")
    assert caught.value.code == "sign.key-malformed"


def sealed(key):
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return keys._armour(keys._encrypted(der, PASSWORD.encode()))


def test_ed25519_is_refused_by_name():
    key = ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(ConfigurationError, match="Ed25519") as caught:
        keys.load_private_key(sealed(key), PASSWORD, "the key")
    assert caught.value.code == "sign.key-kind"
    assert "Ed25519ph" in caught.value.means
    with pytest.raises(ConfigurationError) as caught:
        load_public_key(public_pem(key), "the key")
    assert caught.value.code == "sign.key-kind"


def test_the_older_name_of_the_key_file_is_read(pair):
    older = pair[0].read_bytes().replace(b"SIGSTORE", b"COSIGN")
    assert keys.load_private_key(older, PASSWORD, "the key").sign(b"x")


@pytest.mark.parametrize("algorithm", [SHA256(), SHA384()], ids=["SHA-256", "SHA-384"])
def test_p384_verifies_with_either_hash(algorithm):
    key = ec.generate_private_key(ec.SECP384R1())
    public = load_public_key(public_pem(key), "the key")
    assert public.verifies(key.sign(b"message", ec.ECDSA(algorithm)), b"message")
    assert not public.verifies(key.sign(b"massage", ec.ECDSA(algorithm)), b"message")


def test_rsa_verifies_from_2048_bits():
    key = rsa.generate_private_key(65537, 2048)
    public = load_public_key(public_pem(key), "the key")
    signature = key.sign(b"message", padding.PKCS1v15(), SHA256())
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"massage")
    with pytest.raises(ConfigurationError) as caught:
        load_public_key(public_pem(rsa.generate_private_key(65537, 1024)), "the key")
    assert caught.value.code == "sign.key-kind"


def test_other_curves_and_private_halves_are_refused_as_public_keys(pair):
    with pytest.raises(ConfigurationError) as caught:
        load_public_key(public_pem(ec.generate_private_key(ec.SECP521R1())), "the key")
    assert caught.value.code == "sign.key-kind"
    with pytest.raises(ConfigurationError) as caught:
        load_public_key(pair[0].read_bytes(), "the key")
    assert caught.value.code == "sign.key-kind"
    with pytest.raises(ConfigurationError) as caught:
        load_public_key(b"nothing", "the key")
    assert caught.value.code == "sign.key-malformed"


def test_pae_is_the_specifications_example():
    # secure-systems-lab/dsse protocol.md, "Test Vectors"
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("ü", b"") == b"DSSEv1 2 \xc3\xbc 0 "


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"payload": "", "payloadType": "t", "signatures": []},
        {"payload": "", "payloadType": "t", "signatures": ["x"]},
        {"payload": "", "payloadType": "t", "signatures": [{}]},
        {"payload": "a", "payloadType": "t", "signatures": [{"sig": ""}]},
        {"payload": "YQ==\n", "payloadType": "t", "signatures": [{"sig": ""}]},
        {"payload": "", "payloadType": 1, "signatures": [{"sig": ""}]},
    ],
)
def test_a_malformed_envelope_is_refused(data):
    with pytest.raises(MalformedError):
        read_envelope(data)


def test_signed_json_has_one_meaning():
    assert strict_json(b'{"a":{"b":1}}', "it") == {"a": {"b": 1}}
    with pytest.raises(MalformedError, match="twice"):
        strict_json(b'{"a":{"b":1,"b":2}}', "it")
    with pytest.raises(MalformedError):
        strict_json(b"[" * 100_000, "it")
