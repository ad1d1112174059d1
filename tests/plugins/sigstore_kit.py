"""A sigstore of the test's own on loopback: OpenID tokens, Fulcio, its CT log, and Rekor (v1 API).

Small, but with real signatures throughout: what the sigstore library and cosign check of the public
instance (chain, SCT, inclusion proof, checkpoint, signed entry timestamp), they check of this one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Sigstore", "running"]

_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_START = "2020-01-01T00:00:00Z"


class Sigstore:
    """The instance's keys and its log. Its attributes can be changed to make it misbehave."""

    def __init__(self) -> None:
        self.address = ""
        self.valid_from = timedelta(minutes=-1)
        """When certificates begin to be valid, from now; they are valid for ten minutes."""
        self.tokens, self.fulcio, self.ct, self.rekor = (
            ec.generate_private_key(ec.SECP256R1()) for _ in range(4)
        )
        self.leaves: list[bytes] = []
        self.root = self._root()

    def token(self, subject: str, **claims: Any) -> str:
        """Return an OpenID token that names *subject*."""
        now = datetime.now(UTC)
        pem = self.tokens.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        given = {
            "iss": f"{self.address}/issuer",
            "sub": subject,
            "aud": "sigstore",
            "iat": now,
            "exp": now + timedelta(minutes=5),
        }
        return jwt.encode(given | claims, pem, algorithm="ES256")

    def trust_config(self) -> str:
        """Return the client trust configuration (JSON) of this instance."""
        service = {
            "majorApiVersion": 1,
            "validFor": {"start": _START},
            "operator": "the test",
            "url": self.address,
        }
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
                "trustedRoot": self.trusted_root(),
                "signingConfig": {
                    "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                    "caUrls": [service],
                    "oidcUrls": [service],
                    "rekorTlogUrls": [service],
                    "rekorTlogConfig": {"selector": "ANY"},
                    "tsaUrls": [],
                    "tsaConfig": {"selector": "ANY"},
                },
            }
        )

    def trusted_root(self) -> dict[str, Any]:
        """Return the trusted root of this instance."""
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self._log(self.rekor)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "the test", "commonName": "fulcio"},
                    "uri": self.address,
                    "certChain": {
                        "certificates": [{"rawBytes": b64(self.root.public_bytes(Encoding.DER))}]
                    },
                    "validFor": {"start": _START},
                }
            ],
            "ctlogs": [self._log(self.ct)],
            "timestampAuthorities": [],
        }

    def certificate(self, request: dict[str, Any], token: str) -> dict[str, Any]:
        """Answer Fulcio's ``POST /api/v2/signingCert``."""
        claims = jwt.decode(
            token, self.tokens.public_key(), algorithms=["ES256"], audience="sigstore"
        )
        pem = base64.b64decode(request["certificateSigningRequest"])
        key = x509.load_pem_x509_csr(pem).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        builder = self._leaf(key, claims["sub"], claims["iss"])
        draft = builder.sign(self.fulcio, hashes.SHA256())
        listed = self._timestamp_list(draft.tbs_certificate_bytes)
        final = builder.add_extension(
            x509.UnrecognizedExtension(_SCT_LIST, b"\x04" + _length(len(listed)) + listed),
            critical=False,
        ).sign(self.fulcio, hashes.SHA256())
        chain = [item.public_bytes(Encoding.PEM).decode() for item in (final, self.root)]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}

    def entry(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """Answer Rekor's ``POST /api/v1/log/entries`` for a DSSE envelope."""
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        payload = base64.b64decode(envelope["payload"])
        body = canonical(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {
                        "algorithm": "sha256",
                        "value": hashlib.sha256(content["envelope"].encode()).hexdigest(),
                    },
                    "payloadHash": {
                        "algorithm": "sha256",
                        "value": hashlib.sha256(payload).hexdigest(),
                    },
                    "signatures": [
                        {"signature": item["sig"], "verifier": content["verifiers"][0]}
                        for item in envelope["signatures"]
                    ],
                },
            }
        )
        self.leaves.append(hashlib.sha256(b"\0" + body).digest())
        index = len(self.leaves) - 1
        log_id = key_id(self.rekor)
        promise = {
            "body": b64(body),
            "integratedTime": int(datetime.now(UTC).timestamp()),
            "logID": log_id.hex(),
            "logIndex": index,
        }
        root = merkle_root(self.leaves)
        note = f"rekor.test - 1\n{len(self.leaves)}\n{b64(root)}\n"
        signature = b64(log_id[:4] + signed(self.rekor, note.encode()))
        return {
            log_id.hex(): promise
            | {
                "verification": {
                    "signedEntryTimestamp": b64(signed(self.rekor, canonical(promise))),
                    "inclusionProof": {
                        "logIndex": index,
                        "rootHash": root.hex(),
                        "treeSize": len(self.leaves),
                        "hashes": [item.hex() for item in merkle_path(index, self.leaves)],
                        "checkpoint": f"{note}\n\N{EM DASH} rekor.test {signature}\n",
                    },
                }
            }
        }

    def _leaf(
        self, key: ec.EllipticCurvePublicKey, subject: str, issuer: str
    ) -> x509.CertificateBuilder:
        begin = datetime.now(UTC) + self.valid_from
        named = x509.UniformResourceIdentifier(subject) if "://" in subject else None
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(minutes=10))
            .add_extension(usage("digital_signature"), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.fulcio.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectAlternativeName([named or x509.RFC822Name(subject)]), critical=True
            )
            .add_extension(
                x509.UnrecognizedExtension(
                    _ISSUER_V2, b"\x0c" + _length(len(issuer)) + issuer.encode()
                ),
                critical=False,
            )
        )

    def _timestamp_list(self, certificate: bytes) -> bytes:
        """Return the list with one signed certificate timestamp (RFC 6962, section 3)."""
        moment = int(datetime.now(UTC).timestamp() * 1000)
        entry = key_id(self.fulcio) + struct.pack("!I", len(certificate))[1:] + certificate
        message = struct.pack("!BBQH", 0, 0, moment, 1) + entry + struct.pack("!H", 0)
        signature = signed(self.ct, message)
        timestamp = struct.pack("!B32sQH", 0, key_id(self.ct), moment, 0) + struct.pack(
            f"!BBH{len(signature)}s", 4, 3, len(signature), signature
        )
        size = len(timestamp)
        return struct.pack(f"!HH{size}s", size + 2, size, timestamp)

    def _log(self, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
        return {
            "baseUrl": self.address,
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": b64(spki(key)),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": _START},
            },
            "logId": {"keyId": b64(key_id(key))},
        }

    def _root(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fulcio of the test")])
        public = self.fulcio.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.fulcio, hashes.SHA256())
        )


