"""Names of repositories, tags and hosts."""

from __future__ import annotations

import pytest

from sluiceway.errors import UsageError
from sluiceway.oci import (
    check_tag,
    fallback_tag,
    is_loopback,
    parse_reference,
    parse_repository,
)

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "host", "hostname", "port", "path"),
    [
        ("127.0.0.1:5555/settlement", "127.0.0.1:5555", "127.0.0.1", 5555, "settlement"),
        ("registry.example/a/b-c/d__e", "registry.example", "registry.example", None, "a/b-c/d__e"),
        ("localhost/x", "localhost", "localhost", None, "x"),
        ("[::1]:5000/x", "[::1]:5000", "::1", 5000, "x"),
    ],
)
def test_a_repository_is_taken_apart(text, host, hostname, port, path):
    repository = parse_repository(text)
    assert (repository.host, repository.hostname, repository.port, repository.path) == (
        host,
        hostname,
        port,
        path,
    )
    assert str(repository) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "settlement",
        "library/alpine",  # which registry? every tool has another answer
        "registry.example/App",
        "registry.example/app:tag",
        f"registry.example/app@{DIGEST}",
        "registry.example/../app",
        "registry.example/app/",
        "registry.example//app",
        "registry.example:0/app",
        "registry.example:70000/app",
        "user:secret@registry.example/app",
        "https://registry.example/app",
        "registry.example/" + "a" * 250,
        "registry.example/app\n",
    ],
)
def test_what_is_no_repository_is_refused(text):
    with pytest.raises(UsageError) as caught:
        parse_repository(text)
    assert caught.value.code == "repository.malformed"
    assert caught.value.remedy


@pytest.mark.parametrize("tag", ["", ".hidden", "-x", "a/b", "a:b", "x" * 129, "a\n", "../x"])
def test_what_is_no_tag_is_refused(tag):
    with pytest.raises(UsageError) as caught:
        check_tag(tag)
    assert caught.value.code == "tag.malformed"


def test_a_tag_may_be_long_and_odd():
    assert check_tag("_" + "x" * 127) == "_" + "x" * 127
    assert check_tag("v1.0_rc-2") == "v1.0_rc-2"


def test_the_fallback_tag_is_the_specifications():
    assert fallback_tag(DIGEST) == "sha256-" + "a1" * 32
    with pytest.raises(UsageError):
        fallback_tag("dev")


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.example", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("registry.example", False),
        ("127.0.0.1.example", False),
    ],
)
def test_only_loopback_is_loopback(hostname, expected):
    assert is_loopback(hostname) is expected


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:5000/team/app:dev", ("127.0.0.1:5000/team/app", "dev", "")),
        (f"ghcr.io/a/b@sha256:{'a' * 64}", ("ghcr.io/a/b", "", f"sha256:{'a' * 64}")),
        (f"ghcr.io/a/b:v1@sha256:{'a' * 64}", ("ghcr.io/a/b", "v1", f"sha256:{'a' * 64}")),
    ],
)
def test_a_reference_has_a_tag_or_a_digest(text, parts):
    repository, tag, digest = parse_reference(text)
    assert (str(repository), tag, digest) == parts


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ghcr.io/a/b", "reference.incomplete"),
        ("ghcr.io/a/b:", "tag.malformed"),
        ("ghcr.io/a/b@", "digest.malformed"),
        ("ghcr.io/a/b@sha256:12", "digest.malformed"),
        ("ghcr.io/a/b:a:b", "tag.malformed"),
        ("a/b:dev", "repository.malformed"),
        ("https://ghcr.io/a/b:dev", "repository.malformed"),
        ("", "repository.malformed"),
    ],
)
def test_a_reference_that_names_no_image_is_refused(text, code):
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert caught.value.code == code
    assert "without a tag" not in caught.value.means  # as an address of a repository is
