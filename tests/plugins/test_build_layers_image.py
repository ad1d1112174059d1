"""Whole builds: what lands in the image, that it is the same again, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess

import pytest

import sluiceway_build_layers as plugin
from sluiceway.errors import PluginError
from sluiceway.model import CheckStatus

from .build_layers_kit import EPOCH, build, context, project, put, refusal

__all__ = ["build", "context", "project"]  # fixtures


def test_an_image_holds_what_the_dockerfile_says(build, context):
    put(context, app__main="print()", app__data__a="A", run="#!/bin/sh")
    (context / "run").chmod(0o700)
    image = build(
        """
        FROM scratch
        # a comment
        WORKDIR /srv
        COPY app/ ./app/
        COPY run /bin/
        ENV A=1 B="two words" \\
            # a comment in the middle

            C=$A-unset-until-now
        ENV A=3 D=$A
        LABEL org.example.name='the app'
        USER 1000:1000
        EXPOSE 8080 53/udp 90-91
        VOLUME ["/data"]
        HEALTHCHECK --interval=1m30s --timeout=500ms --retries=2 CMD ["/bin/run", "check"]
        STOPSIGNAL SIGTERM
        ENTRYPOINT ["/bin/run"]
        CMD ["serve", "--all"]
        """
    )
    assert [sorted(layer) for layer in image.layers] == [
        ["srv"],
        ["srv/app", "srv/app/data", "srv/app/data/a", "srv/app/main"],
        ["bin", "bin/run"],
    ]
    assert image.text("srv/app/data/a") == "A"
    assert image.config == {
        "WorkingDir": "/srv",
        "Env": ["A=3", "B=two words", "C=-unset-until-now", "D=1"],
        "User": "1000:1000",
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {}},
        "Volumes": {"/data": {}},
        "Healthcheck": {
            "Test": ["CMD", "/bin/run", "check"],
            "Interval": 90_000_000_000,
            "Timeout": 500_000_000,
            "Retries": 2,
        },
        "StopSignal": "SIGTERM",
        "Entrypoint": ["/bin/run"],
        "Cmd": ["serve", "--all"],
        "Labels": {
            "org.example.name": "the app",
            "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
            "org.opencontainers.image.revision": "abc",
            "org.opencontainers.image.version": "1.2.3",
        },
    }
    assert image.built.labels == image.config["Labels"]
    assert image.built.reproducible == "yes"
    assert (image.configuration["os"], image.configuration["architecture"]) == ("linux", "amd64")


def test_the_configuration_agrees_with_the_layers(build, context):
    put(context, a="a", b="b")
    image = build("FROM scratch\nCOPY a /\nENV A=1\nCOPY b /\n")
    kinds = {layer["mediaType"] for layer in image.document["layers"]}
    assert kinds == {"application/vnd.oci.image.layer.v1.tar"}
    # Uncompressed: a layer's digest is its diff id.
    digests = [layer["digest"] for layer in image.document["layers"]]
    assert image.configuration["rootfs"] == {"type": "layers", "diff_ids": digests}
    history = image.configuration["history"]
    assert [entry["created_by"] for entry in history] == ["COPY a /", "ENV A=1", "COPY b /"]
    assert [entry.get("empty_layer", False) for entry in history] == [False, True, False]
    assert image.built.manifest == image.manifest


def test_times_owners_and_modes_are_the_requests(build, context):
    put(context, plain="", program="", folder__inside="")
    (context / "plain").chmod(0o600)
    (context / "program").chmod(0o744)
    (context / "folder").chmod(0o700)
    image = build("FROM scratch\nCOPY . /x/\n")
    modes = {name: member.mode for name, member in image.entries.items()}
    assert modes["x/plain"] == 0o644
    assert modes["x/program"] == 0o755
    assert modes["x/folder"] == 0o755
    for member in image.entries.values():
        assert (member.mtime, member.uid, member.gid) == (EPOCH, 0, 0)
        assert (member.uname, member.gname) == ("", "")


def test_the_same_files_give_the_same_digest_wherever_they_are(build, context, tmp_path):
    put(context, b="b", a__c="c", ä="umlaut")
    (context / "long").mkdir()
    (context / "long" / ("n" * 120)).write_text("beyond a tar header")
    (context / "link").symlink_to("b")
    text = "FROM scratch\nCOPY . /x/\n"
    first = build(text).manifest.digest
    # Made again in another order, at another time, with other permissions for others.
    kept = tmp_path / "kept"
    context.rename(kept)
    context.mkdir()
    for source in sorted(kept.iterdir(), reverse=True):
        target = context / source.name
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
            target.chmod(0o604)
            os.utime(target, (1, 1))
    assert build(text, name="again").manifest.digest == first
    put(context, b="another b")
    assert build(text, name="other").manifest.digest != first
    put(context, b="b")
    assert build(text, name="later", epoch=EPOCH + 1).manifest.digest != first


@pytest.mark.parametrize("word", ["RUN apt-get update", "run <<EOF\nmake\nEOF", "ONBUILD COPY a /"])
def test_what_runs_something_is_refused_by_name_and_line(build, context, word):
    put(context, a="a")
    error = refusal(build, f"FROM scratch\nCOPY a /\n\n{word}\n", PluginError)
    assert error.code == "build.needs-engine"
    name = word.split()[0].upper()
    assert error.what == f"Dockerfile:4: {name} needs docker or buildah"
    assert error.remedy


def test_a_base_image_is_refused_by_name_and_line(build):
    error = refusal(build, "ARG BASE=python:3.12\n\nFROM $BASE\n", PluginError)
    assert error.what == "Dockerfile:3: FROM python:3.12 needs docker or buildah"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("FROM scratch\nCOPY <<EOF /a\nx\nEOF\n", 2, "here-document"),
        ("FROM scratch\nADD https://example.com/a /a\n", 2, "address"),
        ("FROM scratch\nADD a.tar.gz /\n", 2, "archive"),
        ("FROM scratch\nCOPY --parents a /\n", 2, "--parents"),
        ("FROM scratch\nCOPY --chown=app a /\n", 2, "--chown=app"),
        ("FROM scratch\nCOPY --from=nginx a /\n", 2, "--from=nginx"),
        ("# syntax=example/other:1\nFROM scratch\n", 1, "frontend"),
    ],
)
def test_what_needs_an_engine_is_named(build, context, text, line, word):
    put(context, a="a", **{"a.tar.gz": ""})
    error = refusal(build, text, PluginError)
    assert error.code == "build.needs-engine"
    assert error.what.startswith(f"Dockerfile:{line}: ")
    assert word in error.what


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        ("FROM\n", 1),
        ("COPY a /\nFROM scratch\n", 1),
        ("FROM scratch as\n", 1),
        ("FROM scratch\nCPOY a /\n", 2),
        ("FROM scratch\nCOPY a\n", 2),
        ("FROM scratch\nCOPY a a /both\n", 2),
        ("FROM scratch\nCOPY ../outside /\n", 2),
        ("FROM scratch\nENV A\n", 2),
        ('FROM scratch\nENV A="open\n', 2),
        ("FROM scratch\nENV A=${B\n", 2),
        ("FROM scratch\nENV A=${B%x}\n", 2),
        ("FROM scratch\nENV A=${B:?must be set}\n", 2),
        ("FROM scratch\nEXPOSE 0\n", 2),
        ("FROM scratch\nEXPOSE 70000\n", 2),
        ("FROM scratch\nCOPY --chmod=rwx a /\n", 2),
        ("FROM scratch\nSTOPSIGNAL now please\n", 2),
        ("FROM scratch\nHEALTHCHECK --interval=soon CMD true\n", 2),
        ("FROM scratch\nHEALTHCHECK true\n", 2),
        ("FROM scratch\nSHELL /bin/sh\n", 2),
        ("FROM scratch AS a\nFROM scratch AS A\n", 2),
        ("# escape=`\nFROM scratch\n", 1),
        ("FROM scratch\nCOPY a /a\nCOPY a /a/b\n", 3),
        ("FROM scratch\nENV A=1\n", 1),
    ],
)
def test_what_is_wrong_is_named_by_line(build, context, text, line):
    put(context, a="a")
    error = refusal(build, text)
    assert error.what.startswith("Dockerfile: " if line is None else f"Dockerfile:{line}: ")


def test_a_missing_source_says_where_to_look(build, context):
    put(context, a="a", **{".dockerignore": "secret\n"}, secret="s")
    for name in ("b", "b*", "secret", "sec*"):
        error = refusal(build, f"FROM scratch\nCOPY {name} /\n")
        assert error.code == "build.copy-missing"
        assert error.what.startswith("Dockerfile:2: ")
        assert ".dockerignore" in error.remedy


# --- where things land ---


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("COPY a /b", {"b"}),
        ("COPY a /b/", {"b", "b/a"}),
        ("COPY a b /c/", {"c", "c/a", "c/b"}),
        ("COPY f /g", {"g", "g/x", "g/y", "g/y/z"}),
        ("COPY f/y /g/", {"g", "g/z"}),
        ("COPY f/* /g/", {"g", "g/x", "g/z"}),
        ("COPY [ab] /g/", {"g", "g/a", "g/b"}),
        ("WORKDIR /w\nCOPY a .", {"w", "w/a"}),
        ("WORKDIR /w\nCOPY a sub/", {"w", "w/sub", "w/sub/a"}),
        ("WORKDIR /w\nCOPY a renamed", {"w", "w/renamed"}),
        ("WORKDIR /w\nWORKDIR v\nCOPY a ./", {"w", "w/v", "w/v/a"}),
        ("WORKDIR /w\nCOPY a /w", {"w", "w/a"}),
        ('COPY ["with space", "/s"]', {"s"}),
        ("COPY with\\ space /s", {"s"}),
        ("ADD a /", {"a"}),
        ("ARG D=q\nCOPY a /$D/", {"q", "q/a"}),
        ("COPY --link a /", {"a"}),
    ],
)
def test_sources_land_where_docker_puts_them(build, context, instructions, expected):
    put(context, a="a", b="b", f__x="x", f__y__z="z", **{"with space": "s"})
    assert set(build(f"FROM scratch\n{instructions}\n").entries) == expected


def test_numbers_may_own_what_is_copied(build, context):
    put(context, f__x="x")
    image = build("FROM scratch\nCOPY --chown=10:20 --chmod=0640 f /g/f\n")
    owners = {name: (item.uid, item.gid) for name, item in image.entries.items()}
    assert owners == {"g": (0, 0), "g/f": (0, 0), "g/f/x": (10, 20)}
    assert stat.S_IMODE(image.entries["g/f/x"].mode) == 0o640


def test_a_later_copy_replaces_a_file(build, context):
    put(context, a="old", b="new")
    image = build("FROM scratch\nCOPY a /x\nCOPY b /x\n")
    assert image.text("x") == "new"
    assert len(image.layers) == 2


# --- stages ---


def test_stages_hand_files_to_each_other(build, context):
    put(context, a="a", b="b")
    image = build(
        """
        ARG NAME=given
        FROM scratch AS base
        ENV FROM_BASE=1
        CMD ["base"]
        COPY a /kept/a
        FROM scratch AS Tools
        COPY b /opt/b
        FROM base
        ARG NAME
        COPY --from=tools /opt /got/
        COPY --from=1 /opt/b /number
        ENV NAME=$NAME
        ENTRYPOINT ["/own"]
        """
    )
    assert set(image.entries) == {"kept", "kept/a", "got", "got/b", "number"}
    assert image.config["Env"] == ["FROM_BASE=1", "NAME=given"]
    # The base's CMD belonged to the base's ENTRYPOINT.
    assert image.config["Entrypoint"] == ["/own"]
    assert "Cmd" not in image.config


def test_a_stage_that_is_not_needed_is_not_looked_into(build, context):
    put(context, a="a")
    text = """
        FROM golang:1.26 AS tests
        RUN make
        FROM scratch AS final
        COPY a /
        """
    assert set(build(text).entries) == {"a"}
    error = refusal(build, text, PluginError, settings={"target": "tests"}, name="other")
    assert "FROM golang:1.26" in error.what


def test_settings_choose_target_platform_and_arguments(build, context):
    put(context, a="a", b="b")
    text = """
        FROM scratch AS one
        ARG WHICH=a
        ARG TARGETARCH
        COPY $WHICH /$TARGETARCH
        FROM scratch AS two
        COPY a /two
        """
    settings = {"target": "one", "platform": "linux/arm64/v8", "args": {"WHICH": "b"}}
    image = build(text, settings)
    assert image.text("arm64") == "b"
    assert image.configuration["architecture"] == "arm64"
    assert image.configuration["variant"] == "v8"


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"platfrom": "linux/amd64"}, "configuration.unknown-key", "platform"),
        ({"platform": "amd64"}, "build.platform", "linux/amd64"),
        ({"target": "nowhere"}, "build.target", "final"),
        ({"args": {"WHO": "x"}}, "build.arg", "WHICH"),
        ({"args": {"WHICH": 1}}, "configuration.type", "WHICH"),
    ],
)
def test_wrong_settings_are_refused(build, context, settings, code, said):
    put(context, a="a")
    error = refusal(build, "FROM scratch AS final\nARG WHICH\nCOPY a /\n", settings=settings)
    assert error.code == code
    assert said in error.remedy


def test_doctor_checks_the_settings(project):
    (check,) = plugin.sluiceway_doctor(project, {})
    assert check.status is CheckStatus.OK
    (check,) = plugin.sluiceway_doctor(project, {"platform": "x"})
    assert check.status is CheckStatus.FAIL


# --- other people's tools ---


@pytest.mark.real_tool("skopeo")
def test_skopeo_reads_the_layout(build, context, tmp_path):
    put(context, a="a")
    image = build('FROM scratch\nCOPY a /\nENTRYPOINT ["/a"]\n')
    done = subprocess.run(
        ["skopeo", "inspect", f"oci:{image.built.layout}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["Digest"] == image.manifest.digest
    assert told["Labels"] == image.config["Labels"]
    copied = tmp_path / "copied"
    subprocess.run(
        ["skopeo", "copy", f"oci:{image.built.layout}", f"dir:{copied}"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert (copied / "manifest.json").read_bytes() == image.manifest.body
