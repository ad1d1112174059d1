"""From a build request to an image layout: the Dockerfile's stages, then the image's documents."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluiceway.config.build_context import read_ignore
from sluiceway.config.settings import take
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import BuildRequest, Built, Project, canonical, rfc3339
from sluiceway.oci import Layout, descriptor_json, manifest_from
from sluiceway.oci.layout import file_digest
from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_LAYER, IMAGE_MANIFEST
from sluiceway.record import Record
from sluiceway_build_layers import words
from sluiceway_build_layers.dockerfile import Instruction, read
from sluiceway_build_layers.faults import needs_engine, wrong
from sluiceway_build_layers.layer import write_layer
from sluiceway_build_layers.stage import Sources, Stage
from sluiceway_build_layers.tree import Kind, Tree, scan

__all__ = ["PLUGIN", "Options", "build", "options"]

PLUGIN = "build-layers"

_LABEL = "org.opencontainers.image."
_PLATFORM = re.compile(r"([a-z0-9]+)/([a-z0-9_]+)(?:/([a-z0-9]+))?")


class Options(Record):
    """The plugin's settings, checked."""

    platform: str
    target: str
    args: Mapping[str, str]


class _Block(Record):
    """One FROM with what follows it."""

    name: str
    base: str
    platform: str
    start: Instruction
    steps: tuple[Instruction, ...]


def options(settings: Mapping[str, Any]) -> Options:
    """Read the settings ``platform``, ``target`` and ``args``.

    Raises:
        ConfigurationError: ``configuration.unknown-key``, ``configuration.type``,
            ``build.platform``.
    """
    taken = take(settings, PLUGIN, {"platform": "linux/amd64", "target": "", "args": {}})
    for name, value in taken["args"].items():
        if not isinstance(value, str):
            raise ConfigurationError(
                f"[plugins.{PLUGIN}.args] {name} is {value!r}, which is not text",
                remedy=f'Write it as {name} = "{value}".',
                code="configuration.type",
            )
    _check_platform(taken["platform"], f"[plugins.{PLUGIN}] platform")
    return Options(**taken)


def build(project: Project, request: BuildRequest, settings: Mapping[str, Any]) -> Built:
    """Build the image and leave it in ``request.layout``.

    Raises:
        ConfigurationError: For the Dockerfile, the context or the settings, with file and line.
        PluginError: ``build.needs-engine`` for what only a container engine can do.
        ActionFailed: ``build.context-changed``.
    """
    chosen = options(settings)
    file = request.dockerfile.name
    steps = read(request.dockerfile)
    _refuse_unknown_arguments(chosen, steps, file)
    blocks, defaults = _blocks(steps, chosen, file)
    block = _target(blocks, chosen.target, file)
    given = _automatic(request, block.platform) | dict(chosen.args)
    stage = _Stages(blocks, _context(project, request), given, defaults).build(block)
    _check_links(stage, block)
    if not stage.layers:
        raise wrong(
            block.start.where, "the image would hold no file at all", "COPY something into it."
        )
    return _write(request, stage, block.platform)


# --- stages ---


def _blocks(
    steps: Sequence[Instruction], chosen: Options, file: str
) -> tuple[list[_Block], dict[str, str]]:
    """Cut the instructions at FROM; also return the ARGs before the first that have a value."""
    globals_ = Stage(name="", tree=Tree(""))
    blocks: list[_Block] = []
    for step in steps:
        if step.name == "FROM":
            block = _opened(step, globals_.arguments, chosen, len(blocks))
            if block.name in {other.name for other in blocks}:
                raise wrong(step.where, f"there are two stages {block.name!r}", "Rename one.")
            blocks.append(block)
        elif blocks:
            last = blocks[-1]
            blocks[-1] = replace(last, steps=(*last.steps, step))
        elif step.name == "ARG":
            globals_.apply(step, Sources(Tree(""), {}), chosen.args, {})
        else:
            raise wrong(step.where, f"{step.name} comes before the first FROM")
    if not blocks:
        raise wrong(file, "there is no FROM", "Begin with FROM scratch.")
    return blocks, globals_.arguments


