"""``.dockerignore`` to yes or no, and signing keys found in what is left."""

from __future__ import annotations

import io

import pytest

from sluiceway.config.build_context import (
    Ignore,
    read_ignore,
    refuse_signing_key,
    refuse_signing_keys,
)
from sluiceway.errors import ConfigurationError

KEY = b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "b/a", False),
        ("/a", "a", True),
        ("a/", "a", True),
        ("./a", "a", True),
        ("*.pyc", "x.pyc", True),
        ("*.pyc", "d/x.pyc", False),
        ("**/*.pyc", "d/e/x.pyc", True),
        ("**/*.pyc", "x.pyc", True),
        ("**", "a/b", True),
        ("a/**", "a/b/c", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("?", "a", True),
        ("?", "ab", False),
        ("[a-c]", "b", True),
        ("[^a]", "a", False),
        ("# a", "a", False),
        ("a\n!a", "a", False),
        ("!a\na", "a", True),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "keep/inside", False),
        ("*\n!keep", "other", True),
        ("d\n!d/keep", "d/keep", False),
        ("d\n!d/keep", "d/other", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README.md", False),
        ("a b", "a b", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        (".", "a", False),
    ],
)
def test_dockerignore(patterns, path, ignored):
    assert Ignore(patterns.split("\n"))(path) is ignored


def test_the_dockerfiles_own_ignore_file_goes_first(tmp_path):
    (tmp_path / ".dockerignore").write_text("a\n")
    assert read_ignore(tmp_path, tmp_path / "Dockerfile")("a")
    (tmp_path / "Dockerfile.dockerignore").write_text("b\n")
    ignored = read_ignore(tmp_path, tmp_path / "Dockerfile")
    assert (ignored("a"), ignored("b")) == (False, True)


def test_an_ignore_file_that_cannot_be_understood_stops_the_build(tmp_path):
    (tmp_path / ".dockerignore").write_text("fine\n[a\n")
    with pytest.raises(ConfigurationError) as caught:
        read_ignore(tmp_path, tmp_path / "Dockerfile")
    assert caught.value.what.startswith(".dockerignore:2: ")
    (tmp_path / ".dockerignore").write_bytes(b"\xff\n")
    with pytest.raises(ConfigurationError):
        read_ignore(tmp_path, tmp_path / "Dockerfile")


@pytest.mark.parametrize("key", [KEY, KEY.replace(b"SIGSTORE", b"COSIGN")])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1000, 0), (0, 1 << 20)])
def test_a_signing_key_is_known_wherever_it_is_in_the_beginning(key, before, after):
    with pytest.raises(ConfigurationError) as caught:
        refuse_signing_key(io.BytesIO(b"#" * before + key + b"x" * after), "a/b")
    assert (caught.value.code, caught.value.what.split()[0]) == ("build.signing-key", "a/b")


def test_what_is_no_signing_key_is_read_from_its_start_afterwards():
    source = io.BytesIO(b"-----BEGIN PUBLIC KEY-----\n")
    refuse_signing_key(source, "a")
    assert source.read(5) == b"-----"


def test_every_plain_file_that_is_not_left_out_is_looked_at(tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "key").write_bytes(KEY)
    (tmp_path / "link").symlink_to("d/e/key")
    (tmp_path / "round").symlink_to(".")
    for lines in ([], ["e"], ["d", "!d/e"], ["d/*", "!d/e/key"]):
        with pytest.raises(ConfigurationError) as caught:
            refuse_signing_keys(tmp_path, Ignore(lines))
        assert caught.value.what.startswith("d/e/key ")
    for lines in (["d"], ["**/key"], ["d", "!link"]):
        refuse_signing_keys(tmp_path, Ignore(lines))


def test_a_context_that_cannot_be_looked_at_is_refused(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        refuse_signing_keys(tmp_path / "missing", Ignore([]))
    assert caught.value.code == "build.context"
