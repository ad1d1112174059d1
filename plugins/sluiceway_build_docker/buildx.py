"""BuildKit through ``docker buildx``, where it is installed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway import events, process
from sluiceway.errors import ActionFailed, PluginError
from sluiceway.model import BuildRequest, Built, Project
from sluiceway.oci import Layout, document_of
from sluiceway.record import Record
from sluiceway_build_docker.faults import build_failed
from sluiceway_build_docker.options import PLUGIN, Options

__all__ = ["Tool", "arguments", "driver_of", "found", "image_of", "to_engine", "to_layout"]

_LOOK_SECONDS = 30.0
_STEP = re.compile(r"#\d+ \[(?!internal\])[^\]]*\d+/\d+\] ")
_ERROR = re.compile(r"^ERROR: (?:failed to solve: )?", re.MULTILINE)
_PREFIX = re.compile(r"#\d+ (\d+\.\d+ )?")
_CONFIG_LIMIT = 4 * 1024 * 1024


class Tool(Record):
    """A buildx that can be used."""

    environ: Mapping[str, str]
    driver: str
    """``docker``: it builds inside the engine. Others have a BuildKit of their own."""

    @property
    def exports(self) -> bool:
        """Whether it can leave an OCI layout; inside an engine it cannot."""
        return self.driver != "docker"


def found(chosen: Options, project: Project, seconds: float = _LOOK_SECONDS) -> Tool | None:
    """Return the buildx to use; ``None`` when the engine's own builder is to be used.

    Raises:
        PluginError: ``build.no-buildx`` when it is asked for and is not there.
    """
    if chosen.builder == "engine":
        return None
    environ = process.without_secrets(project.environ)
    if chosen.host:
        environ["DOCKER_HOST"] = chosen.host
    said = ""
    if process.which("docker") is not None:
        named = [chosen.buildx_builder] if chosen.buildx_builder else []
        looked = process.run(
            ["docker", "buildx", "inspect", *named],
            timeout=seconds,
            env=environ,
            check=False,
        )
        said = (looked.stderr or looked.stdout).strip()
        if looked.code == 0 and (driver := driver_of(looked.stdout)):
            return Tool(environ=environ, driver=driver)
    if chosen.builder == "auto" and not chosen.buildx_builder:
        return None
    raise PluginError(
        "docker buildx cannot be used" + (f": {said}" if said else ": docker is not on PATH"),
        means=f"[plugins.{PLUGIN}] asks for it.",
        remedy="Install it (Debian: apt-get install docker-buildx), name a builder that "
        '`docker buildx ls` shows, or write builder = "engine".',
        code="build.no-buildx",
    )


def driver_of(text: str) -> str:
    """Return the driver from what ``docker buildx inspect`` prints."""
    match = re.search(r"^Driver:\s*(\S+)", text, re.MULTILINE)
    return match[1] if match else ""


def arguments(
    chosen: Options, epoch: int, labels: Mapping[str, str], name: str, metadata: Path
) -> list[str]:
    """Return the command line; the context comes on stdin. No secret is in it."""
    words = ["docker", "buildx", "build", "--progress=plain", f"--metadata-file={metadata}"]
    # Attestations of its own would make an index of one image; ours are signed.
    words += ["--provenance=false", "--sbom=false", f"--file={name}"]
    words += [f"--label={key}={value}" for key, value in sorted(labels.items())]
    words += [f"--build-arg=SOURCE_DATE_EPOCH={epoch}"]
    words += [f"--build-arg={key}={value}" for key, value in sorted(chosen.args.items())]
    for option, value in (
        ("builder", chosen.buildx_builder),
        ("platform", chosen.platform),
        ("target", chosen.target),
        ("network", chosen.network),
    ):
        words += [f"--{option}={value}"] if value else []
    words += ["--pull"] if chosen.pull == "always" else []
    words += [] if chosen.cache else ["--no-cache"]
    return words


def image_of(metadata: Mapping[str, Any]) -> str:
    """Return the id of the image in the engine from ``--metadata-file``.

    Older engines report the id (the configuration's digest) as ``containerimage.digest``, newer
    ones the manifest's there and the id as ``containerimage.config.digest``.
    """
    identifier = metadata.get("containerimage.config.digest") or metadata.get(
        "containerimage.digest"
    )
    return identifier if isinstance(identifier, str) else ""


def to_engine(
    tool: Tool,
    chosen: Options,
    request: BuildRequest,
    labels: Mapping[str, str],
    archive: Path,
    name: str,
) -> str:
    """Build into the engine's store and return the image's id."""
    metadata = archive.with_name("metadata.json")
    words = arguments(chosen, request.epoch, labels, name, metadata)
    _run(tool, chosen, [*words, "--load", "-"], archive, name)
    return image_of(_read(metadata)) or _no_digest(metadata)


def to_layout(
    tool: Tool,
    chosen: Options,
    request: BuildRequest,
    labels: Mapping[str, str],
    archive: Path,
    name: str,
) -> Built:
    """Build into ``request.layout`` and compare it with what buildx reported."""
    metadata = archive.with_name("metadata.json")
    words = arguments(chosen, request.epoch, labels, name, metadata)
    output = f"--output=type=oci,dest={request.layout},tar=false,rewrite-timestamp=true"
    _run(tool, chosen, [*words, output, "-"], archive, name)
    layout = Layout.open(request.layout)
    manifest = layout.image()
    reported = _read(metadata).get("containerimage.digest")
    if reported != manifest.digest:
        raise ActionFailed(
            f"buildx reports {reported} and left {manifest.digest} in the layout",
            means="Which of the two was built is not known, so neither is used.",
            code="build.digest-mismatch",
        )
    configuration = document_of(manifest)["config"]["digest"]
    found_labels = (
        json.loads(layout.blob(configuration, limit=_CONFIG_LIMIT))
        .get("config", {})
        .get("Labels", {})
    )
    # What RUN does is not known from outside, so it is not promised.
    return Built(
        layout=request.layout,
        manifest=manifest,
        reproducible="unknown",
        labels=dict(found_labels or {}),
    )


def _run(tool: Tool, chosen: Options, words: list[str], archive: Path, name: str) -> None:
    done = process.stream(
        words,
        timeout=chosen.timeout_seconds,
        on_line=_tell,
        env=tool.environ,
        stdin=archive,
    )
    if done.code != 0:
        parts = _ERROR.split(done.stdout)
        printed = [
            _PREFIX.sub("", line)
            for line in parts[0].splitlines()
            if line.startswith("#") and not _STEP.match(line)
        ]
        raise build_failed(parts[-1] if len(parts) > 1 else done.stdout[-500:], printed, name)


def _tell(line: str) -> None:
    if _STEP.match(line):
        events.emit("build.step", text=_PREFIX.sub("", line))
    elif line.startswith("#"):
        events.emit("build.output", text=_PREFIX.sub("", line))


def _read(metadata: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(metadata.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _no_digest(metadata: Path) -> str:
    raise ActionFailed(
        f"buildx ended well and reported no digest in {metadata.name}",
        means="What it built cannot be named, so it is not used.",
        remedy='Use a newer buildx, or builder = "engine".',
        code="build.no-digest",
    )