def _opened(
    step: Instruction, variables: Mapping[str, str], chosen: Options, number: int
) -> _Block:
    parts = words.split(step.rest, variables, step.where)
    named = len(parts) == 3 and parts[1].upper() == "AS"  # noqa: PLR2004 - base, AS, name
    if not (len(parts) == 1 or named) or not parts[0]:
        raise wrong(step.where, f"{step.original!r} is not of the form FROM base [AS name]")
    platform = chosen.platform
    for flag, value in step.flags:
        if flag != "platform":
            raise wrong(step.where, f"FROM has no --{flag}")
        automatic = _platforms(chosen.platform)
        platform = words.expand(value or "", automatic | dict(variables), step.where)
        _check_platform(platform, f"{step.where}: --platform")
    return _Block(
        name=parts[2].lower() if named else str(number),
        base=parts[0],
        platform=platform,
        start=step,
        steps=(),
    )


class _Stages:
    """Builds what is needed of the stages, each once."""

    def __init__(
        self,
        blocks: Sequence[_Block],
        context: Callable[[], Tree],
        given: Mapping[str, str],
        defaults: Mapping[str, str],
    ) -> None:
        self._blocks = blocks
        self._context = context
        self._given = given
        self._defaults = defaults
        self._done: dict[int, Stage] = {}

    def build(self, block: _Block) -> Stage:
        """Return the stage of *block*, after those that it is made from."""
        number = self._blocks.index(block)
        if number in self._done:
            return self._done[number]
        earlier = {
            key: other
            for index, other in enumerate(self._blocks[:number])
            for key in (other.name, str(index))
        }
        stage = self._base(block, earlier)
        taken = {
            (value or "").lower()
            for step in block.steps
            if step.name == "COPY"
            for flag, value in step.flags
            if flag == "from"
        }
        stages = {key: self.build(earlier[key]) for key in earlier if key in taken}
        context = Tree("the build context")
        if any(step.name in {"COPY", "ADD"} for step in block.steps):
            context = self._context()
        sources = Sources(context=context, stages=stages)
        for step in block.steps:
            stage.apply(step, sources, self._given, self._defaults)
        self._done[number] = stage
        return stage

    def _base(self, block: _Block, earlier: Mapping[str, _Block]) -> Stage:
        label = f"stage {block.name}"
        if block.base.lower() in earlier and not block.base.isdigit():
            return self.build(earlier[block.base.lower()]).begin(label)
        if block.base != "scratch":
            raise needs_engine(
                block.start.where,
                f"FROM {block.base}",
                "Begin with FROM scratch and COPY everything that the service needs, or choose "
                'another builder: [stages] build = "docker" or "buildah".',
            )
        return Stage(name=label, tree=Tree(label), platform=block.platform)


def _target(blocks: Sequence[_Block], target: str, file: str) -> _Block:
    if not target:
        return blocks[-1]
    for number, block in enumerate(blocks):
        if target.lower() in {block.name, str(number)}:
            return block
    raise ConfigurationError(
        f"{file} has no stage {target!r}",
        remedy=f"[plugins.{PLUGIN}] target may be one of: "
        f"{', '.join(block.name for block in blocks)}.",
        code="build.target",
    )


def _refuse_unknown_arguments(chosen: Options, steps: Sequence[Instruction], file: str) -> None:
    declared = {
        word.partition("=")[0] for step in steps if step.name == "ARG" for word in step.rest.split()
    }
    for name in chosen.args:
        if name not in declared:
            raise ConfigurationError(
                f"[plugins.{PLUGIN}.args] names {name!r}, and {file} has no such ARG",
                remedy=f"Add ARG {name}, or correct the name. "
                f"Declared are: {', '.join(sorted(declared)) or 'none'}.",
                code="build.arg",
            )


def _automatic(request: BuildRequest, platform: str) -> dict[str, str]:
    return _platforms(platform) | {"SOURCE_DATE_EPOCH": str(request.epoch)}