@contextmanager
def running() -> Iterator[Sigstore]:
    """Serve a fresh instance for the time of the block."""
    instance = Sigstore()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                if self.path == "/api/v2/signingCert":
                    bearer = self.headers["Authorization"].removeprefix("Bearer ")
                    status, answer = 200, instance.certificate(body, bearer)
                elif self.path == "/api/v1/log/entries":
                    status, answer = 201, instance.entry(body)
                else:
                    status, answer = 404, {}
            except jwt.PyJWTError:
                status, answer = 401, {"message": "the token is not of this issuer"}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    instance.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield instance
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def merkle_root(leaves: list[bytes]) -> bytes:
    """Return the root of a tree of leaf hashes (RFC 6962, section 2.1)."""
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return _node(merkle_root(leaves[:split]), merkle_root(leaves[split:]))


def merkle_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return the audit path of one leaf (RFC 6962, section 2.1.1)."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*merkle_path(index, leaves[:split]), merkle_root(leaves[split:])]
    return [*merkle_path(index - split, leaves[split:]), merkle_root(leaves[:split])]


def usage(*names: str) -> x509.KeyUsage:
    """Return the extension by which a key may be used for *names* and for nothing else."""
    return x509.KeyUsage(**{name: name in names for name in _USAGES})


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(spki(key)).digest()


def signed(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def canonical(document: Any) -> bytes:
    """Return what RFC 8785 makes of a document of ASCII texts and whole numbers."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def _length(size: int) -> bytes:
    """Return a DER length."""
    if size < 128:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets
