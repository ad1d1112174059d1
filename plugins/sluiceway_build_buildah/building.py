"""One build: buildah builds, pushes into a folder, and what it reports is compared with that."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sluiceway import events, process
from sluiceway.config.build_context import Ignore, ignore_lines, refuse_signing_keys
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError, SluicewayError
from sluiceway.model import BuildRequest, Built, Manifest, Project
from sluiceway.oci import Layout, document_of, manifest_from
from sluiceway.oci.documents import blobs_of
from sluiceway_build_buildah.options import PLUGIN, Machine, Options, options, prefix

__all__ = ["build", "called", "failed", "reproducible", "told"]

_STEP = re.compile(r"(\[\d+/\d+\] )?STEP \d+/\d+: ")
_NOT_PINNED = re.compile(
    r"^\s*(RUN\b|ADD\s+(--\S+\s+)*(https?:|git[@:])|FROM\s+(--\S+\s+)*(?!scratch\b)(?!\S*@sha256:))",
    re.IGNORECASE | re.MULTILINE,
)
_DROPPED = "is not supported for OCI image format and will be ignored"
_SHOWN_LINES = 20
_CONFIG_LIMIT = 4 * 1024 * 1024
_TIDY_SECONDS = 120.0
_DEFAULT_ROOT = "/var/lib/containers"


def build(project: Project, request: BuildRequest, settings: Mapping[str, Any]) -> Built:
    """Build *request* into ``request.layout``.

    Raises:
        ConfigurationError: For the settings, the Dockerfile or the context
            (``build.context``, ``build.signing-key``).
        PluginError: ``build.no-buildah``.
        ActionFailed: ``build.step-failed``, ``build.base-image``, ``build.failed``,
            ``build.digest-mismatch``, ``process.timeout``.
    """
    chosen = options(settings, project.environ)
    words, isolation = called(chosen, project)
    with tempfile.TemporaryDirectory(prefix=".buildah-", dir=request.layout.parent) as folder:
        scratch = Path(folder)
        _build(chosen, words, isolation, request, project, scratch)
        identifier = _read(scratch / "id")
        try:
            manifest = _taken_out(chosen, words, identifier, project, request.layout, scratch)
        finally:
            # By its id: nothing else of the storage is ours. A failure to is none of the build.
            with suppress(SluicewayError):
                process.run(
                    [*words, "rmi", "--force", identifier],
                    timeout=_TIDY_SECONDS,
                    env=process.without_secrets(project.environ),
                    check=False,
                )
    layout = Layout.open(request.layout)
    configuration = json.loads(
        layout.blob(document_of(manifest)["config"]["digest"], limit=_CONFIG_LIMIT)
    )
    labels = (configuration.get("config") or {}).get("Labels") or {}
    return Built(
        layout=request.layout,
        manifest=manifest,
        reproducible=reproducible(request.dockerfile.read_text(encoding="utf-8"), chosen),
        labels=dict(labels),
    )


def called(chosen: Options, project: Project) -> tuple[list[str], str]:
    """Return how buildah is called here, and the isolation of RUN.

    Raises:
        PluginError: ``build.no-buildah``.
    """
    if process.which("buildah") is None:
        raise PluginError(
            "buildah is not on PATH",
            means="The builder buildah needs it.",
            remedy="Install it (Debian: apt-get install buildah), or choose another builder: "
            '[stages] build = "layers"',
            code="build.no-buildah",
        )
    root = project.root / Path(chosen.root).expanduser() if chosen.root else Path(_DEFAULT_ROOT)
    return prefix(chosen, root, Machine.look(root, project.environ))


def reproducible(dockerfile: str, chosen: Options) -> str:
    """Say whether the same request gives the same digest.

    In the format ``docker`` buildah (1.28, tried) writes the id of its working container into the
    image, so it never does.
    Times are set by ``--timestamp``. What RUN does, what an address answers and what a tag names
    is not known, so nothing is promised about it.
    """
    joined = re.sub(r"\\\s*\n", " ", dockerfile)
    stages = set(re.findall(r"^\s*FROM\s+.*\sAS\s+(\S+)", joined, re.IGNORECASE | re.MULTILINE))
    for stage in stages:
        joined = re.sub(rf"^\s*FROM\s+{re.escape(stage)}\b.*", "", joined, flags=re.MULTILINE)
    if chosen.format == "docker":
        return "no"
    return "unknown" if chosen.args or _NOT_PINNED.search(joined) else "yes"


def failed(output: str, dockerfile: str) -> SluicewayError:
    """Return the error for a build that printed *output* and ended with another code than 0."""
    lines = [line for line in process.redact(output).splitlines() if line.strip()]
    message = next((line for line in reversed(lines) if line.startswith("Error: ")), "")
    message = message.removeprefix("Error: ") or (lines[-1] if lines else "it printed nothing")
    last = max((at for at, line in enumerate(lines) if _STEP.match(line)), default=-1)
    printed = "\n".join(lines[last + 1 :][-_SHOWN_LINES:])
    if re.search(
        r"unknown instruction|dockerfile parse error|Build error: Unknown", message, re.IGNORECASE
    ):
        return ConfigurationError(
            f"{dockerfile} cannot be understood: {message}",
            remedy=f"Correct the line in {dockerfile}.",
            code="build.dockerfile",
        )
    if re.search(r"target .*not found|no stage", message, re.IGNORECASE):
        return ConfigurationError(
            f"{dockerfile} has no such stage: {message}",
            remedy=f"Correct [plugins.{PLUGIN}] target.",
            code="build.target",
        )
    if re.search(r"while running runtime|exit status \d|error building at STEP \"RUN", message):
        return ActionFailed(
            f"a step of {dockerfile} failed: {message}",
            means=f"It printed:\n{printed}",
            remedy="Correct what it runs; nothing was pushed.",
            code="build.step-failed",
        )
    if re.search(r"initializing source|short-name|pinging container registry|no such image"
                 r"|image not known|locate image", message):  # fmt: skip
        return ActionFailed(
            f"a base image cannot be had: {message}",
            remedy="Correct FROM, sign in to that registry (`buildah login`), or pull the image "
            "beforehand.",
            code="build.base-image",
        )
    return ActionFailed(
        f"the build failed: {message}", means=f"It printed:\n{printed}", code="build.failed"
    )


def told(line: str) -> None:
    """Tell what buildah prints."""
    if _STEP.match(line):
        events.emit("build.step", text=line)
    elif line.strip():
        events.emit("build.output", text=line)


def _build(
    chosen: Options,
    words: list[str],
    isolation: str,
    request: BuildRequest,
    project: Project,
    scratch: Path,
) -> None:
    ignored = scratch / "ignored"
    name, patterns = _patterns(project, request)
    # buildah reads the context itself, so what it will leave out is worked out from the same lines.
    refuse_signing_keys(request.context, Ignore(patterns, name))
    ignored.write_text("\n".join([*patterns, ""]), encoding="utf-8")
    pull = {"missing": "false", "always": "always", "never": "never"}[chosen.pull]
    line = [*words, "bud", f"--file={request.dockerfile}", f"--iidfile={scratch / 'id'}"]
    line += [f"--timestamp={request.epoch}", f"--format={chosen.format}", f"--pull={pull}"]
    line += [f"--ignorefile={ignored}", f"--layers={'true' if chosen.cache else 'false'}"]
    line += [f"--label={key}={value}" for key, value in sorted(request.labels().items())]
    line += [f"--build-arg={key}={value}" for key, value in sorted(chosen.args.items())]
    for option, value in (
        ("isolation", isolation),
        ("platform", chosen.platform),
        ("target", chosen.target),
        ("network", chosen.network),
    ):
        line += [f"--{option}={value}"] if value else []
    done = process.stream(
        [*line, str(request.context)],
        timeout=chosen.timeout_seconds,
        on_line=told,
        env=process.without_secrets(project.environ),
    )
    if done.code != 0:
        raise failed(done.stdout, request.dockerfile.name)
    if _DROPPED in done.stdout:
        dropped = re.search(r'msg="(\w+) is not supported', done.stdout)
        raise ConfigurationError(
            f"buildah left out {dropped[1] if dropped else 'an instruction'}: the OCI image format "
            "has no place for it",
            means="The image would not be what the Dockerfile says. Nothing was pushed.",
            remedy=f'Write [plugins.{PLUGIN}] format = "docker", or take it out of '
            f"{request.dockerfile.name}.",
            code="build.instruction-dropped",
        )


def _patterns(project: Project, request: BuildRequest) -> tuple[str, list[str]]:
    """Return what is left out of the context: what the service says, and our own state folder."""
    name, lines = ignore_lines(request.context, request.dockerfile)
    with suppress(ValueError):
        own = project.state.resolve().relative_to(request.context.resolve())
        lines = [*lines, own.as_posix()]
    return name, lines


def _taken_out(
    chosen: Options,
    words: list[str],
    identifier: str,
    project: Project,
    folder: Path,
    scratch: Path,
) -> Manifest:
    """Push the image into *folder* as a layout, and compare the digests."""
    reported = scratch / "digest"
    docker = chosen.format == "docker"
    kept = scratch / "dir"
    target = f"dir:{kept}" if docker else f"oci:{folder}"
    line = [*words, "push", f"--digestfile={reported}", f"--format={'v2s2' if docker else 'oci'}"]
    done = process.stream(
        [*line, identifier, target],
        timeout=chosen.timeout_seconds,
        on_line=told,
        env=process.without_secrets(project.environ),
    )
    if done.code != 0:
        raise failed(done.stdout, "the image")
    digest = _read(reported)
    manifest = _from_dir(kept, folder) if docker else Layout.open(folder).image()
    if manifest.digest != digest:
        raise ActionFailed(
            f"buildah reports {digest} and left {manifest.digest}",
            means="Which of the two was built is not known, so neither is used.",
            code="build.digest-mismatch",
        )
    return manifest


def _from_dir(kept: Path, folder: Path) -> Manifest:
    """Make a layout of containers/image's ``dir:``: the same bytes under other names.

    ``oci:`` would turn the image into the other format and lose its HEALTHCHECK.
    """
    body = (kept / "manifest.json").read_bytes()
    manifest = manifest_from(body, str(json.loads(body).get("mediaType", "")))
    layout = Layout.create(folder)
    for blob in blobs_of(document_of(manifest)):
        path = kept / blob.digest.removeprefix("sha256:")
        if layout.write_blob(path).digest != blob.digest:
            raise ActionFailed(f"{path} is not what its name says", code="layout.tampered")
        path.unlink()
    layout.write_manifest(manifest)
    shutil.rmtree(kept)
    return manifest


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ActionFailed(
            f"buildah ended well and wrote no {path.name}",
            means="What it built cannot be named, so it is not used.",
            code="build.no-digest",
        ) from error
