"""SSH identity: real keys, a real agent, and ssh-keygen on the other side."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import sluiceway_identity_ssh as plugin
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError, SluicewayError
from sluiceway.model import Actor, CheckStatus, Project
from sluiceway_identity_ssh import sshsig
from sluiceway_identity_ssh.keys import PrivateKey, PublicKey, sign
from sluiceway_identity_ssh.wire import Malformed, mpint, string, uint32

STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1","predicate":{}}'
_RSA = rsa.generate_private_key(65537, 2048)
KINDS: dict[str, PrivateKey] = {
    "ssh-ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa-sha2-nistp256": ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-sha2-nistp384": ec.generate_private_key(ec.SECP384R1()),
    "ecdsa-sha2-nistp521": ec.generate_private_key(ec.SECP521R1()),
    "ssh-rsa": _RSA,
}


class Site:
    """A project with a home, where people have keys."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        (self.home / ".ssh").mkdir(parents=True)
        self.root = root / "project"
        self.root.mkdir()
        self.signers = self.root / "allowed_signers"
        self.environ = {"HOME": str(self.home), "PATH": os.environ["PATH"]}

    @property
    def project(self) -> Project:
        return Project(service="s", root=self.root, state=self.root, environ=self.environ)

    def key(
        self,
        private: PrivateKey,
        path: str = "id_ed25519",
        passphrase: bytes = b"",
        style: serialization.PrivateFormat = serialization.PrivateFormat.OpenSSH,
    ) -> Path:
        lock: Any = serialization.NoEncryption()
        if passphrase:
            lock = serialization.BestAvailableEncryption(passphrase)
        place = self.home / ".ssh" / path
        place.write_bytes(private.private_bytes(serialization.Encoding.PEM, style, lock))
        place.chmod(0o600)
        return place

    def allow(self, name: str, private: PrivateKey, options: str = "") -> None:
        with self.signers.open("a") as file:
            file.write(" ".join(filter(None, (name, options, PublicKey.of(private).line))) + "\n")

    def identify(self, **settings: Any) -> Actor:
        actor = plugin.sluiceway_identify(self.project, settings)
        assert actor is not None
        return actor

    def sign(self, **settings: Any) -> tuple[Actor, str]:
        signed = plugin.sluiceway_sign_statement(self.project, STATEMENT, settings)
        assert signed is not None
        return signed

    def verify(self, text: str, statement: bytes = STATEMENT) -> Actor:
        actor = plugin.sluiceway_verify_statement(self.project, statement, text, {})
        assert actor is not None
        return actor

    def fails(self, code: str, error: type[SluicewayError] = ConfigurationError) -> SluicewayError:
        with pytest.raises(error) as caught:
            self.identify()
        assert caught.value.code == code
        assert caught.value.remedy
        return caught.value


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_is_signed_and_its_maker_named(site: Site, kind: str) -> None:
    private = KINDS[kind]
    site.key(private)
    site.allow("alice@example.org,alice", private, 'namespaces="sluiceway"')
    actor, text = site.sign()
    public = PublicKey.of(private)
    assert public.kind == kind
    assert actor == Actor(
        name="alice@example.org", method="ssh", proven=True, key=public.fingerprint
    )
    assert site.verify(text) == actor
    with pytest.raises(ActionFailed, match="is not over this statement"):
        site.verify(text, STATEMENT + b" ")
    assert site.identify() == actor


@pytest.mark.parametrize("kind", KINDS)
def test_no_flipped_byte_verifies(site: Site, kind: str) -> None:
    private = KINDS[kind]
    site.key(private)
    site.allow("alice", private)
    _, text = site.sign()
    lines = text.splitlines()
    blob = bytearray(base64.b64decode("".join(lines[1:-1])))
    for position in range(len(blob)):
        forged = bytearray(blob)
        forged[position] ^= 1
        body = base64.b64encode(forged).decode()
        with pytest.raises(ActionFailed) as caught:
            site.verify("\n".join((lines[0], body, lines[-1])))
        assert caught.value.code in ("identity.signature", "identity.unknown")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unproven os-user alice sha256:00",
        "-----BEGIN SSH SIGNATURE-----\n\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\n????\n-----END SSH SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----\nAAAA",
        "-----BEGIN SSH SIGNATURE-----" + "A" * 70_000 + "-----END SSH SIGNATURE-----",
    ],
)
def test_what_is_no_signature_is_refused(site: Site, text: str) -> None:
    site.allow("alice", KINDS["ssh-ed25519"])
    with pytest.raises(ActionFailed) as caught:
        site.verify(text)
    assert caught.value.code == "identity.signature"


