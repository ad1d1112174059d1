"""Logging in: a registry that asks, token servers that answer, and credentials that stay put."""

from __future__ import annotations

import base64
import json
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.oci import authorization
from sluiceway.oci.authorization import parse_challenges
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.credentials import find_credentials
from sluiceway.oci.transport import RetryPolicy

SECRET = "correct-horse-battery"
ENVIRON = {"REGISTRY_USERNAME": "robot", "REGISTRY_PASSWORD": SECRET}
BASIC = "Basic " + base64.b64encode(f"robot:{SECRET}".encode()).decode()


class TokenServer:
    """Gives tokens for what is asked, and guards a registry with them."""

    def __init__(self, proxy, scheme="http", anonymous=""):
        self.proxy = proxy
        self.realm = f"{scheme}://{proxy.address}/token"
        self.anonymous = anonymous
        self.asked = []
        self.valid = {}
        self.form = []
        proxy.pages["/token"] = self.give
        proxy.guard = self.guard

    def give(self, query, headers, body):
        asked = {name: values[0] for name, values in parse_qs(query or body.decode()).items()}
        allowed = {BASIC: "pull,push,delete", None: self.anonymous}.get(
            headers.get("authorization"), ""
        )
        if asked.get("grant_type") == "refresh_token" and asked["refresh_token"] == SECRET:
            allowed = "pull,push"
            self.form.append(asked)
        self.asked.append((asked.get("scope", ""), headers.get("authorization")))
        if not allowed:
            return 401, b"{}"
        token = f"token-{len(self.asked)}"
        self.valid[token] = set(asked.get("scope", "").rpartition(":")[2].split(","))
        return 200, json.dumps({"token": token, "expires_in": 300}).encode()

    def guard(self, method, path, headers):
        needed = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(method, "push")
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if path == "/v2/":
            return "" if token in self.valid else f'Bearer realm="{self.realm}",service="test"'
        if needed in self.valid.get(token, ()):
            return ""
        actions = {"pull": "pull", "push": "pull,push", "delete": "pull,push,delete"}[needed]
        scope = f"repository:team/app:{actions}"
        return f'Bearer realm="{self.realm}",service="test",scope="{scope}"'


@pytest.fixture
def proxy(make_proxy, address):
    return make_proxy(address)


def connect(proxy, environ=ENVIRON, **more):
    return RegistryClient(
        f"{proxy.address}/team/app", environ=environ, retry=RetryPolicy(attempts=1), **more
    )


def failing(act):
    with pytest.raises(ActionFailed) as caught:
        act()
    assert SECRET not in str(caught.value.diagnostics())
    return caught.value


def test_tokens_are_fetched_once_for_each_kind_of_work(proxy, make_image):
    tokens = TokenServer(proxy)
    with connect(proxy) as client:
        image = make_image(client, tag="dev")
        assert client.resolve("dev") == image
        assert client.delete_tag("dev")
        assert client.ping()
    assert [scope for scope, _ in tokens.asked] == [
        "repository:team/app:pull",
        "repository:team/app:pull,push",
        "repository:team/app:pull,push,delete",
        "",
    ]
    assert {sent for _, sent in tokens.asked} == {BASIC}


def test_a_token_that_is_taken_back_is_fetched_anew(proxy, make_image):
    tokens = TokenServer(proxy)
    with connect(proxy) as client:
        image = make_image(client, tag="dev")
        tokens.valid.clear()
        assert client.resolve("dev") == image


def test_without_credentials_what_is_public_can_be_read(proxy, registry, make_image):
    image = make_image(registry, tag="dev")
    TokenServer(proxy, anonymous="pull")
    with connect(proxy, {}) as client:
        assert client.resolve("dev") == image


def test_without_credentials_what_is_private_is_denied(proxy):
    TokenServer(proxy)
    with connect(proxy, {}) as client:
        error = failing(lambda: client.resolve("dev"))
    assert error.code == "registry.denied"
    assert "docker login" in error.remedy