def _platforms(platform: str) -> dict[str, str]:
    system, architecture, *variant = platform.split("/")
    return {
        f"{side}{name}": value
        for side in ("TARGET", "BUILD")
        for name, value in (
            ("PLATFORM", platform),
            ("OS", system),
            ("ARCH", architecture),
            ("VARIANT", "".join(variant)),
        )
    }


def _check_platform(platform: str, where: str) -> None:
    if not _PLATFORM.fullmatch(platform):
        raise ConfigurationError(
            f"{where} is {platform!r}, which is not a platform",
            remedy="Write it like linux/amd64 or linux/arm/v7.",
            code="build.platform",
        )


def _context(project: Project, request: BuildRequest) -> Callable[[], Tree]:
    """Return a function that lists the build context when it is first needed."""
    known: list[Tree] = []

    def listed() -> Tree:
        if not known:
            ignored = read_ignore(request.context, request.dockerfile)
            # Our own state holds the private key and the layout that is being written.
            own = [_inside(path, request.context) for path in (project.state, request.layout)]
            never = {path for path in own if path is not None}

            def left_out(path: str) -> bool:
                return any(path == own or path.startswith(f"{own}/") for own in never) or ignored(
                    path
                )

            known.append(scan(request.context, left_out, prune=ignored.prunes))
        return known[0]

    return listed


def _inside(path: Path, context: Path) -> str | None:
    try:
        return path.resolve().relative_to(context.resolve()).as_posix()
    except ValueError:
        return None


def _check_links(stage: Stage, block: _Block) -> None:
    """See that no link, with all links that it goes through, leads out of the image."""
    for path in stage.tree.paths():
        node = stage.tree.get(path)
        if node is not None and node.kind is Kind.LINK:
            stage.tree.resolve(path, block.start.where)


# --- documents ---


def _write(request: BuildRequest, stage: Stage, platform: str) -> Built:
    created = _created(request.epoch)
    layout = Layout.create(request.layout)
    layers, identifiers = [], []
    with tempfile.TemporaryDirectory(prefix=".layers-", dir=request.layout.parent) as folder:
        for number, layer in enumerate(stage.layers):
            archive = Path(folder) / f"{number}.tar"
            write_layer(archive, layer.entries, request.epoch)
            layers.append(layout.write_blob(archive, IMAGE_LAYER))
            identifiers.append(file_digest(archive)[0])
            archive.unlink()
    labels = dict(sorted((stage.config.get("Labels", {}) | _labels(request, created)).items()))
    config = layout.write_blob(
        canonical(_configuration(stage, platform, created, labels, identifiers)), IMAGE_CONFIG
    )
    body = canonical(
        {
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "config": descriptor_json(config),
            "layers": [descriptor_json(item) for item in layers],
        }
    )
    manifest = manifest_from(body, IMAGE_MANIFEST)
    layout.write_manifest(manifest)
    return Built(layout=request.layout, manifest=manifest, reproducible="yes", labels=labels)


def _configuration(
    stage: Stage, platform: str, created: str, labels: dict[str, str], identifiers: list[str]
) -> dict[str, Any]:
    system, architecture, *variant = platform.split("/")
    document: dict[str, Any] = {
        "created": created,
        "architecture": architecture,
        "os": system,
        "config": stage.config | {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": identifiers},
        "history": [{"created": created} | entry for entry in stage.history],
    }
    if variant:
        document["variant"] = variant[0]
    if stage.author:
        document["author"] = stage.author
    return document


def _labels(request: BuildRequest, created: str) -> dict[str, str]:
    known = {
        "source": request.source,
        "revision": request.revision,
        "version": request.version,
        "created": created,
    }
    return {f"{_LABEL}{name}": value for name, value in known.items() if value}


def _created(epoch: int) -> str:
    try:
        return rfc3339(datetime.fromtimestamp(epoch, UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise ActionFailed(
            f"{epoch} seconds since 1970 is no moment",
            remedy="Correct SOURCE_DATE_EPOCH.",
            code="build.epoch",
        ) from error