def armoured(**parts: Any) -> str:
    """A signature with any part replaced, signed correctly over what it then says."""
    private = parts.get("private", KINDS["ssh-ed25519"])
    namespace, hash_name = parts.get("namespace", b"sluiceway"), parts.get("hash", b"sha512")
    digest = hashlib.new(parts.get("digest", "sha512"), STATEMENT).digest()
    data = b"SSHSIG" + string(namespace) + string(b"") + string(hash_name) + string(digest)
    blob = (
        b"SSHSIG"
        + uint32(parts.get("version", 1))
        + string(parts.get("key", PublicKey.of(private).blob))
        + string(namespace)
        + string(b"")
        + string(hash_name)
        + string(parts.get("value", lambda d: sign(private, d))(data))
        + parts.get("after", b"")
    )
    body = base64.b64encode(blob).decode()
    return f"-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n"


def _old_rsa(data: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    # SHA-256, but under the name that once meant SHA-1.
    return string(b"ssh-rsa") + string(_RSA.sign(data, padding.PKCS1v15(), hashes.SHA256()))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"version": 2}, "version 2"),
        ({"namespace": b"git"}, "made for 'git'"),
        ({"namespace": b"sluiceway2"}, "made for 'sluiceway2'"),
        ({"hash": b"sha1", "digest": "sha1"}, "hash 'sha1'"),
        ({"after": b"x"}, "something follows"),
        ({"key": string(b"sk-ssh-ed25519@openssh.com") + b"x"}, "FIDO key"),
        ({"key": string(b"ssh-ed25519-cert-v01@openssh.com")}, "certificate"),
        ({"key": string(b"ssh-dss")}, "'ssh-dss' are not used"),
        ({"key": string(b"ssh-ed25519") + string(b"x" * 31)}, "damaged"),
        ({"private": _RSA, "value": _old_rsa}, "does not belong to its key"),
        ({"value": lambda _: string(b"ssh-ed25519")}, "ends early"),
    ],
)
def test_a_signature_of_another_make_is_refused(
    site: Site, parts: dict[str, Any], words: str
) -> None:
    site.allow("alice", KINDS["ssh-ed25519"])
    site.allow("bob", _RSA)
    assert site.verify(armoured()).name == "alice"
    assert site.verify(armoured(hash=b"sha256", digest="sha256")).name == "alice"
    with pytest.raises(ActionFailed) as caught:
        site.verify(armoured(**parts))
    assert caught.value.code == "identity.signature"
    assert words in caught.value.what


def test_a_small_rsa_key_is_refused() -> None:
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    blob = string(b"ssh-rsa") + mpint(numbers.e) + mpint(numbers.n)
    with pytest.raises(Malformed, match="1024 bits, fewer than 2048"):
        PublicKey.from_blob(blob)


def test_a_negative_number_in_a_signature_is_refused(site: Site) -> None:
    private = KINDS["ecdsa-sha2-nistp256"]
    site.allow("alice", private)

    def negative(_: bytes) -> bytes:
        return string(b"ecdsa-sha2-nistp256") + string(string(b"\xff") + string(b"\x01"))

    with pytest.raises(ActionFailed, match="is negative"):
        site.verify(armoured(private=private, value=negative))


def test_a_key_that_nobody_knows_is_told_with_the_line_to_add(site: Site) -> None:
    site.key(KINDS["ssh-ed25519"])
    site.allow("bob", _RSA)
    error = site.fails("identity.unknown", ActionFailed)
    line = error.remedy.splitlines()[-1]
    site.signers.write_text(line.replace("you@", "alice@") + "\n")
    assert site.identify().name == "alice@example.org"


def test_no_key_no_list_and_a_key_instead_of_a_path(site: Site) -> None:
    assert "echo" in site.fails("identity.allowed-signers").remedy
    site.allow("alice", KINDS["ssh-ed25519"])
    missing = site.fails("identity.missing")
    assert "ssh-keygen -t ed25519" in missing.remedy
    assert "os-user" in missing.remedy
    site.environ["SLUICEWAY_SSH_KEY"] = "-----BEGIN OPENSSH PRIVATE KEY-----\nS3CRET"
    assert "S3CRET" not in repr(site.fails("identity.key").diagnostics())
    site.environ["SLUICEWAY_SSH_KEY"] = "nowhere"
    site.fails("identity.key")


def test_which_key_is_taken(site: Site) -> None:
    mine, other = KINDS["ssh-ed25519"], KINDS["ecdsa-sha2-nistp256"]
    site.allow("alice", mine)
    site.key(other, "id_ed25519")  # the first of the usual names, but nobody's
    site.key(mine, "id_ecdsa")
    assert site.identify().name == "alice"
    site.environ["SLUICEWAY_SSH_KEY"] = "~/.ssh/id_ed25519"
    site.fails("identity.unknown", ActionFailed)
    assert site.identify(key=str(site.home / ".ssh" / "id_ecdsa")).name == "alice"