def test_wrong_credentials_are_denied(proxy):
    TokenServer(proxy)
    with connect(proxy, {**ENVIRON, "REGISTRY_PASSWORD": "wrong-password"}) as client:
        error = failing(lambda: client.resolve("dev"))
    assert error.code == "registry.denied"
    assert "wrong-password" not in str(error.diagnostics())
    assert "REGISTRY_PASSWORD" in error.remedy


def test_a_token_that_is_not_enough_is_denied_without_a_circle(proxy):
    tokens = TokenServer(proxy)
    proxy.guard = lambda method, path, headers: f'Bearer realm="{tokens.realm}"'
    with connect(proxy) as client:
        assert failing(lambda: client.resolve("dev")).code == "registry.denied"
    assert len(tokens.asked) == 1


def test_basic_is_sent_when_the_registry_asks_for_it(proxy, make_image):
    proxy.guard = lambda method, path, headers: (
        "" if headers.get("authorization") == BASIC else 'Basic realm="test"'
    )
    with connect(proxy) as client:
        make_image(client, tag="dev")
    with connect(proxy, {}) as client:
        assert failing(lambda: client.resolve("dev")).code == "registry.denied"


def test_nothing_is_sent_unasked(proxy, make_image):
    with connect(proxy) as client:
        make_image(client, tag="dev")
    assert not any("authorization" in passing.sent for passing in proxy.seen)


def test_a_token_does_not_follow_a_redirect(proxy, registry, make_proxy, address):
    storage = make_proxy(address)
    blob = registry.put_blob(b"content")
    TokenServer(proxy)

    def redirect(passing):
        passing.status = 307
        passing.headers["location"] = f"http://{storage.address}{passing.path}"

    proxy.fault = redirect
    with connect(proxy) as client:
        assert client.blob(blob.digest, limit=100) == b"content"
    assert "authorization" in proxy.seen[-1].sent
    assert "authorization" not in storage.seen[-1].sent


def test_a_token_server_that_redirects_gets_nothing_more(proxy, make_proxy, address):
    TokenServer(proxy)
    elsewhere = make_proxy(address)
    location = {"Location": f"http://{elsewhere.address}/token"}
    proxy.pages["/token"] = lambda query, headers, body: (307, b"", location)
    with connect(proxy) as client:
        assert failing(lambda: client.resolve("dev")).code == "registry.denied"
    assert elsewhere.seen == []


@pytest.mark.parametrize("answer", [b"[]", b"x", b"{}", b'{"token": 5}', b'{"token": "a\\nb"}'])
def test_a_token_server_that_makes_no_sense_is_an_error(proxy, answer):
    TokenServer(proxy)
    proxy.pages["/token"] = lambda query, headers, body: (200, answer)
    with connect(proxy) as client:
        assert failing(lambda: client.resolve("dev")).code == "registry.token"


def docker_config(home, document):
    folder = home / ".docker"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))
    return {"HOME": str(home)}


@pytest.mark.parametrize("key", ["{}", "https://{}", "https://{}/v1/", "http://{}/v2/"])
def test_docker_s_own_log_in_is_used(proxy, make_image, tmp_path, key):
    TokenServer(proxy)
    auth = base64.b64encode(f"robot:{SECRET}".encode()).decode()
    environ = docker_config(tmp_path, {"auths": {key.format(proxy.address): {"auth": auth}}})
    with connect(proxy, environ) as client:
        make_image(client, tag="dev")


def test_a_refresh_token_is_exchanged(proxy, make_image, tmp_path):
    tokens = TokenServer(proxy)
    environ = docker_config(tmp_path, {"auths": {proxy.address: {"identitytoken": SECRET}}})
    with connect(proxy, environ) as client:
        make_image(client, tag="dev")
    assert tokens.form[0]["client_id"] == "sluiceway"
    assert tokens.form[0]["service"] == "test"


def helper(tmp_path, script):
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "docker-credential-test"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