def test_a_useless_key_among_the_usual_names_is_passed_over(site: Site) -> None:
    site.allow("alice", _RSA)
    (site.home / ".ssh" / "id_ed25519").write_text("nonsense")
    site.key(KINDS["ssh-ed25519"], "id_ecdsa").chmod(0o644)
    site.key(_RSA, "id_rsa")
    assert site.identify().name == "alice"
    (site.home / ".ssh" / "id_rsa").unlink()
    site.fails("identity.key")


def test_a_key_that_others_can_read_is_refused(site: Site) -> None:
    site.allow("alice", KINDS["ssh-ed25519"])
    path = site.key(KINDS["ssh-ed25519"])
    path.chmod(0o640)
    assert site.fails("identity.key-permissions").remedy == f"chmod 600 {path}"


@pytest.mark.parametrize("kind", ["ecdsa-sha2-nistp256", "ssh-rsa"])
def test_pem_keys_open_with_and_without_a_passphrase(site: Site, kind: str) -> None:
    private = KINDS[kind]
    site.allow("alice", private)
    for style in (
        serialization.PrivateFormat.PKCS8,
        serialization.PrivateFormat.TraditionalOpenSSL,
    ):
        site.key(private, style=style)
        assert site.identify().name == "alice"
        site.key(private, passphrase=b"correct horse", style=style)
        site.environ.pop("SLUICEWAY_SSH_PASSPHRASE", None)
        locked = site.fails("identity.locked")
        assert "ssh-add" in locked.remedy
        site.environ["SLUICEWAY_SSH_PASSPHRASE"] = "wrong battery"
        wrong = site.fails("identity.passphrase")
        assert "wrong battery" not in repr(wrong.diagnostics())
        site.environ["SLUICEWAY_SSH_PASSPHRASE"] = "correct horse"
        assert site.identify().name == "alice"


def _generate(path: Path, passphrase: str) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-C", "", "-N", passphrase]
    subprocess.run([*argv, "-f", str(path)], check=True, timeout=60)


@pytest.mark.real_tool("ssh-keygen")
def test_an_encrypted_openssh_key_opens_or_names_what_it_needs(site: Site) -> None:
    path = site.home / ".ssh" / "id_ed25519"
    _generate(path, "correct horse")
    site.signers.write_text(f"alice {path.with_suffix('.pub').read_text()}")
    path.with_suffix(".pub").unlink()  # its public half is in the file as well
    site.fails("identity.locked")
    site.environ["SLUICEWAY_SSH_PASSPHRASE"] = "correct horse"
    if importlib.util.find_spec("bcrypt") is None:
        error = site.fails("identity.bcrypt", PluginError)
        assert "pip install bcrypt" in error.remedy
    else:
        assert site.identify().name == "alice"


@pytest.mark.real_tool("ssh-keygen")
@pytest.mark.parametrize("kind", KINDS)
def test_ssh_keygen_accepts_our_signatures_and_we_accept_its(site: Site, kind: str) -> None:
    private = KINDS[kind]
    path = site.key(private)
    path.with_suffix(".pub").write_text(PublicKey.of(private).line + "\n")
    site.allow("alice", private, 'namespaces="slu*",valid-after="20200101Z"')
    actor, ours = site.sign()
    (site.root / "ours.sig").write_text(ours)

    def verify(message: bytes) -> int:
        argv = ["ssh-keygen", "-Y", "verify", "-f", str(site.signers), "-I", "alice"]
        argv += ["-n", "sluiceway", "-s", str(site.root / "ours.sig")]
        return subprocess.run(
            argv, input=message, capture_output=True, check=False, timeout=60
        ).returncode

    assert verify(STATEMENT) == 0
    assert verify(STATEMENT + b" ") != 0

    def theirs(namespace: str, hash_name: str) -> str:
        argv = ["ssh-keygen", "-Y", "sign", "-f", str(path), "-n", namespace]
        argv += ["-O", f"hashalg={hash_name}"]
        return subprocess.run(
            argv, input=STATEMENT, capture_output=True, check=True, timeout=60
        ).stdout.decode()

    for hash_name in ("sha512", "sha256"):
        assert site.verify(theirs("sluiceway", hash_name)) == actor
    with pytest.raises(ActionFailed, match="made for 'git'"):
        site.verify(theirs("git", "sha512"))