@pytest.mark.parametrize("kind", ["credHelpers", "credsStore"])
def test_a_credential_helper_is_asked(proxy, make_image, tmp_path, kind):
    TokenServer(proxy)
    path = helper(
        tmp_path,
        f'read -r host; [ "$1 $host" = "get {proxy.address}" ] || exit 9\n'
        f"""echo '{{"Username":"robot","Secret":"{SECRET}"}}'""",
    )
    value = {proxy.address: "test"} if kind == "credHelpers" else "test"
    environ = {**docker_config(tmp_path, {kind: value}), **path}
    with connect(proxy, environ) as client:
        make_image(client, tag="dev")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (f"echo {SECRET}; exit 3", "registry.credential-helper"),
        (f"echo not json {SECRET}", "registry.credential-helper"),
    ],
)
def test_a_helper_that_fails_does_not_give_its_secret_away(proxy, tmp_path, script, code):
    TokenServer(proxy)
    environ = {
        **docker_config(tmp_path, {"credHelpers": {proxy.address: "test"}}),
        **helper(tmp_path, script),
    }
    with connect(proxy, environ) as client:
        assert failing(lambda: client.resolve("dev")).code == code


def test_a_helper_without_an_entry_means_nobody(tmp_path):
    environ = {
        **docker_config(tmp_path, {"credsStore": "test"}),
        **helper(tmp_path, "echo credentials not found in native keychain; exit 1"),
    }
    assert find_credentials("registry.example", environ) is None


def test_a_helper_that_is_no_name_is_not_run(tmp_path):
    environ = docker_config(tmp_path, {"credHelpers": {"registry.example": "../../evil"}})
    with pytest.raises(ConfigurationError):
        find_credentials("registry.example", environ)


def test_credentials_are_for_the_registry_they_belong_to():
    environ = {**ENVIRON, "REGISTRY_URL": "https://Registry.Example/team"}
    found = find_credentials("registry.example", environ)
    assert found is not None
    assert found.secret == SECRET
    assert SECRET not in repr(found)
    assert find_credentials("other.example", environ) is None
    assert find_credentials("registry.example:444", environ) is None


@pytest.mark.parametrize("present", ["REGISTRY_USERNAME", "REGISTRY_PASSWORD"])
def test_half_a_pair_is_refused(present):
    with pytest.raises(ConfigurationError) as caught:
        find_credentials("registry.example", {present: SECRET})
    assert caught.value.code == "registry.credentials"
    assert SECRET not in str(caught.value.diagnostics())


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"auths": ["x"]}', '{"auths": {"a.example": {"auth": "%%%"}}}']
)
def test_a_broken_docker_config_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        find_credentials("a.example", {"DOCKER_CONFIG": str(tmp_path)})
    assert caught.value.code == "registry.docker-config"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://a/t",service="s, x",scope="repository:a:pull,push"',
            [
                (
                    "bearer",
                    {"realm": "https://a/t", "service": "s, x", "scope": "repository:a:pull,push"},
                )
            ],
        ),
        ("Basic", [("basic", {})]),
        (
            'Basic realm="a", Bearer realm="b",service=c',
            [("basic", {"realm": "a"}), ("bearer", {"realm": "b", "service": "c"})],
        ),
        ('Bearer realm="a\\"b"', [("bearer", {"realm": 'a"b'})]),
        ("", []),
        ("=,=,;", []),
    ],
)
def test_challenges_are_read(header, expected):
    found = [(item.scheme, item.parameters) for item in parse_challenges([header])]
    assert found == expected


# --- with TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A CA file and a server's context with a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test registry")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    ca_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, key_file)
    return ca_file, context


def test_a_registry_with_its_own_authority(make_proxy, address, certificate, make_image):
    ca_file, context = certificate
    proxy = make_proxy(address, context)
    tokens = TokenServer(proxy, scheme="https")
    with connect(proxy, ca_file=ca_file) as client:
        image = make_image(client, tag="dev")
        assert client.resolve("dev") == image
    assert tokens.asked


def test_a_registry_that_cannot_prove_itself_gets_nothing(
    make_proxy, address, certificate, tmp_path
):
    _, context = certificate
    proxy = make_proxy(address, context)
    tokens = TokenServer(proxy, scheme="https")
    other = tmp_path / "other.pem"
    other.write_bytes(_stranger())
    with connect(proxy, ca_file=other) as client:
        error = failing(lambda: client.resolve("dev"))
    assert error.code == "registry.tls"
    assert "ca_file" in error.remedy
    assert (tokens.asked, proxy.seen) == ([], [])


def test_credentials_do_not_go_to_a_realm_without_tls(make_proxy, address, certificate):
    ca_file, context = certificate
    proxy, plain = make_proxy(address, context), make_proxy(address)
    tokens = TokenServer(plain)
    proxy.guard = lambda method, path, headers: f'Bearer realm="{tokens.realm}"'
    with connect(proxy, ca_file=ca_file) as client:
        error = failing(lambda: client.resolve("dev"))
    assert error.code == "registry.unsafe-realm"
    assert tokens.asked == []


def test_an_upload_is_not_led_off_tls(make_proxy, address, certificate):
    ca_file, context = certificate
    proxy, plain = make_proxy(address, context), make_proxy(address)

    def lead_off(passing):
        if passing.method == "POST":
            passing.headers["location"] = f"http://{plain.address}/v2/x/blobs/uploads/1"

    proxy.fault = lead_off
    with connect(proxy, ca_file=ca_file) as client:
        assert failing(lambda: client.put_blob(b"x")).code == "registry.malformed"
    assert plain.seen == []


def test_a_proxy_that_ends_tls_may_name_itself_without(make_proxy, address, certificate):
    ca_file, context = certificate
    proxy = make_proxy(address, context)

    def forget_tls(passing):
        if passing.method == "POST":
            passing.headers["location"] = f"http://{proxy.address}{passing.headers['location']}"

    proxy.fault = forget_tls
    with connect(proxy, ca_file=ca_file) as client:
        assert client.has_blob(client.put_blob(b"x").digest)


def test_only_the_registry_itself_may_ask_who_we_are(proxy, make_proxy, address):
    """Where an upload is led to, somebody else may answer, and name a realm of his own."""
    elsewhere = make_proxy(address)
    stranger = TokenServer(elsewhere)

    def lead_off(passing):
        if passing.method == "POST":
            passing.headers["location"] = f"http://{elsewhere.address}/v2/team/app/blobs/uploads/1"

    proxy.fault = lead_off
    with connect(proxy) as client:
        assert failing(lambda: client.put_blob(b"x")).code == "registry.denied"
    assert stranger.asked == []
    assert not any("authorization" in passing.sent for passing in elsewhere.seen)


def test_an_authority_that_is_none_is_named(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with (
        RegistryClient("127.0.0.1:9/app", ca_file=tmp_path / "ca.pem") as client,
        pytest.raises(ConfigurationError) as caught,
    ):
        client.ping()
    assert caught.value.code == "registry.ca-file"


def test_realms_are_judged_by_address():
    class Stop(Exception):  # noqa: N818 - ends the walk where a token would be asked for
        pass

    def reached(request):
        raise Stop

    for realm, safe in {
        "https://auth.example/token": True,
        "http://auth.example/token": False,
        "ftp://auth.example/token": False,
        "https://user@auth.example/token": False,
        "/token": False,
        "http://127.0.0.1:1/token": False,
    }.items():
        judge = authorization.Authorizer(
            host="registry.example",
            path="app",
            credentials=lambda: None,
            fetch=reached,
            plain_allowed=lambda hostname: False,
        )
        challenges = parse_challenges([f'Bearer realm="{realm}"'])
        with pytest.raises(Stop if safe else ActionFailed):
            judge.answer(challenges, "pull", "")


def _stranger() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)