@contextmanager
def running_agent(site: Site) -> Iterator[None]:
    # A socket's path has at most 107 bytes, and pytest's folders are deep.
    folder = Path(
        subprocess.run(["mktemp", "-d"], capture_output=True, check=True).stdout.decode().strip()
    )
    socket = folder / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, env=site.environ
    )
    try:
        for _ in range(500):
            if socket.exists():
                break
            process.poll()
            assert process.returncode is None
            time.sleep(0.01)
        site.environ["SSH_AUTH_SOCK"] = str(socket)
        yield
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _add(site: Site, *arguments: str) -> None:
    subprocess.run(
        ["ssh-add", "-q", *arguments], env=site.environ, check=True, timeout=60, capture_output=True
    )


@pytest.mark.real_tool("ssh-agent")
@pytest.mark.parametrize("kind", KINDS)
def test_the_agent_signs_with_a_key_that_lies_nowhere(site: Site, kind: str) -> None:
    private = KINDS[kind]
    site.allow("alice", private)
    with running_agent(site):
        path = site.key(private)
        _add(site, str(path))
        path.unlink()
        actor, text = site.sign()
        assert actor.name == "alice"
        assert site.verify(text) == actor
        # A .pub file names which of the agent's keys is meant.
        public = site.home / ".ssh" / "work.pub"
        public.write_text(actor_line(private))
        assert site.identify(key=str(public)) == actor
        _add(site, "-D")
        site.environ["SLUICEWAY_SSH_KEY"] = str(public)
        assert "only the public half" in site.fails("identity.locked").what


def actor_line(private: PrivateKey) -> str:
    return PublicKey.of(private).line + " a comment\n"


@pytest.mark.real_tool("ssh-agent")
def test_the_agent_opens_what_is_locked(site: Site) -> None:
    with running_agent(site):
        path = site.home / ".ssh" / "id_ed25519"
        _generate(path, "")
        site.signers.write_text(f"alice {path.with_suffix('.pub').read_text()}")
        _add(site, str(path))
        argv = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "correct horse", "-f", str(path)]
        subprocess.run(argv, check=True, timeout=60)
        assert site.identify().name == "alice"
    site.fails("identity.locked")  # a dead agent holds nothing


def test_fido_keys_are_refused_by_name(site: Site) -> None:
    site.allow("alice", KINDS["ssh-ed25519"])
    blob = string(b"sk-ssh-ed25519@openssh.com") + string(b"x" * 32) + string(b"ssh:")
    body = b"openssh-key-v1\0" + string(b"none") + string(b"none") + string(b"") + uint32(1)
    body += string(blob) + string(b"")
    path = site.home / ".ssh" / "id_ed25519"
    text = base64.b64encode(body).decode()
    path.write_text(
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    path.chmod(0o600)
    assert "FIDO" in site.fails("identity.fido").what
    line = f"carol sk-ssh-ed25519@openssh.com {base64.b64encode(blob).decode()}\n"
    site.signers.write_text(site.signers.read_text() + line)
    site.key(KINDS["ssh-ed25519"])
    assert site.identify().name == "alice"  # her line is no reason to stop others
    checks = plugin.sluiceway_doctor(site.project, {}) or ()
    assert [check.status for check in checks] == [
        CheckStatus.OK,
        CheckStatus.WARN,
        CheckStatus.OK,
    ]
    assert "carol" in checks[1].detail


def test_doctor_says_what_is_missing_and_signs_nothing(site: Site) -> None:
    def doctor(**settings: Any) -> list[tuple[CheckStatus, str]]:
        checks = plugin.sluiceway_doctor(site.project, settings) or ()
        assert all(check.remedy for check in checks if check.status is CheckStatus.FAIL)
        return [(check.status, check.detail) for check in checks]

    assert doctor()[0][0] is CheckStatus.FAIL
    site.allow("alice", _RSA)
    assert [status for status, _ in doctor()] == [CheckStatus.OK, CheckStatus.FAIL]
    path = site.key(_RSA, passphrase=b"x" * 8, style=serialization.PrivateFormat.PKCS8)
    path.with_name(path.name + ".pub").write_text(actor_line(_RSA))
    assert doctor()[1] == (CheckStatus.OK, f"{path} (encrypted) is the key of alice")
    assert doctor(alowed_signers="x")[0][0] is CheckStatus.FAIL


def test_our_armour_is_read_back(site: Site) -> None:
    private = KINDS["ssh-ed25519"]
    text = sshsig.make(PublicKey.of(private), lambda data: sign(private, data), STATEMENT)
    assert max(len(line) for line in text.splitlines()) <= 70
    parsed = sshsig.read(text.replace("\n", "\r\n"))
    assert (parsed.namespace, parsed.hash_name) == ("sluiceway", "sha512")
    assert parsed.verifies(STATEMENT)
